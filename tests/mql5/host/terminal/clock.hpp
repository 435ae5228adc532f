// The server's time. Without a terminal it is the computer's.
#pragma once

#include "chart_symbol.hpp"
#include "program.hpp"

namespace mql
{
namespace terminal
{
inline datetime server_time(const char *which)
{
  if (!is_there())
    return TimeLocal();
  const auto arguments = Arguments().text("program", program_id());
  return datetime(call("events", arguments).result.integer(which));
}
}

// That of the newest tick of the Market Watch.
inline datetime TimeCurrent()
{
  return terminal::server_time("time_current");
}

// What the server's clock shows now, ticks or not.
inline datetime TimeTradeServer()
{
  return terminal::server_time("time_trade_server");
}

inline datetime TimeCurrent(MqlDateTime &parts)
{
  const datetime time = TimeCurrent();
  TimeToStruct(time, parts);
  return time;
}

inline datetime TimeTradeServer(MqlDateTime &parts)
{
  const datetime time = TimeTradeServer();
  TimeToStruct(time, parts);
  return time;
}
}
