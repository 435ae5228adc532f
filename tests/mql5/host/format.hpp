// Print and the printf family. A terminal prints nonsense where an argument does not fit its place in the format, and
// says nothing: here the program ends.
#pragma once

#include "text.hpp"

namespace mql
{
struct argument
{
  enum kind
  {
    Small, // an integer of 32 bits at most
    Wide,  // one of 64
    Real,
    Text,
    Other, // what has to be cast first
  };

  kind what;
  const char *type;
  bool is_signed = true;
  long whole = 0;
  double real = 0.0;
  string text = {};

  argument(const string &value) : what(Text), type("string"), text(value)
  {
  }
  argument(null_t) : what(Other), type("NULL")
  {
  }
  argument(bool) : what(Other), type("bool")
  {
  }
  argument(datetime) : what(Other), type("datetime")
  {
  }
  argument(color) : what(Other), type("color")
  {
  }
  template <class E>
    requires std::is_enum_v<E>
  argument(E) : what(Other), type("enum")
  {
  }
  template <std::floating_point T>
  argument(T value) : what(Real), type("double"), real(double(value))
  {
  }
  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  argument(T value)
      : what(sizeof(T) == 8 ? Wide : Small), type(sizeof(T) == 8 ? "long" : "int"), is_signed(std::is_signed_v<T>), whole(long(value))
  {
  }
};

string formatted(const string &format, const argument *arguments, std::size_t count);
void print_line(const string &line);
void alert_line(const string &line);

template <class... A>
string StringFormat(const string &format, const A &...values)
{
  const argument all[] = {argument(values)..., argument(null)};
  return formatted(format, all, sizeof...(values));
}

template <class... A>
void PrintFormat(const string &format, const A &...values)
{
  print_line(StringFormat(format, values...));
}
template <class... A>
void printf(const string &format, const A &...values)
{
  print_line(StringFormat(format, values...));
}

namespace detail
{
inline const string &shown(const string &value)
{
  return value;
}
inline string shown(null_t)
{
  return u"";
}
template <class T>
string shown(const T &value)
{
  return string(value);
}
template <class... A>
string joined(const A &...values)
{
  string line(u"");
  ((line += shown(values)), ...);
  return line;
}
}

template <class... A>
void Print(const A &...values)
{
  print_line(detail::joined(values...));
}

// Shown as a line that begins with "Alert: ".
template <class... A>
void Alert(const A &...values)
{
  alert_line(detail::joined(values...));
}
}
