// Whether the program may trade, and by which name its terminal knows it.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <string>

namespace mql::terminal
{
inline bool is_set(const char *variable)
{
  const char *value = std::getenv(variable);
  return value != nullptr && *value != '\0' && std::string(value) != "0";
}

// "Allow Algo Trading" in the properties of the program: MQL_TRADE_ALLOWED=0 takes it away.
inline bool may_trade()
{
  return std::getenv("MQL_TRADE_ALLOWED") == nullptr || is_set("MQL_TRADE_ALLOWED");
}

inline bool is_in_tester()
{
  return is_set("MQL_TESTER");
}

inline const std::string &program_id()
{
  static const std::string id = []
  {
    const char *named = std::getenv("MQL_PROGRAM_ID");
    return named != nullptr && *named != '\0' ? std::string(named) : "process " + std::to_string(::getpid());
  }();
  return id;
}
}
