// What can be asked of a position, and the field that has it. The numbers are this host's own.
#pragma once

namespace mql
{
enum ENUM_POSITION_PROPERTY_INTEGER
{
  POSITION_TICKET = 0,
  POSITION_TIME,
  POSITION_TIME_MSC,
  POSITION_TIME_UPDATE,
  POSITION_TIME_UPDATE_MSC,
  POSITION_TYPE,
  POSITION_MAGIC,
  POSITION_IDENTIFIER,
  POSITION_REASON,
};

inline constexpr const char *POSITION_INTEGER_FIELDS[] = {
  "ticket",
  "time",
  "time_msc",
  "time_update",
  "time_update_msc",
  "type",
  "magic",
  "identifier",
  "reason",
};

enum ENUM_POSITION_PROPERTY_DOUBLE
{
  POSITION_VOLUME = 0,
  POSITION_PRICE_OPEN,
  POSITION_SL,
  POSITION_TP,
  POSITION_PRICE_CURRENT,
  POSITION_SWAP,
  POSITION_PROFIT,
};

inline constexpr const char *POSITION_DOUBLE_FIELDS[] = {
  "volume",
  "price_open",
  "sl",
  "tp",
  "price_current",
  "swap",
  "profit",
};

enum ENUM_POSITION_PROPERTY_STRING
{
  POSITION_SYMBOL = 0,
  POSITION_COMMENT,
  POSITION_EXTERNAL_ID,
};

inline constexpr const char *POSITION_STRING_FIELDS[] = {
  "symbol",
  "comment",
  "external_id",
};
}
