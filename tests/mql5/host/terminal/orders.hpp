// The orders that wait.
#pragma once

#include "enums/errors.hpp"
#include "enums/order_properties.hpp"
#include "enums/trading.hpp"
#include "selection.hpp"

namespace mql
{
namespace terminal
{
inline Selection g_order(ERR_TRADE_ORDER_NOT_FOUND);
inline Walk g_orders("orders_get");
}

inline int OrdersTotal()
{
  return terminal::g_orders.count();
}

inline bool OrderSelect(ulong ticket)
{
  terminal::Row row;
  return terminal::find("orders_get", ticket, row) ? terminal::g_order.select(row) : terminal::g_order.clear();
}

inline ulong OrderGetTicket(int index)
{
  const ulong ticket = terminal::g_orders.ticket(index);
  return OrderSelect(ticket) ? ticket : 0;
}

inline bool OrderGetInteger(ENUM_ORDER_PROPERTY_INTEGER property, long &value)
{
  return terminal::g_order.integer(ORDER_INTEGER_FIELDS[property], value);
}

inline bool OrderGetDouble(ENUM_ORDER_PROPERTY_DOUBLE property, double &value)
{
  return terminal::g_order.number(ORDER_DOUBLE_FIELDS[property], value);
}

inline bool OrderGetString(ENUM_ORDER_PROPERTY_STRING property, string &value)
{
  return terminal::g_order.text(ORDER_STRING_FIELDS[property], value);
}

inline long OrderGetInteger(ENUM_ORDER_PROPERTY_INTEGER property)
{
  long value = 0;
  OrderGetInteger(property, value);
  return value;
}

inline double OrderGetDouble(ENUM_ORDER_PROPERTY_DOUBLE property)
{
  double value = 0;
  OrderGetDouble(property, value);
  return value;
}

inline string OrderGetString(ENUM_ORDER_PROPERTY_STRING property)
{
  string value;
  OrderGetString(property, value);
  return value;
}
}
