// Inputs of a program: the environment has them by MQL_INPUT_<name>.
#pragma once

#include "enums.hpp"

namespace mql
{
namespace detail
{
bool input_given(const char *name, std::string &text);
[[noreturn]] void input_wrong(const char *name, const std::string &text);
long input_whole(const char *name, const std::string &text);
double input_real(const char *name, const std::string &text);
bool input_truth(const char *name, const std::string &text);
datetime input_time(const char *name, const std::string &text);
color input_colour(const char *name, const std::string &text);
long input_enum(const char *name, const std::string &text, const enum_names &names);
}

template <class T>
T input(const char *name, T otherwise)
{
  std::string text;
  if (!detail::input_given(name, text))
    return otherwise;
  if constexpr (std::is_same_v<T, string>)
    return from_utf8(text);
  else if constexpr (std::is_same_v<T, bool>)
    return detail::input_truth(name, text);
  else if constexpr (std::is_same_v<T, datetime>)
    return detail::input_time(name, text);
  else if constexpr (std::is_same_v<T, color>)
    return detail::input_colour(name, text);
  else if constexpr (std::is_enum_v<T>)
    return T(detail::input_enum(name, text, enum_names_of(T())));
  else if constexpr (std::is_floating_point_v<T>)
    return T(detail::input_real(name, text));
  else
    return T(detail::input_whole(name, text));
}
}
