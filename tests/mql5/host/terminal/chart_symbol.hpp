// The chart that a program runs on: its symbol and its period, by MQL_SYMBOL and MQL_PERIOD.
#pragma once

#include "enums/errors.hpp"
#include "enums/timeframes.hpp"
#include "language.hpp"
#include "link/link.hpp"

#include <cstdlib>

namespace mql::terminal
{
// The one named, else the terminal's first, else EURUSD where there is no terminal.
inline const string &chart_symbol()
{
  static const string symbol = []
  {
    const char *named = std::getenv("MQL_SYMBOL");
    if (named != nullptr && *named != '\0')
      return shown(named);
    const Rows rows = is_there() ? list_of(call("symbols_get")) : Rows();
    return shown(rows.empty() ? "EURUSD" : rows.front().text("name"));
  }();
  return symbol;
}

inline ENUM_TIMEFRAMES chart_period()
{
  const char *named = std::getenv("MQL_PERIOD");
  return named == nullptr || *named == '\0' ? PERIOD_H1 : ENUM_TIMEFRAMES(std::atoi(named));
}

// An empty name means the chart's symbol.
inline std::string symbol_name(const string &name)
{
  return plain(none(name) ? chart_symbol() : name);
}

// What the terminal has of a symbol; false with an error when there is none of this name.
inline bool symbol_row(const string &name, Row &row)
{
  const Answer answer = call("symbol_info", Arguments().text("symbol", symbol_name(name)));
  row = answer.result;
  return answer.good() || fail(ERR_MARKET_UNKNOWN_SYMBOL);
}

// It never changes: it is asked for until it is known.
inline const Row &chart_row()
{
  static Row row;
  if (is_there() && !row.has("point"))
    symbol_row(string(), row);
  return row;
}

inline int chart_digits()
{
  return is_there() ? int(chart_row().integer("digits")) : 5;
}

inline double chart_point()
{
  return is_there() ? chart_row().number("point") : 0.00001;
}
}

#define _Symbol (::mql::terminal::chart_symbol())
#define _Period (::mql::terminal::chart_period())
#define _Digits (::mql::terminal::chart_digits())
#define _Point (::mql::terminal::chart_point())

namespace mql
{
inline string Symbol()
{
  return _Symbol;
}

inline ENUM_TIMEFRAMES Period()
{
  return _Period;
}

inline int Digits()
{
  return _Digits;
}

inline double Point()
{
  return _Point;
}
}
