// The timer of a program, what it tells charts, and its wish to be removed.
#pragma once

#include "text.hpp"
#include "types.hpp"

namespace mql
{
// A terminal looks at timers each 10 to 16 ms: shorter periods are that long. One timer per program.
bool EventSetMillisecondTimer(int milliseconds);
bool EventSetTimer(int seconds);
void EventKillTimer();
void ExpertRemove();

// The numbers but for CUSTOM are this host's own.
enum ENUM_CHART_EVENT
{
  CHARTEVENT_KEYDOWN = 0,
  CHARTEVENT_MOUSE_MOVE = 10,
  CHARTEVENT_OBJECT_CREATE = 7,
  CHARTEVENT_OBJECT_CHANGE = 8,
  CHARTEVENT_OBJECT_DELETE = 6,
  CHARTEVENT_CLICK = 4,
  CHARTEVENT_OBJECT_CLICK = 1,
  CHARTEVENT_OBJECT_DRAG = 2,
  CHARTEVENT_OBJECT_ENDEDIT = 3,
  CHARTEVENT_CHART_CHANGE = 9,
  CHARTEVENT_CUSTOM = 1000,
  CHARTEVENT_CUSTOM_LAST = 66534,
};

// There is one chart here, the program's own, whatever number is said.
bool EventChartCustom(long chart, ushort id, long whole, double real, const string text);
}
