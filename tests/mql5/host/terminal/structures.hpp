// Structures of ticks, bars, the depth of market and trading. What a program does not set is whatever it is, as in a
// terminal: `= {}` and ZeroMemory make it empty.
#pragma once

#include "enums/trading.hpp"
#include "language.hpp"

namespace mql
{
struct MqlTick
{
  datetime time;
  double bid;
  double ask;
  double last;
  ulong volume;
  long time_msc;
  uint flags;
  double volume_real;
};

struct MqlRates
{
  datetime time;
  double open;
  double high;
  double low;
  double close;
  long tick_volume;
  int spread;
  long real_volume;
};

struct MqlBookInfo
{
  ENUM_BOOK_TYPE type;
  double price;
  long volume;
  double volume_real;
};

struct MqlTradeRequest
{
  ENUM_TRADE_REQUEST_ACTIONS action;
  ulong magic;
  ulong order;
  string symbol;
  double volume;
  double price;
  double stoplimit;
  double sl;
  double tp;
  ulong deviation;
  ENUM_ORDER_TYPE type;
  ENUM_ORDER_TYPE_FILLING type_filling;
  ENUM_ORDER_TYPE_TIME type_time;
  datetime expiration;
  string comment;
  ulong position;
  ulong position_by;
};

struct MqlTradeResult
{
  uint retcode;
  ulong deal;
  ulong order;
  double volume;
  double price;
  double bid;
  double ask;
  string comment;
  uint request_id;
  int retcode_external;
};

struct MqlTradeCheckResult
{
  uint retcode;
  double balance;
  double equity;
  double profit;
  double margin;
  double margin_free;
  double margin_level;
  string comment;
};

struct MqlTradeTransaction
{
  ulong deal;
  ulong order;
  string symbol;
  ENUM_TRADE_TRANSACTION_TYPE type;
  ENUM_ORDER_TYPE order_type;
  ENUM_ORDER_STATE order_state;
  ENUM_DEAL_TYPE deal_type;
  ENUM_ORDER_TYPE_TIME time_type;
  datetime time_expiration;
  double price;
  double price_trigger;
  double price_sl;
  double price_tp;
  double volume;
  ulong position;
  ulong position_by;
};
}
