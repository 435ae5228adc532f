// What can be asked of an account, the field that has it, and what an account can be.
#pragma once

namespace mql
{
enum ENUM_ACCOUNT_INFO_INTEGER
{
  ACCOUNT_LOGIN = 0,
  ACCOUNT_TRADE_MODE,
  ACCOUNT_LEVERAGE,
  ACCOUNT_LIMIT_ORDERS,
  ACCOUNT_MARGIN_SO_MODE,
  ACCOUNT_TRADE_ALLOWED,
  ACCOUNT_TRADE_EXPERT,
  ACCOUNT_MARGIN_MODE,
  ACCOUNT_CURRENCY_DIGITS,
  ACCOUNT_FIFO_CLOSE,
  ACCOUNT_HEDGE_ALLOWED,
};

inline constexpr const char *ACCOUNT_INTEGER_FIELDS[] = {
  "login",
  "trade_mode",
  "leverage",
  "limit_orders",
  "margin_so_mode",
  "trade_allowed",
  "trade_expert",
  "margin_mode",
  "currency_digits",
  "fifo_close",
  "",
};

enum ENUM_ACCOUNT_INFO_DOUBLE
{
  ACCOUNT_BALANCE = 0,
  ACCOUNT_CREDIT,
  ACCOUNT_PROFIT,
  ACCOUNT_EQUITY,
  ACCOUNT_MARGIN,
  ACCOUNT_MARGIN_FREE,
  ACCOUNT_MARGIN_LEVEL,
  ACCOUNT_MARGIN_SO_CALL,
  ACCOUNT_MARGIN_SO_SO,
  ACCOUNT_MARGIN_INITIAL,
  ACCOUNT_MARGIN_MAINTENANCE,
  ACCOUNT_ASSETS,
  ACCOUNT_LIABILITIES,
  ACCOUNT_COMMISSION_BLOCKED,
  ACCOUNT_FREEMARGIN = ACCOUNT_MARGIN_FREE,
};

inline constexpr const char *ACCOUNT_DOUBLE_FIELDS[] = {
  "balance",
  "credit",
  "profit",
  "equity",
  "margin",
  "margin_free",
  "margin_level",
  "margin_so_call",
  "margin_so_so",
  "margin_initial",
  "margin_maintenance",
  "assets",
  "liabilities",
  "commission_blocked",
};

enum ENUM_ACCOUNT_INFO_STRING
{
  ACCOUNT_NAME = 0,
  ACCOUNT_SERVER,
  ACCOUNT_CURRENCY,
  ACCOUNT_COMPANY,
};

inline constexpr const char *ACCOUNT_STRING_FIELDS[] = {
  "name",
  "server",
  "currency",
  "company",
};

enum ENUM_ACCOUNT_TRADE_MODE
{
  ACCOUNT_TRADE_MODE_DEMO = 0,
  ACCOUNT_TRADE_MODE_CONTEST = 1,
  ACCOUNT_TRADE_MODE_REAL = 2,
};

enum ENUM_ACCOUNT_STOPOUT_MODE
{
  ACCOUNT_STOPOUT_MODE_PERCENT = 0,
  ACCOUNT_STOPOUT_MODE_MONEY = 1,
};

enum ENUM_ACCOUNT_MARGIN_MODE
{
  ACCOUNT_MARGIN_MODE_RETAIL_NETTING = 0,
  ACCOUNT_MARGIN_MODE_EXCHANGE = 1,
  ACCOUNT_MARGIN_MODE_RETAIL_HEDGING = 2,
};
}
