// All that the terminal's built-ins need of the language: the one place to change when that changes.
#pragma once

#include "mql5.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace mql::terminal
{
inline std::string plain(const string &text)
{
  return to_utf8(text);
}

inline string shown(const std::string &text)
{
  return from_utf8(text);
}

// NULL and "" alike.
inline bool none(const string &text)
{
  return plain(text).empty();
}

// Note an error for GetLastError; false, for the built-in to return.
inline bool fail(int code)
{
  set_error(code);
  return false;
}

// The same for a built-in that returns -1.
inline int failed(int code)
{
  set_error(code);
  return -1;
}

// Fill an array of a program, oldest first. A dynamic one is made as long as what comes; how many fitted.
template <class T> int fill(const view<T> &into, const std::vector<T> &values)
{
  into.resize(long(values.size()));
  const long count = std::min(long(values.size()), long(into.size()));
  std::copy_n(values.begin(), count, into.data());
  return int(count);
}
}
