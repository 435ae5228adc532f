// Symbols: what they are, their prices, and the Market Watch.
#pragma once

#include "chart_symbol.hpp"
#include "enums/symbol.hpp"
#include "enums/symbol_properties.hpp"
#include "rows.hpp"

namespace mql
{
namespace terminal
{
inline bool is_selected(const Row &row)
{
  return row.integer("select") != 0;
}

// What moves with the market is known of what the Market Watch shows.
inline bool moves(ENUM_SYMBOL_INFO_INTEGER property)
{
  switch (property)
  {
  case SYMBOL_SPREAD:
  case SYMBOL_TIME:
  case SYMBOL_TIME_MSC:
  case SYMBOL_VOLUME:
  case SYMBOL_VOLUMEHIGH:
  case SYMBOL_VOLUMELOW:
    return true;
  default:
    return false;
  }
}

inline bool moves(ENUM_SYMBOL_INFO_DOUBLE property)
{
  return (property >= SYMBOL_BID && property <= SYMBOL_VOLUMELOW_REAL) || property == SYMBOL_TRADE_TICK_VALUE ||
         property == SYMBOL_TRADE_TICK_VALUE_PROFIT || property == SYMBOL_TRADE_TICK_VALUE_LOSS;
}

inline Rows symbol_rows(bool selected)
{
  Rows found;
  for (const Row &row : list_of(call("symbols_get")))
    if (!selected || is_selected(row))
      found.push_back(row);
  return found;
}
}

inline bool SymbolInfoTick(const string &symbol, MqlTick &tick)
{
  terminal::Row row;
  if (!terminal::symbol_row(symbol, row))
    return false;
  if (!terminal::is_selected(row))
    return terminal::fail(ERR_MARKET_NOT_SELECTED);
  const auto answer = terminal::call("symbol_info_tick", terminal::Arguments().text("symbol", row.text("name")));
  if (!answer.good())
    return terminal::fail(ERR_MARKET_LASTTIME_UNKNOWN);
  tick = terminal::tick_of(answer.result);
  return true;
}

inline bool SymbolInfoInteger(const string &symbol, ENUM_SYMBOL_INFO_INTEGER property, long &value)
{
  terminal::Row row;
  value = 0;
  if (!terminal::symbol_row(symbol, row))
    return false;
  if (property == SYMBOL_EXIST)
  {
    value = 1;
    return true;
  }
  if (terminal::moves(property) && !terminal::is_selected(row))
    return terminal::fail(ERR_MARKET_NOT_SELECTED);
  if (property == SYMBOL_TIME_MSC)
  {
    MqlTick tick{};
    if (!SymbolInfoTick(symbol, tick))
      return false;
    value = tick.time_msc;
    return true;
  }
  value = row.integer(SYMBOL_INTEGER_FIELDS[property]);
  return true;
}

inline bool SymbolInfoDouble(const string &symbol, ENUM_SYMBOL_INFO_DOUBLE property, double &value)
{
  terminal::Row row;
  value = 0;
  if (!terminal::symbol_row(symbol, row))
    return false;
  if (terminal::moves(property) && !terminal::is_selected(row))
    return terminal::fail(ERR_MARKET_NOT_SELECTED);
  value = row.number(SYMBOL_DOUBLE_FIELDS[property]);
  return true;
}

inline bool SymbolInfoString(const string &symbol, ENUM_SYMBOL_INFO_STRING property, string &value)
{
  terminal::Row row;
  value = string();
  if (!terminal::symbol_row(symbol, row))
    return false;
  value = terminal::shown(row.text(SYMBOL_STRING_FIELDS[property]));
  return true;
}

inline long SymbolInfoInteger(const string &symbol, ENUM_SYMBOL_INFO_INTEGER property)
{
  long value = 0;
  SymbolInfoInteger(symbol, property, value);
  return value;
}

inline double SymbolInfoDouble(const string &symbol, ENUM_SYMBOL_INFO_DOUBLE property)
{
  double value = 0;
  SymbolInfoDouble(symbol, property, value);
  return value;
}

inline string SymbolInfoString(const string &symbol, ENUM_SYMBOL_INFO_STRING property)
{
  string value;
  SymbolInfoString(symbol, property, value);
  return value;
}

// A paper broker's week: each day of it is one session.
inline bool SymbolInfoSessionTrade(
    const string &symbol, ENUM_DAY_OF_WEEK, uint session, datetime &from, datetime &to)
{
  terminal::Row row;
  if (!terminal::symbol_row(symbol, row) || session > 0)
    return false;
  from = datetime(0);
  to = datetime(24 * 60 * 60);
  return true;
}

inline bool SymbolInfoSessionQuote(
    const string &symbol, ENUM_DAY_OF_WEEK day, uint session, datetime &from, datetime &to)
{
  return SymbolInfoSessionTrade(symbol, day, session, from, to);
}

inline int SymbolsTotal(bool selected)
{
  return int(terminal::symbol_rows(selected).size());
}

inline string SymbolName(int index, bool selected)
{
  const auto rows = terminal::symbol_rows(selected);
  return index < 0 || index >= int(rows.size()) ? string() : terminal::shown(rows[index].text("name"));
}

inline bool SymbolExist(const string &symbol, bool &is_custom)
{
  const auto answer = terminal::call("symbol_info", terminal::Arguments().text("symbol", terminal::plain(symbol)));
  is_custom = answer.result.integer("custom") != 0;
  return answer.good();
}

// What a chart shows, or the account has open, stays in the Market Watch.
inline bool SymbolSelect(const string &symbol, bool select)
{
  terminal::Row row;
  if (!terminal::symbol_row(symbol, row))
    return false;
  const std::string name = row.text("name");
  const auto has = [&name](const char *what)
  { return !terminal::list_of(terminal::call(what, terminal::Arguments().text("symbol", name))).empty(); };
  const bool needed = name == terminal::plain(_Symbol) || has("positions_get") || has("orders_get");
  if (!select && needed)
    return terminal::fail(ERR_MARKET_SELECT_ERROR);
  const auto arguments = terminal::Arguments().text("symbol", name).flag("enable", select);
  return terminal::call("symbol_select", arguments).good() || terminal::fail(ERR_MARKET_SELECT_ERROR);
}

inline bool SymbolIsSynchronized(const string &symbol)
{
  terminal::Row row;
  return terminal::symbol_row(symbol, row) && terminal::call("terminal_info").result.integer("connected") != 0;
}
}
