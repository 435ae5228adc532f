// What is new at the terminal, for the life cycle of a program.
#pragma once

#include "chart_symbol.hpp"
#include "program.hpp"
#include "rows.hpp"

#include <deque>

namespace mql::terminal
{
struct Event
{
  enum Kind
  {
    Tick,
    TradeTransaction,
    Trade,
  };

  Kind kind;
  MqlTradeTransaction transaction;
  MqlTradeRequest request;
  MqlTradeResult result;
};

class News
{
public:
  // From here on what happens is new.
  void begin()
  {
    if (begun_ || !is_there())
      return;
    const Answer answer = ask(Arguments());
    if (!answer.good())
      return;
    begun_ = true;
    last_ = answer.result.integer("last");
    ticks_ = answer.result.integer("ticks");
  }

  // Transactions come one by one, then that there was a trade, then the tick. While one of a kind waits, no second one
  // of it does, but for transactions.
  bool next(Event &event)
  {
    if (waiting_.empty())
      look();
    if (waiting_.empty())
      return false;
    event = waiting_.front();
    waiting_.pop_front();
    return true;
  }

private:
  static Answer ask(Arguments arguments)
  {
    arguments.text("program", program_id()).text("symbol", plain(chart_symbol()));
    return call("events", arguments);
  }

  void look()
  {
    begin();
    if (!begun_)
      return;
    const Answer answer = ask(Arguments().integer("after", last_));
    // A terminal that is cut off from its server hears what it missed when it is connected again.
    if (!answer.good() || answer.result.integer("connected") == 0)
      return;
    last_ = answer.result.integer("last");
    bool traded = false;
    for (const Row &row : answer.result.rows("transactions"))
    {
      Event event{Event::TradeTransaction, transaction_of(row), {}, {}};
      if (event.transaction.type == TRADE_TRANSACTION_REQUEST)
      {
        event.request = request_of(row.row("request"));
        event.result = result_of(row.row("result"));
      }
      traded |= event.transaction.type != TRADE_TRANSACTION_REQUEST;
      waiting_.push_back(event);
    }
    if (traded)
      waiting_.push_back(Event{Event::Trade, {}, {}, {}});
    const long ticks = answer.result.integer("ticks");
    if (ticks != ticks_)
      waiting_.push_back(Event{Event::Tick, {}, {}, {}});
    ticks_ = ticks;
  }

  bool begun_ = false;
  long last_ = 0;
  long ticks_ = 0;
  std::deque<Event> waiting_;
};

inline News g_news;

// Whether there is a terminal to ask.
inline bool connected_by_environment()
{
  return is_there();
}

// Call it before OnInit: what a program does there is told to it afterwards.
inline void begin_events()
{
  g_news.begin();
}

// The next event, asked for when none waits; false: nothing is new.
inline bool next_event(Event &event)
{
  return is_there() && g_news.next(event);
}
}
