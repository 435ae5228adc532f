// The history of orders and deals, as far as a program has selected it.
#pragma once

#include "enums/deal_properties.hpp"
#include "enums/errors.hpp"
#include "enums/order_properties.hpp"
#include "enums/trading.hpp"
#include "selection.hpp"

namespace mql
{
namespace terminal
{
// A part of history: a snapshot, until a program selects anew.
class Past
{
public:
  Past(const char *call, int missing) : call_(call), missing_(missing)
  {
  }

  bool select(const Arguments &which)
  {
    const Answer answer = call(call_, which);
    rows_ = list_of(answer);
    return answer.good();
  }

  // The one with this ticket alone, if there is one.
  bool select_one(ulong ticket)
  {
    constexpr long all = 1L << 32;
    for (const Row &row : list_of(call(call_, Arguments().integer("date_from", 0).integer("date_to", all))))
      if (row.whole("ticket") == ticket)
      {
        rows_ = {row};
        return true;
      }
    return fail(missing_);
  }

  int count() const
  {
    return int(rows_.size());
  }

  ulong ticket(int index) const
  {
    if (index >= 0 && index < count())
      return rows_[index].whole("ticket");
    fail(missing_);
    return 0;
  }

  Selection of(ulong ticket) const
  {
    Selection found(missing_);
    for (const Row &row : rows_)
      if (row.whole("ticket") == ticket)
        found.select(row);
    return found;
  }

private:
  const char *call_;
  int missing_;
  Rows rows_;
};

inline Past g_past_orders("history_orders_get", ERR_TRADE_ORDER_NOT_FOUND);
inline Past g_past_deals("history_deals_get", ERR_TRADE_DEAL_NOT_FOUND);

inline bool select_past(const Arguments &which)
{
  const bool orders = g_past_orders.select(which);
  return g_past_deals.select(which) && orders;
}
}

inline bool HistorySelect(datetime from, datetime to)
{
  return terminal::select_past(terminal::Arguments().integer("date_from", long(from)).integer("date_to", long(to)));
}

inline bool HistorySelectByPosition(long position)
{
  return terminal::select_past(terminal::Arguments().integer("position", position));
}

inline bool HistoryOrderSelect(ulong ticket)
{
  return terminal::g_past_orders.select_one(ticket);
}

inline int HistoryOrdersTotal()
{
  return terminal::g_past_orders.count();
}

inline ulong HistoryOrderGetTicket(int index)
{
  return terminal::g_past_orders.ticket(index);
}

inline bool HistoryDealSelect(ulong ticket)
{
  return terminal::g_past_deals.select_one(ticket);
}

inline int HistoryDealsTotal()
{
  return terminal::g_past_deals.count();
}

inline ulong HistoryDealGetTicket(int index)
{
  return terminal::g_past_deals.ticket(index);
}

inline bool HistoryOrderGetInteger(ulong ticket, ENUM_ORDER_PROPERTY_INTEGER property, long &value)
{
  return terminal::g_past_orders.of(ticket).integer(ORDER_INTEGER_FIELDS[property], value);
}

inline long HistoryOrderGetInteger(ulong ticket, ENUM_ORDER_PROPERTY_INTEGER property)
{
  long value = 0;
  HistoryOrderGetInteger(ticket, property, value);
  return value;
}

inline bool HistoryOrderGetDouble(ulong ticket, ENUM_ORDER_PROPERTY_DOUBLE property, double &value)
{
  return terminal::g_past_orders.of(ticket).number(ORDER_DOUBLE_FIELDS[property], value);
}

inline double HistoryOrderGetDouble(ulong ticket, ENUM_ORDER_PROPERTY_DOUBLE property)
{
  double value = 0;
  HistoryOrderGetDouble(ticket, property, value);
  return value;
}

inline bool HistoryOrderGetString(ulong ticket, ENUM_ORDER_PROPERTY_STRING property, string &value)
{
  return terminal::g_past_orders.of(ticket).text(ORDER_STRING_FIELDS[property], value);
}

inline string HistoryOrderGetString(ulong ticket, ENUM_ORDER_PROPERTY_STRING property)
{
  string value;
  HistoryOrderGetString(ticket, property, value);
  return value;
}

inline bool HistoryDealGetInteger(ulong ticket, ENUM_DEAL_PROPERTY_INTEGER property, long &value)
{
  return terminal::g_past_deals.of(ticket).integer(DEAL_INTEGER_FIELDS[property], value);
}

inline long HistoryDealGetInteger(ulong ticket, ENUM_DEAL_PROPERTY_INTEGER property)
{
  long value = 0;
  HistoryDealGetInteger(ticket, property, value);
  return value;
}

inline bool HistoryDealGetDouble(ulong ticket, ENUM_DEAL_PROPERTY_DOUBLE property, double &value)
{
  return terminal::g_past_deals.of(ticket).number(DEAL_DOUBLE_FIELDS[property], value);
}

inline double HistoryDealGetDouble(ulong ticket, ENUM_DEAL_PROPERTY_DOUBLE property)
{
  double value = 0;
  HistoryDealGetDouble(ticket, property, value);
  return value;
}

inline bool HistoryDealGetString(ulong ticket, ENUM_DEAL_PROPERTY_STRING property, string &value)
{
  return terminal::g_past_deals.of(ticket).text(DEAL_STRING_FIELDS[property], value);
}

inline string HistoryDealGetString(ulong ticket, ENUM_DEAL_PROPERTY_STRING property)
{
  string value;
  HistoryDealGetString(ticket, property, value);
  return value;
}
}
