// Names of enumerators. The translator writes a table `enum_names_of(ENUM_X)` beside each enumeration.
#pragma once

#include "text.hpp"

namespace mql
{
struct enum_name
{
  long value;
  const char *name;
};
struct enum_names
{
  const char *type;
  const enum_name *begin;
  std::size_t count;
};

string enum_to_string(const enum_names &names, long value);
bool enum_from_text(const enum_names &names, const std::string &text, long &value);

// What is no enumerator is said as in a terminal: the type with :: and the number.
template <class E>
  requires std::is_enum_v<E>
string EnumToString(E value)
{
  return enum_to_string(enum_names_of(E()), long(value));
}
}
