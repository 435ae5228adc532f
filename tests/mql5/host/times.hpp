// Clocks and calendars. UTC is the program's own clock; a file may shift it, so that hours pass in a test at once.
#pragma once

#include "constants.hpp"
#include "types.hpp"

namespace mql
{
struct MqlDateTime
{
  int year;
  int mon;
  int day;
  int hour;
  int min;
  int sec;
  int day_of_week;
  int day_of_year;
};

// Seconds since 1970 and since the program began. MQL_CLOCK_FILE names 16 bytes, two doubles, that are added to them.
double wall_seconds();
double tick_seconds();

uint GetTickCount();
ulong GetTickCount64();
ulong GetMicrosecondCount();
// Waits by the real clock, in pieces, so that a program that is asked to end is not held up.
void Sleep(int milliseconds);

bool TimeToStruct(datetime time, MqlDateTime &parts);
datetime StructToTime(const MqlDateTime &parts);
// The computer's zone is UTC unless MQL_LOCAL_HOURS says how far local time is ahead.
datetime TimeLocal();
datetime TimeLocal(MqlDateTime &parts);
datetime TimeGMT();
datetime TimeGMT(MqlDateTime &parts);
int TimeGMTOffset();
int TimeDaylightSavings();
}
