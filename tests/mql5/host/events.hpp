// The timer of a program, and its wish to be removed.
#pragma once

#include "types.hpp"

namespace mql
{
// A terminal looks at timers each 10 to 16 ms: shorter periods are that long. One timer per program.
bool EventSetMillisecondTimer(int milliseconds);
bool EventSetTimer(int seconds);
void EventKillTimer();
void ExpertRemove();
}
