// The life of a program: a script runs once; an EA is begun, is told what happens, and is ended.
#pragma once

#include "text.hpp"

namespace mql
{
// What a program has of the handlers; null where it has none.
struct handlers
{
  const char *program = "";
  // Before everything else, once: from now on what happens in the terminal counts.
  void (*begin)() = nullptr;
  void (*start)() = nullptr;
  int (*init)() = nullptr;
  void (*deinit)(int reason) = nullptr;
  void (*timer)() = nullptr;
  void (*chart)(int id, long whole, double real, const string &text) = nullptr;
  // One round of what the terminal has to tell: ticks, transactions, and so on.
  void (*events)() = nullptr;
};

// Its exit code: 0, or 1 for an EA that could not begin. After REASON_PARAMETERS an EA is begun again.
int live(const handlers &program);
}
