// What indicators are made of.
#pragma once

namespace mql
{
enum ENUM_MA_METHOD
{
  MODE_SMA = 0,
  MODE_EMA = 1,
  MODE_SMMA = 2,
  MODE_LWMA = 3,
};

enum ENUM_APPLIED_PRICE
{
  PRICE_CLOSE = 1,
  PRICE_OPEN = 2,
  PRICE_HIGH = 3,
  PRICE_LOW = 4,
  PRICE_MEDIAN = 5,
  PRICE_TYPICAL = 6,
  PRICE_WEIGHTED = 7,
};
}
