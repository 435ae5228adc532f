// The ticks of the past.
#pragma once

#include "chart_symbol.hpp"
#include "enums/ticks.hpp"
#include "rows.hpp"

namespace mql
{
namespace terminal
{
constexpr uint kUsualTicks = 2000;

inline int copy_ticks(
    const char *what, const string &symbol, const view<MqlTick> &ticks, uint flags, Arguments &arguments)
{
  Row row;
  if (!symbol_row(symbol, row))
    return -1;
  const Answer answer = call(what, arguments.text("symbol", row.text("name")).integer("flags", int(flags)));
  if (!answer.good())
  {
    fail(ERR_HISTORY_NOT_FOUND);
    return -1;
  }
  std::vector<MqlTick> found;
  for (const Row &each : list_of(answer))
    found.push_back(tick_of(each));
  return fill(ticks, found);
}
}

// From a millisecond on the oldest ones, from 0 the newest ones; 2000 when no count is given.
inline int CopyTicks(
    const string &symbol, const view<MqlTick> &ticks, uint flags = uint(COPY_TICKS_ALL), ulong from = 0, uint count = 0)
{
  terminal::Arguments arguments;
  arguments.whole("from_msc", from).integer("count", count == 0 ? terminal::kUsualTicks : count);
  return terminal::copy_ticks("ticks_page", symbol, ticks, flags, arguments);
}

// Both ends are included; without an end all that came since.
inline int CopyTicksRange(
    const string &symbol, const view<MqlTick> &ticks, uint flags = uint(COPY_TICKS_ALL), ulong from = 0, ulong to = 0)
{
  terminal::Arguments arguments;
  arguments.whole("from_msc", from).whole("to_msc", to == 0 ? ulong(1) << 62 : to);
  return terminal::copy_ticks("ticks_between", symbol, ticks, flags, arguments);
}
}
