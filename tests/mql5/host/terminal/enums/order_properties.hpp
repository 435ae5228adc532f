// What can be asked of an order, and the field that has it. The numbers are this host's own.
#pragma once

namespace mql
{
enum ENUM_ORDER_PROPERTY_INTEGER
{
  ORDER_TICKET = 0,
  ORDER_TIME_SETUP,
  ORDER_TYPE,
  ORDER_STATE,
  ORDER_TIME_EXPIRATION,
  ORDER_TIME_DONE,
  ORDER_TIME_SETUP_MSC,
  ORDER_TIME_DONE_MSC,
  ORDER_TYPE_FILLING,
  ORDER_TYPE_TIME,
  ORDER_MAGIC,
  ORDER_REASON,
  ORDER_POSITION_ID,
  ORDER_POSITION_BY_ID,
};

inline constexpr const char *ORDER_INTEGER_FIELDS[] = {
  "ticket",
  "time_setup",
  "type",
  "state",
  "time_expiration",
  "time_done",
  "time_setup_msc",
  "time_done_msc",
  "type_filling",
  "type_time",
  "magic",
  "reason",
  "position_id",
  "position_by_id",
};

enum ENUM_ORDER_PROPERTY_DOUBLE
{
  ORDER_VOLUME_INITIAL = 0,
  ORDER_VOLUME_CURRENT,
  ORDER_PRICE_OPEN,
  ORDER_SL,
  ORDER_TP,
  ORDER_PRICE_CURRENT,
  ORDER_PRICE_STOPLIMIT,
};

inline constexpr const char *ORDER_DOUBLE_FIELDS[] = {
  "volume_initial",
  "volume_current",
  "price_open",
  "sl",
  "tp",
  "price_current",
  "price_stoplimit",
};

enum ENUM_ORDER_PROPERTY_STRING
{
  ORDER_SYMBOL = 0,
  ORDER_COMMENT,
  ORDER_EXTERNAL_ID,
};

inline constexpr const char *ORDER_STRING_FIELDS[] = {
  "symbol",
  "comment",
  "external_id",
};
}
