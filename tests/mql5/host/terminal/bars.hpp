// Bars, made of bids. Position 0 is the newest one, which is not complete.
#pragma once

#include "chart_symbol.hpp"
#include "rows.hpp"

namespace mql
{
inline int PeriodSeconds(ENUM_TIMEFRAMES period = PERIOD_CURRENT)
{
  constexpr int hours = 0x4000, weeks = 0x8000, months = 0xc000, minute = 60, day = 24 * 60 * minute;
  const int number = period == PERIOD_CURRENT ? int(_Period) : int(period);
  if (number >= months)
    return (number - months) * 30 * day;
  if (number >= weeks)
    return (number - weeks) * 7 * day;
  return number >= hours ? (number - hours) * 60 * minute : number * minute;
}

namespace terminal
{
using Bars = std::vector<MqlRates>;

inline bool get_bars(const string &symbol, ENUM_TIMEFRAMES period, Arguments &arguments, Bars &bars)
{
  Row row;
  if (!symbol_row(symbol, row))
    return false;
  arguments.text("symbol", row.text("name")).integer("seconds", PeriodSeconds(period));
  const Answer answer = call("copy_rates", arguments);
  if (!answer.good())
    return fail(ERR_HISTORY_NOT_FOUND);
  bars.clear();
  for (const Row &each : list_of(answer))
    bars.push_back(bar_of(each));
  return true;
}

// Which of all bars a program means: so many from a position, so many up to a time, or those between two times.
struct Which
{
  static Which at(long start, long count)
  {
    return {start, count, false, 0, 0};
  }

  static Which until(datetime end, long count)
  {
    return {0, count, true, 0, long(end)};
  }

  static Which between(datetime one, datetime other)
  {
    const long first = std::min(long(one), long(other)), last = std::max(long(one), long(other));
    return {0, long(1) << 40, true, first, last};
  }

  // Of values that stand beside bars, oldest first, those that are meant.
  template <class T> std::vector<T> of(const Bars &bars, const std::vector<T> &values) const
  {
    std::vector<T> found;
    for (std::size_t at = 0; at < bars.size(); ++at)
      if (!timed || (long(bars[at].time) >= first && long(bars[at].time) <= last))
        found.push_back(values[at]);
    const long size = long(found.size());
    const long end = std::max(0L, size - start), begin = std::max(0L, end - count);
    return std::vector<T>(found.begin() + begin, found.begin() + end);
  }

  bool wrong() const
  {
    return start < 0 || count <= 0;
  }

  long start;
  long count;
  bool timed;
  long first;
  long last;
};

// One value of each bar into a program's array; -1 with an error when there is none.
template <class T, class Of>
int copy_series(const string &symbol, ENUM_TIMEFRAMES period, const Which &which, const view<T> &into, Of of)
{
  Bars bars;
  Arguments all;
  if (which.wrong())
    return failed(ERR_INVALID_PARAMETER);
  if (!get_bars(symbol, period, all, bars))
    return -1;
  std::vector<T> values;
  for (const MqlRates &bar : bars)
    values.push_back(of(bar));
  const std::vector<T> found = which.of(bars, values);
  if (found.empty())
    return failed(ERR_HISTORY_NOT_FOUND);
  return fill(into, found);
}

inline bool bar_at(const string &symbol, ENUM_TIMEFRAMES period, int shift, MqlRates &bar)
{
  Bars bars;
  Arguments newest;
  newest.integer("newest", long(shift) + 1);
  if (shift < 0)
    return fail(ERR_INVALID_PARAMETER);
  if (!get_bars(symbol, period, newest, bars))
    return false;
  if (long(bars.size()) <= shift)
    return fail(ERR_HISTORY_NOT_FOUND);
  bar = bars.front();
  return true;
}
}

inline int Bars(const string &symbol, ENUM_TIMEFRAMES period)
{
  terminal::Bars bars;
  terminal::Arguments all;
  return terminal::get_bars(symbol, period, all, bars) ? int(bars.size()) : 0;
}

inline int iBars(const string &symbol, ENUM_TIMEFRAMES period)
{
  return Bars(symbol, period);
}

inline datetime iTime(const string &symbol, ENUM_TIMEFRAMES period, int shift)
{
  MqlRates bar{};
  return terminal::bar_at(symbol, period, shift, bar) ? bar.time : datetime(0);
}

inline double iOpen(const string &symbol, ENUM_TIMEFRAMES period, int shift)
{
  MqlRates bar{};
  return terminal::bar_at(symbol, period, shift, bar) ? bar.open : 0;
}

inline double iHigh(const string &symbol, ENUM_TIMEFRAMES period, int shift)
{
  MqlRates bar{};
  return terminal::bar_at(symbol, period, shift, bar) ? bar.high : 0;
}

inline double iLow(const string &symbol, ENUM_TIMEFRAMES period, int shift)
{
  MqlRates bar{};
  return terminal::bar_at(symbol, period, shift, bar) ? bar.low : 0;
}

inline double iClose(const string &symbol, ENUM_TIMEFRAMES period, int shift)
{
  MqlRates bar{};
  return terminal::bar_at(symbol, period, shift, bar) ? bar.close : 0;
}

inline long iVolume(const string &symbol, ENUM_TIMEFRAMES period, int shift)
{
  MqlRates bar{};
  return terminal::bar_at(symbol, period, shift, bar) ? bar.tick_volume : 0;
}

inline int CopyRates(const string &symbol, ENUM_TIMEFRAMES period, int start, int count, const view<MqlRates> &into)
{
  const auto of = [](const MqlRates &bar) { return bar; };
  return terminal::copy_series(symbol, period, terminal::Which::at(start, count), into, of);
}

inline int CopyRates(const string &symbol, ENUM_TIMEFRAMES period, datetime end, int count, const view<MqlRates> &into)
{
  const auto of = [](const MqlRates &bar) { return bar; };
  return terminal::copy_series(symbol, period, terminal::Which::until(end, count), into, of);
}

inline int CopyRates(
    const string &symbol, ENUM_TIMEFRAMES period, datetime begin, datetime end, const view<MqlRates> &into)
{
  const auto of = [](const MqlRates &bar) { return bar; };
  return terminal::copy_series(symbol, period, terminal::Which::between(begin, end), into, of);
}

inline int CopyTime(const string &symbol, ENUM_TIMEFRAMES period, int start, int count, const view<datetime> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.time; };
  return terminal::copy_series(symbol, period, terminal::Which::at(start, count), into, of);
}

