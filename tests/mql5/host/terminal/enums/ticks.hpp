// Which ticks are copied, and what a tick changed: constants without an enumeration.
#pragma once

namespace mql
{
enum CopyTicksFlags
{
  COPY_TICKS_ALL = -1,
  COPY_TICKS_INFO = 1,
  COPY_TICKS_TRADE = 2,
};

enum TickFlags
{
  TICK_FLAG_BID = 2,
  TICK_FLAG_ASK = 4,
  TICK_FLAG_LAST = 8,
  TICK_FLAG_VOLUME = 16,
  TICK_FLAG_BUY = 32,
  TICK_FLAG_SELL = 64,
};
}
