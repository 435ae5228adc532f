// What an order would need and make, in the account's currency.
#pragma once

#include "chart_symbol.hpp"
#include "enums/trading.hpp"

namespace mql
{
namespace terminal
{
// The terminal counts market orders: one that waits is counted as what it becomes.
inline bool market_type(ENUM_ORDER_TYPE type, ENUM_ORDER_TYPE &market)
{
  if (type < ORDER_TYPE_BUY || type >= ORDER_TYPE_CLOSE_BY)
    return false;
  market = type % 2 == ORDER_TYPE_BUY ? ORDER_TYPE_BUY : ORDER_TYPE_SELL;
  return true;
}

inline bool calculate(
    const char *what, ENUM_ORDER_TYPE type, const string &symbol, Arguments &arguments, double &value)
{
  Row row;
  ENUM_ORDER_TYPE market;
  if (!symbol_row(symbol, row))
    return false;
  if (!market_type(type, market))
    return fail(ERR_TRADE_CALC_FAILED);
  const Answer answer = call(what, arguments.integer("action", market).text("symbol", row.text("name")));
  if (!answer.good())
    return fail(ERR_TRADE_CALC_FAILED);
  value = number_of(answer);
  return true;
}
}

inline bool OrderCalcMargin(ENUM_ORDER_TYPE type, const string &symbol, double volume, double price, double &margin)
{
  terminal::Arguments arguments;
  arguments.number("volume", volume).number("price", price);
  return terminal::calculate("order_calc_margin", type, symbol, arguments, margin);
}

inline bool OrderCalcProfit(
    ENUM_ORDER_TYPE type, const string &symbol, double volume, double open, double close, double &profit)
{
  terminal::Arguments arguments;
  arguments.number("volume", volume).number("price_open", open).number("price_close", close);
  return terminal::calculate("order_calc_profit", type, symbol, arguments, profit);
}
}
