// Behind a translated program: its handlers, by the MQL_HAS_ names that the translator defines.
#pragma once

#include "life.hpp"

namespace mql
{
#ifdef MQL_HAS_OnInit
inline int call_init()
{
  if constexpr (std::is_void_v<decltype(prog::OnInit())>)
  {
    prog::OnInit();
    return INIT_SUCCEEDED;
  }
  else
    return int(prog::OnInit());
}
#endif

#if __has_include("terminal/terminal.hpp")
inline void call_begin()
{
  if (terminal::connected_by_environment())
    terminal::begin_events();
}

inline void call_events()
{
  if (!terminal::connected_by_environment())
    return;
  terminal::Event event;
  while (stop_flag == 0 && terminal::next_event(event))
  {
#ifdef MQL_HAS_OnTick
    if (event.kind == terminal::Event::Tick)
      prog::OnTick();
#endif
#ifdef MQL_HAS_OnTradeTransaction
    if (event.kind == terminal::Event::TradeTransaction)
      prog::OnTradeTransaction(event.transaction, event.request, event.result);
#endif
#ifdef MQL_HAS_OnTrade
    if (event.kind == terminal::Event::Trade)
      prog::OnTrade();
#endif
  }
}
#endif
}

int main()
{
  mql::handlers program;
  program.program = MQL_PROGRAM;
#ifdef MQL_HAS_OnStart
  program.start = [] { prog::OnStart(); };
#endif
#ifdef MQL_HAS_OnInit
  program.init = mql::call_init;
#endif
#ifdef MQL_HAS_OnDeinit
  program.deinit = [](int reason) { prog::OnDeinit(reason); };
#endif
#ifdef MQL_HAS_OnTimer
  program.timer = [] { prog::OnTimer(); };
#endif
#ifdef MQL_HAS_OnChartEvent
  program.chart = [](int id, long whole, double real, const mql::string &text) { prog::OnChartEvent(id, whole, real, text); };
#endif
#if __has_include("terminal/terminal.hpp")
  program.begin = mql::call_begin;
  program.events = mql::call_events;
#endif
  return mql::live(program);
}
