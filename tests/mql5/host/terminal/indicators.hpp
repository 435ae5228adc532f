// Indicators by handle: moving averages and the average true range, counted anew each time that they are read.
#pragma once

#include "bars.hpp"
#include "enums/indicators.hpp"
#include "link/averages.hpp"

#include <functional>

namespace mql
{
namespace terminal
{
struct Indicator
{
  string symbol;
  ENUM_TIMEFRAMES period;
  std::function<Values(const Bars &)> values;
  bool released = false;
};

inline std::vector<Indicator> g_indicators;

inline double applied(const MqlRates &bar, ENUM_APPLIED_PRICE price)
{
  switch (price)
  {
  case PRICE_OPEN:
    return bar.open;
  case PRICE_HIGH:
    return bar.high;
  case PRICE_LOW:
    return bar.low;
  case PRICE_MEDIAN:
    return (bar.high + bar.low) / 2;
  case PRICE_TYPICAL:
    return (bar.high + bar.low + bar.close) / 3;
  case PRICE_WEIGHTED:
    return (bar.high + bar.low + bar.close + bar.close) / 4;
  default:
    return bar.close;
  }
}

inline Values applied(const Bars &bars, ENUM_APPLIED_PRICE price)
{
  Values made;
  for (const MqlRates &bar : bars)
    made.push_back(applied(bar, price));
  return made;
}

inline Values average(const Values &values, int period, ENUM_MA_METHOD method)
{
  switch (method)
  {
  case MODE_EMA:
    return exponential_average(values, period);
  case MODE_SMMA:
    return smoothed_average(values, period);
  case MODE_LWMA:
    return weighted_average(values, period);
  default:
    return simple_average(values, period);
  }
}

// Each value stands so many bars later; before the first one there is 0.
inline Values shifted(Values values, int shift)
{
  Values made(values.size(), 0.0);
  for (long at = 0; at < long(values.size()); ++at)
    if (at - shift >= 0 && at - shift < long(values.size()))
      made[at] = values[at - shift];
  return made;
}

inline int new_indicator(const string &symbol, ENUM_TIMEFRAMES period, std::function<Values(const Bars &)> values)
{
  Row row;
  if (!symbol_row(symbol, row))
    return failed(ERR_INDICATOR_UNKNOWN_SYMBOL);
  g_indicators.push_back({shown(row.text("name")), period, std::move(values)});
  return int(g_indicators.size()) + 9;
}

inline Indicator *indicator_of(int handle)
{
  const int at = handle - 10;
  if (at >= 0 && at < int(g_indicators.size()) && !g_indicators[at].released)
    return &g_indicators[at];
  fail(ERR_INDICATOR_WRONG_HANDLE);
  return nullptr;
}

inline int copy_buffer(int handle, int buffer, const Which &which, const view<double> &into)
{
  const Indicator *indicator = indicator_of(handle);
  Bars bars;
  Arguments all;
  if (indicator == nullptr)
    return -1;
  if (buffer != 0)
    return failed(ERR_INDICATOR_WRONG_INDEX);
  if (which.wrong())
    return failed(ERR_INVALID_PARAMETER);
  if (!get_bars(indicator->symbol, indicator->period, all, bars))
    return -1;
  const Values found = which.of(bars, indicator->values(bars));
  if (found.empty())
    return failed(ERR_INDICATOR_DATA_NOT_FOUND);
  return fill(into, found);
}
}

inline int iMA(
    const string &symbol,
    ENUM_TIMEFRAMES timeframe,
    int period,
    int shift,
    ENUM_MA_METHOD method,
    ENUM_APPLIED_PRICE price)
{
  if (period < 1)
    return terminal::failed(ERR_INDICATOR_WRONG_PARAMETERS);
  const auto values = [=](const terminal::Bars &bars)
  { return terminal::shifted(terminal::average(terminal::applied(bars, price), period, method), shift); };
  return terminal::new_indicator(symbol, timeframe, values);
}

inline int iATR(const string &symbol, ENUM_TIMEFRAMES timeframe, int period)
{
  if (period < 1)
    return terminal::failed(ERR_INDICATOR_WRONG_PARAMETERS);
  const auto values = [=](const terminal::Bars &bars)
  {
    const auto ranges = terminal::true_ranges(
        terminal::applied(bars, PRICE_HIGH), terminal::applied(bars, PRICE_LOW), terminal::applied(bars, PRICE_CLOSE));
    // The first range has no close before it: the first average is that of the period after it.
    terminal::Values made = terminal::simple_average(ranges, period);
    if (period <= int(made.size()))
      made[period - 1] = 0.0;
    return made;
  };
  return terminal::new_indicator(symbol, timeframe, values);
}

inline int BarsCalculated(int handle)
{
  const auto *indicator = terminal::indicator_of(handle);
  return indicator == nullptr ? -1 : Bars(indicator->symbol, indicator->period);
}

inline int CopyBuffer(int handle, int buffer, int start, int count, const view<double> &into)
{
  return terminal::copy_buffer(handle, buffer, terminal::Which::at(start, count), into);
}

inline int CopyBuffer(int handle, int buffer, datetime end, int count, const view<double> &into)
{
  return terminal::copy_buffer(handle, buffer, terminal::Which::until(end, count), into);
}

inline int CopyBuffer(int handle, int buffer, datetime begin, datetime end, const view<double> &into)
{
  return terminal::copy_buffer(handle, buffer, terminal::Which::between(begin, end), into);
}

inline bool IndicatorRelease(int handle)
{
  auto *indicator = terminal::indicator_of(handle);
  if (indicator == nullptr)
    return false;
  indicator->released = true;
  return true;
}
}
