// What can be asked of a deal, and the field that has it. The numbers are this host's own.
#pragma once

namespace mql
{
enum ENUM_DEAL_PROPERTY_INTEGER
{
  DEAL_TICKET = 0,
  DEAL_ORDER,
  DEAL_TIME,
  DEAL_TIME_MSC,
  DEAL_TYPE,
  DEAL_ENTRY,
  DEAL_MAGIC,
  DEAL_REASON,
  DEAL_POSITION_ID,
};

inline constexpr const char *DEAL_INTEGER_FIELDS[] = {
  "ticket",
  "order",
  "time",
  "time_msc",
  "type",
  "entry",
  "magic",
  "reason",
  "position_id",
};

enum ENUM_DEAL_PROPERTY_DOUBLE
{
  DEAL_VOLUME = 0,
  DEAL_PRICE,
  DEAL_COMMISSION,
  DEAL_SWAP,
  DEAL_PROFIT,
  DEAL_FEE,
};

inline constexpr const char *DEAL_DOUBLE_FIELDS[] = {
  "volume",
  "price",
  "commission",
  "swap",
  "profit",
  "fee",
};

enum ENUM_DEAL_PROPERTY_STRING
{
  DEAL_SYMBOL = 0,
  DEAL_COMMENT,
  DEAL_EXTERNAL_ID,
};

inline constexpr const char *DEAL_STRING_FIELDS[] = {
  "symbol",
  "comment",
  "external_id",
};
}
