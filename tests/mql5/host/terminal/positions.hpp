// The open positions.
#pragma once

#include "enums/errors.hpp"
#include "enums/position_properties.hpp"
#include "enums/trading.hpp"
#include "selection.hpp"

namespace mql
{
namespace terminal
{
inline Selection g_position(ERR_TRADE_POSITION_NOT_FOUND);
inline Walk g_positions("positions_get");
}

inline int PositionsTotal()
{
  return terminal::g_positions.count();
}

inline bool PositionSelectByTicket(ulong ticket)
{
  terminal::Row row;
  return terminal::find("positions_get", ticket, row) ? terminal::g_position.select(row) : terminal::g_position.clear();
}

// Where positions are hedged, the one of the symbol with the lowest ticket.
inline bool PositionSelect(const string &symbol)
{
  const auto arguments = terminal::Arguments().text("symbol", terminal::plain(symbol));
  const auto rows = terminal::list_of(terminal::call("positions_get", arguments));
  if (rows.empty())
    return terminal::g_position.clear();
  const auto *lowest = &rows.front();
  for (const auto &row : rows)
    if (row.whole("ticket") < lowest->whole("ticket"))
      lowest = &row;
  return terminal::g_position.select(*lowest);
}

inline ulong PositionGetTicket(int index)
{
  const ulong ticket = terminal::g_positions.ticket(index);
  return PositionSelectByTicket(ticket) ? ticket : 0;
}

inline bool PositionGetInteger(ENUM_POSITION_PROPERTY_INTEGER property, long &value)
{
  return terminal::g_position.integer(POSITION_INTEGER_FIELDS[property], value);
}

inline bool PositionGetDouble(ENUM_POSITION_PROPERTY_DOUBLE property, double &value)
{
  return terminal::g_position.number(POSITION_DOUBLE_FIELDS[property], value);
}

inline bool PositionGetString(ENUM_POSITION_PROPERTY_STRING property, string &value)
{
  return terminal::g_position.text(POSITION_STRING_FIELDS[property], value);
}

inline long PositionGetInteger(ENUM_POSITION_PROPERTY_INTEGER property)
{
  long value = 0;
  PositionGetInteger(property, value);
  return value;
}

inline double PositionGetDouble(ENUM_POSITION_PROPERTY_DOUBLE property)
{
  double value = 0;
  PositionGetDouble(property, value);
  return value;
}

inline string PositionGetString(ENUM_POSITION_PROPERTY_STRING property)
{
  string value;
  PositionGetString(property, value);
  return value;
}

inline string PositionGetSymbol(int index)
{
  return PositionGetTicket(index) == 0 ? string() : PositionGetString(POSITION_SYMBOL);
}
}
