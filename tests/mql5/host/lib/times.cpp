#include "../times.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>

#include "../runtime.hpp"

namespace mql
{
namespace
{
constexpr long kDay = 86400;
constexpr long kLastTime = 32535244799; // the last second of 3000, which is where datetime ends

struct Shift
{
  volatile double wall_s;
  volatile double tick_s;
};

const Shift *opened_shift()
{
  static const Shift none{0.0, 0.0};
  const std::string name = setting("MQL_CLOCK_FILE");
  if (name.empty())
    return &none;
  const int file = ::open(name.c_str(), O_RDONLY);
  void *mapped = file < 0 ? MAP_FAILED : ::mmap(nullptr, sizeof(Shift), PROT_READ, MAP_SHARED, file, 0);
  if (mapped == MAP_FAILED)
    critical("MQL_CLOCK_FILE can't be read: " + name);
  ::close(file);
  return static_cast<const Shift *>(mapped);
}

const Shift &shift()
{
  static const Shift *const found = opened_shift();
  return *found;
}

double clock_s(clockid_t which)
{
  timespec now{};
  ::clock_gettime(which, &now);
  return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}

// Days since 1970 of a date of the Gregorian calendar.
long days_of(long year, long month, long day)
{
  year -= month <= 2 ? 1 : 0;
  const long era = (year >= 0 ? year : year - 399) / 400;
  const long of_era = year - era * 400;
  const long of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

long ahead_s()
{
  static const long found = std::lround(std::atof(setting("MQL_LOCAL_HOURS", "0").c_str()) * 3600);
  return found;
}
}

double wall_seconds()
{
  return clock_s(CLOCK_REALTIME) + shift().wall_s;
}

double tick_seconds()
{
  static const double begun = clock_s(CLOCK_MONOTONIC);
  return clock_s(CLOCK_MONOTONIC) - begun + shift().tick_s;
}

ulong GetMicrosecondCount()
{
  return ulong(tick_seconds() * 1e6);
}

ulong GetTickCount64()
{
  // A computer that has run for a while: 0 is a time that no program sees.
  return ulong(tick_seconds() * 1e3) + 1000000;
}

uint GetTickCount()
{
  return uint(GetTickCount64());
}

void Sleep(int milliseconds)
{
  constexpr int kPiece = 20;
  while (milliseconds > 0 && stop_flag == 0)
  {
    const int piece = milliseconds < kPiece ? milliseconds : kPiece;
    ::usleep(useconds_t(piece) * 1000);
    milliseconds -= piece;
  }
}

bool TimeToStruct(datetime time, MqlDateTime &parts)
{
  parts = MqlDateTime{};
  if (time.value < 0 || time.value > kLastTime)
  {
    set_error(ERR_INVALID_DATETIME);
    return false;
  }
  const time_t seconds = time.value;
  tm split{};
  ::gmtime_r(&seconds, &split);
  parts = MqlDateTime{split.tm_year + 1900, split.tm_mon + 1, split.tm_mday, split.tm_hour, split.tm_min, split.tm_sec, split.tm_wday, split.tm_yday};
  return true;
}

datetime StructToTime(const MqlDateTime &parts)
{
  return days_of(parts.year, parts.mon, parts.day) * kDay + parts.hour * 3600L + parts.min * 60L + parts.sec;
}

datetime TimeGMT()
{
  return long(std::floor(wall_seconds()));
}

datetime TimeGMT(MqlDateTime &parts)
{
  const datetime now = TimeGMT();
  TimeToStruct(now, parts);
  return now;
}

datetime TimeLocal()
{
  return TimeGMT() + ahead_s();
}

datetime TimeLocal(MqlDateTime &parts)
{
  const datetime now = TimeLocal();
  TimeToStruct(now, parts);
  return now;
}

int TimeGMTOffset()
{
  return int(-ahead_s());
}

int TimeDaylightSavings()
{
  return 0;
}
}
