// Between the terminal's rows and a program's structures.
#pragma once

#include "link/row.hpp"
#include "structures.hpp"

namespace mql::terminal
{
inline MqlTick tick_of(const Row &row)
{
  MqlTick tick{};
  tick.time = datetime(row.integer("time"));
  tick.bid = row.number("bid");
  tick.ask = row.number("ask");
  tick.last = row.number("last");
  tick.volume = row.whole("volume");
  tick.time_msc = row.integer("time_msc");
  tick.flags = uint(row.integer("flags"));
  tick.volume_real = row.number("volume_real");
  return tick;
}

inline MqlRates bar_of(const Row &row)
{
  MqlRates bar{};
  bar.time = datetime(row.integer("time"));
  bar.open = row.number("open");
  bar.high = row.number("high");
  bar.low = row.number("low");
  bar.close = row.number("close");
  bar.tick_volume = row.integer("tick_volume");
  bar.spread = int(row.integer("spread"));
  bar.real_volume = row.integer("real_volume");
  return bar;
}

inline Arguments request_arguments(const MqlTradeRequest &request)
{
  Arguments made;
  made.integer("action", request.action)
      .whole("magic", request.magic)
      .whole("order", request.order)
      .text("symbol", plain(request.symbol))
      .number("volume", request.volume)
      .number("price", request.price)
      .number("stoplimit", request.stoplimit)
      .number("sl", request.sl)
      .number("tp", request.tp)
      .whole("deviation", request.deviation)
      .integer("type", request.type)
      .integer("type_filling", request.type_filling)
      .integer("type_time", request.type_time)
      .integer("expiration", long(request.expiration))
      .text("comment", plain(request.comment))
      .whole("position", request.position)
      .whole("position_by", request.position_by);
  return made;
}

inline MqlTradeRequest request_of(const Row &row)
{
  MqlTradeRequest request{};
  request.action = ENUM_TRADE_REQUEST_ACTIONS(row.integer("action"));
  request.magic = row.whole("magic");
  request.order = row.whole("order");
  request.symbol = shown(row.text("symbol"));
  request.volume = row.number("volume");
  request.price = row.number("price");
  request.stoplimit = row.number("stoplimit");
  request.sl = row.number("sl");
  request.tp = row.number("tp");
  request.deviation = row.whole("deviation");
  request.type = ENUM_ORDER_TYPE(row.integer("type"));
  request.type_filling = ENUM_ORDER_TYPE_FILLING(row.integer("type_filling"));
  request.type_time = ENUM_ORDER_TYPE_TIME(row.integer("type_time"));
  request.expiration = datetime(row.integer("expiration"));
  request.comment = shown(row.text("comment"));
  request.position = row.whole("position");
  request.position_by = row.whole("position_by");
  return request;
}

inline MqlTradeResult result_of(const Row &row)
{
  MqlTradeResult result{};
  result.retcode = uint(row.integer("retcode"));
  result.deal = row.whole("deal");
  result.order = row.whole("order");
  result.volume = row.number("volume");
  result.price = row.number("price");
  result.bid = row.number("bid");
  result.ask = row.number("ask");
  result.comment = shown(row.text("comment"));
  result.request_id = uint(row.integer("request_id"));
  result.retcode_external = int(row.integer("retcode_external"));
  return result;
}

inline MqlTradeTransaction transaction_of(const Row &row)
{
  MqlTradeTransaction transaction{};
  transaction.deal = row.whole("deal");
  transaction.order = row.whole("order");
  transaction.symbol = shown(row.text("symbol"));
  transaction.type = ENUM_TRADE_TRANSACTION_TYPE(row.integer("type"));
  transaction.order_type = ENUM_ORDER_TYPE(row.integer("order_type"));
  transaction.order_state = ENUM_ORDER_STATE(row.integer("order_state"));
  transaction.deal_type = ENUM_DEAL_TYPE(row.integer("deal_type"));
  transaction.time_type = ENUM_ORDER_TYPE_TIME(row.integer("time_type"));
  transaction.time_expiration = datetime(row.integer("time_expiration"));
  transaction.price = row.number("price");
  transaction.price_trigger = row.number("price_trigger");
  transaction.price_sl = row.number("price_sl");
  transaction.price_tp = row.number("price_tp");
  transaction.volume = row.number("volume");
  transaction.position = row.whole("position");
  transaction.position_by = row.whole("position_by");
  return transaction;
}
}