inline int CopyTime(const string &symbol, ENUM_TIMEFRAMES period, datetime end, int count, const view<datetime> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.time; };
  return terminal::copy_series(symbol, period, terminal::Which::until(end, count), into, of);
}

inline int CopyTime(
    const string &symbol, ENUM_TIMEFRAMES period, datetime begin, datetime end, const view<datetime> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.time; };
  return terminal::copy_series(symbol, period, terminal::Which::between(begin, end), into, of);
}

inline int CopyOpen(const string &symbol, ENUM_TIMEFRAMES period, int start, int count, const view<double> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.open; };
  return terminal::copy_series(symbol, period, terminal::Which::at(start, count), into, of);
}

inline int CopyOpen(const string &symbol, ENUM_TIMEFRAMES period, datetime end, int count, const view<double> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.open; };
  return terminal::copy_series(symbol, period, terminal::Which::until(end, count), into, of);
}

inline int CopyOpen(
    const string &symbol, ENUM_TIMEFRAMES period, datetime begin, datetime end, const view<double> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.open; };
  return terminal::copy_series(symbol, period, terminal::Which::between(begin, end), into, of);
}

inline int CopyHigh(const string &symbol, ENUM_TIMEFRAMES period, int start, int count, const view<double> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.high; };
  return terminal::copy_series(symbol, period, terminal::Which::at(start, count), into, of);
}

inline int CopyHigh(const string &symbol, ENUM_TIMEFRAMES period, datetime end, int count, const view<double> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.high; };
  return terminal::copy_series(symbol, period, terminal::Which::until(end, count), into, of);
}

inline int CopyHigh(
    const string &symbol, ENUM_TIMEFRAMES period, datetime begin, datetime end, const view<double> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.high; };
  return terminal::copy_series(symbol, period, terminal::Which::between(begin, end), into, of);
}

inline int CopyLow(const string &symbol, ENUM_TIMEFRAMES period, int start, int count, const view<double> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.low; };
  return terminal::copy_series(symbol, period, terminal::Which::at(start, count), into, of);
}

inline int CopyLow(const string &symbol, ENUM_TIMEFRAMES period, datetime end, int count, const view<double> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.low; };
  return terminal::copy_series(symbol, period, terminal::Which::until(end, count), into, of);
}

inline int CopyLow(const string &symbol, ENUM_TIMEFRAMES period, datetime begin, datetime end, const view<double> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.low; };
  return terminal::copy_series(symbol, period, terminal::Which::between(begin, end), into, of);
}

inline int CopyClose(const string &symbol, ENUM_TIMEFRAMES period, int start, int count, const view<double> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.close; };
  return terminal::copy_series(symbol, period, terminal::Which::at(start, count), into, of);
}

inline int CopyClose(const string &symbol, ENUM_TIMEFRAMES period, datetime end, int count, const view<double> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.close; };
  return terminal::copy_series(symbol, period, terminal::Which::until(end, count), into, of);
}

inline int CopyClose(
    const string &symbol, ENUM_TIMEFRAMES period, datetime begin, datetime end, const view<double> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.close; };
  return terminal::copy_series(symbol, period, terminal::Which::between(begin, end), into, of);
}

inline int CopyTickVolume(const string &symbol, ENUM_TIMEFRAMES period, int start, int count, const view<long> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.tick_volume; };
  return terminal::copy_series(symbol, period, terminal::Which::at(start, count), into, of);
}

inline int CopyTickVolume(const string &symbol, ENUM_TIMEFRAMES period, datetime end, int count, const view<long> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.tick_volume; };
  return terminal::copy_series(symbol, period, terminal::Which::until(end, count), into, of);
}

inline int CopyTickVolume(
    const string &symbol, ENUM_TIMEFRAMES period, datetime begin, datetime end, const view<long> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.tick_volume; };
  return terminal::copy_series(symbol, period, terminal::Which::between(begin, end), into, of);
}

inline int CopySpread(const string &symbol, ENUM_TIMEFRAMES period, int start, int count, const view<int> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.spread; };
  return terminal::copy_series(symbol, period, terminal::Which::at(start, count), into, of);
}

inline int CopySpread(const string &symbol, ENUM_TIMEFRAMES period, datetime end, int count, const view<int> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.spread; };
  return terminal::copy_series(symbol, period, terminal::Which::until(end, count), into, of);
}

inline int CopySpread(const string &symbol, ENUM_TIMEFRAMES period, datetime begin, datetime end, const view<int> &into)
{
  const auto of = [](const MqlRates &bar) { return bar.spread; };
  return terminal::copy_series(symbol, period, terminal::Which::between(begin, end), into, of);
}
}
