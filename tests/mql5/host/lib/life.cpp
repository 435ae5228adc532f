#include "../life.hpp"

#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <deque>

#include "../constants.hpp"
#include "../events.hpp"
#include "../runtime.hpp"
#include "../times.hpp"

namespace mql
{
namespace
{
constexpr int kTimerMs = 10;
constexpr int kRoundMs = 2;
constexpr int kFill = 0x5A;

struct chart_event
{
  int id;
  long whole;
  double real;
  string text;
};

std::deque<chart_event> g_chart_events;
long g_timer_ms = 0;
double g_timer_at = 0.0; // seconds of the tick count
volatile sig_atomic_t g_reason = REASON_PROGRAM;

void end_by(int reason)
{
  g_reason = reason;
  stop_flag = 1;
}

void on_signal(int number)
{
  end_by(number == SIGUSR1 ? REASON_CLOSE : number == SIGUSR2 ? REASON_PARAMETERS : REASON_REMOVE);
}

void on_zero_divide(int)
{
  critical("zero divide");
}

void listen()
{
  for (int number : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2})
    ::signal(number, on_signal);
  ::signal(SIGFPE, on_zero_divide);
  ::signal(SIGPIPE, SIG_IGN);
}

void tell_time(const handlers &program)
{
  if (g_timer_ms == 0 || tick_seconds() < g_timer_at)
    return;
  if (program.timer != nullptr)
    program.timer();
  // Counted from its end: what was due meanwhile is not made up for.
  g_timer_at = tick_seconds() + double(g_timer_ms) / 1000.0;
}

// What was told before this round; what is told now waits for the next.
void tell_charts(const handlers &program)
{
  std::deque<chart_event> told;
  told.swap(g_chart_events);
  for (const chart_event &one : told)
    if (program.chart != nullptr && stop_flag == 0)
      program.chart(one.id, one.whole, one.real, one.text);
}

void rounds(const handlers &program)
{
  while (stop_flag == 0)
  {
    tell_time(program);
    tell_charts(program);
    if (stop_flag == 0 && program.events != nullptr)
      program.events();
    if (stop_flag == 0)
      ::usleep(kRoundMs * 1000);
  }
}

// One run from OnInit to OnDeinit. Whether it was begun at all.
bool run(const handlers &program)
{
  stop_flag = 0;
  g_reason = REASON_PROGRAM;
  const int begun = program.init != nullptr ? program.init() : INIT_SUCCEEDED;
  if (begun == INIT_SUCCEEDED)
    rounds(program);
  uninit_reason = begun == INIT_SUCCEEDED ? int(g_reason) : REASON_INITFAILED;
  if (program.deinit != nullptr)
    program.deinit(uninit_reason);
  EventKillTimer();
  return begun == INIT_SUCCEEDED;
}
}

bool EventSetMillisecondTimer(int milliseconds)
{
  if (milliseconds <= 0)
  {
    set_error(ERR_INVALID_PARAMETER);
    return false;
  }
  g_timer_ms = milliseconds < kTimerMs ? kTimerMs : milliseconds;
  g_timer_at = tick_seconds() + double(g_timer_ms) / 1000.0;
  return true;
}

bool EventSetTimer(int seconds)
{
  return EventSetMillisecondTimer(seconds > 0 && seconds < 2000000 ? seconds * 1000 : 0);
}

void EventKillTimer()
{
  g_timer_ms = 0;
}

bool EventChartCustom(long, ushort id, long whole, double real, const string text)
{
  constexpr std::size_t kMostWaiting = 1024;
  if (g_chart_events.size() >= kMostWaiting)
    return false;
  g_chart_events.push_back(chart_event{CHARTEVENT_CUSTOM + id, whole, real, text});
  return true;
}

void ExpertRemove()
{
  end_by(REASON_PROGRAM);
}

int live(const handlers &program)
{
  // What a program takes from memory and does not fill holds nothing that looks right.
  ::mallopt(M_PERTURB, kFill);
  tick_seconds();
  listen();
  if (program.begin != nullptr)
    program.begin();
  if (program.start != nullptr)
  {
    program.start();
    return 0;
  }
  bool begun = run(program);
  while (begun && g_reason == REASON_PARAMETERS)
    begun = run(program);
  std::fflush(nullptr);
  return begun ? 0 : 1;
}
}
