// The one connection of a program to the made-up terminal that MQL_TERMINAL names.
#pragma once

#include "row.hpp"

namespace mql::terminal
{
// What a call came to. `code` is the terminal's own: 1 is success, below 0 nothing was answered and `result` is empty.
struct Answer
{
  int code = 1;
  std::string reason;
  Row result;

  bool good() const
  {
    return code > 0;
  }
};

// Whether the program runs in a terminal at all.
bool is_there();

// Call the terminal and wait for what it answers. A terminal that freezes holds the program as long. A connection that
// broke is made anew by the next call. Ends the program when there is no terminal: nothing is traded in the void.
Answer call(const char *name, const Arguments &arguments = Arguments());

// The result of a call that answers with a list.
Rows list_of(const Answer &answer);

// The result of a call that answers with a number or a truth value.
double number_of(const Answer &answer);
}
