// What a script does with an account: one case of many, named by its input. It prints what it sees.
#property script_show_inputs

input string InpCase = "";
input ulong  InpTicket = 0;

void Result(const string what, const bool done, const MqlTradeResult &result)
  {
   const int error = GetLastError();
   PrintFormat("%s: %s retcode=%u order=%I64u deal=%I64u volume=%.2f price=%.5f error=%d", what,
               done ? "true" : "false", result.retcode, result.order, result.deal, result.volume, result.price, error);
  }

// A function's arguments are evaluated from the last to the first: so the error is asked for in a statement of its own.
void Told(const string what, const bool done)
  {
   const int error = GetLastError();
   PrintFormat("%s=%s error=%d", what, done ? "true" : "false", error);
   ResetLastError();
  }

bool Send(const string what, MqlTradeRequest &request, MqlTradeResult &result)
  {
   ResetLastError();
   const bool done = OrderSend(request, result);
   Result(what, done, result);
   return done;
  }

ulong Market(const ENUM_ORDER_TYPE type, const double volume, const ulong position = 0)
  {
   MqlTradeRequest request = {};
   MqlTradeResult result = {};
   request.action = TRADE_ACTION_DEAL;
   request.symbol = _Symbol;
   request.type = type;
   request.volume = volume;
   request.price = SymbolInfoDouble(_Symbol, type == ORDER_TYPE_BUY ? SYMBOL_ASK : SYMBOL_BID);
   request.type_filling = ORDER_FILLING_IOC;
   request.deviation = 10;
   request.magic = 77;
   request.comment = "from a script that says more than a comment holds";
   request.position = position;
   Send("market", request, result);
   return result.order;
  }

ulong Pending(const ENUM_ORDER_TYPE type, const double price, const datetime expiration = 0)
  {
   MqlTradeRequest request = {};
   MqlTradeResult result = {};
   request.action = TRADE_ACTION_PENDING;
   request.symbol = _Symbol;
   request.type = type;
   request.volume = 0.1;
   request.price = price;
   request.sl = price - 0.01;
   request.type_filling = ORDER_FILLING_RETURN;
   if(expiration != 0)
     {
      request.type_time = ORDER_TIME_SPECIFIED;
      request.expiration = expiration;
     }
   Send("pending", request, result);
   return result.order;
  }

void ShowPosition(const ulong ticket)
  {
   if(!PositionSelectByTicket(ticket))
     {
      PrintFormat("no position, error=%d", GetLastError());
      return;
     }
   PrintFormat("position %I64u: %s %s volume=%.2f open=%.5f sl=%.5f tp=%.5f magic=%I64d comment=%s",
               ticket, PositionGetString(POSITION_SYMBOL),
               EnumToString((ENUM_POSITION_TYPE)PositionGetInteger(POSITION_TYPE)),
               PositionGetDouble(POSITION_VOLUME), PositionGetDouble(POSITION_PRICE_OPEN),
               PositionGetDouble(POSITION_SL), PositionGetDouble(POSITION_TP),
               PositionGetInteger(POSITION_MAGIC), PositionGetString(POSITION_COMMENT));
  }

void Stops(const ulong position)
  {
   MqlTradeRequest request = {};
   MqlTradeResult result = {};
   request.action = TRADE_ACTION_SLTP;
   request.symbol = _Symbol;
   request.position = position;
   request.sl = 1.09;
   request.tp = 1.12;
   Send("stops", request, result);
  }

void Positions()
  {
   const ulong first = Market(ORDER_TYPE_BUY, 0.5);
   ShowPosition(first);
   Stops(first);
   Stops(first);
   Market(ORDER_TYPE_SELL, 0.2, first);
   ShowPosition(first);
   const ulong second = Market(ORDER_TYPE_SELL, 0.4);
   PrintFormat("total=%d", PositionsTotal());
   MqlTradeRequest request = {};
   MqlTradeResult result = {};
   request.action = TRADE_ACTION_CLOSE_BY;
   request.position = first;
   request.position_by = second;
   Send("by", request, result);
   ShowPosition(first);
   ShowPosition(second);
   Market(ORDER_TYPE_BUY, 0.1, second);
   PrintFormat("total=%d", PositionsTotal());
  }

void Netting()
  {
   const ulong ticket = Market(ORDER_TYPE_BUY, 0.3);
   Market(ORDER_TYPE_SELL, 0.5);
   PrintFormat("total=%d", PositionsTotal());
   ShowPosition(ticket);
   Told("select", PositionSelect(_Symbol));
   PrintFormat("type=%s margin mode=%s", EnumToString((ENUM_POSITION_TYPE)PositionGetInteger(POSITION_TYPE)),
               EnumToString((ENUM_ACCOUNT_MARGIN_MODE)AccountInfoInteger(ACCOUNT_MARGIN_MODE)));
   HistorySelectByPosition((long)ticket);
   for(int i = 0; i < HistoryDealsTotal(); i++)
     {
      const ulong deal = HistoryDealGetTicket(i);
      PrintFormat("deal entry=%s volume=%.2f", EnumToString((ENUM_DEAL_ENTRY)HistoryDealGetInteger(deal, DEAL_ENTRY)),
                  HistoryDealGetDouble(deal, DEAL_VOLUME));
     }
  }

void Waiting()
  {
   const ulong order = Pending(ORDER_TYPE_BUY_LIMIT, 1.05);
   const ulong timed = Pending(ORDER_TYPE_BUY_LIMIT, 1.04, TimeTradeServer() + 60);
   PrintFormat("orders=%d", OrdersTotal());
   PrintFormat("ticket=%s", OrderGetTicket(0) == order ? "same" : "other");
   PrintFormat("type=%s", EnumToString((ENUM_ORDER_TYPE)OrderGetInteger(ORDER_TYPE)));
   OrderSelect(timed);
   PrintFormat("expires in %I64d", OrderGetInteger(ORDER_TIME_EXPIRATION) - (long)TimeTradeServer());
   MqlTradeRequest request = {};
   MqlTradeResult result = {};
   request.action = TRADE_ACTION_MODIFY;
   request.order = order;
   request.price = 1.06;
   Send("modify", request, result);
   double price = 0;
   Told("select", OrderSelect(order));
   Told("price", OrderGetDouble(ORDER_PRICE_OPEN, price));
   PrintFormat("moved to %.5f", price);
   ZeroMemory(request);
   request.action = TRADE_ACTION_REMOVE;
   request.order = order;
   Send("remove", request, result);
   Told("select", OrderSelect(order));
   PrintFormat("orders=%d", OrdersTotal());
   HistorySelect(0, TimeTradeServer() + 3600);
   PrintFormat("history=%d state=%s", HistoryOrdersTotal(),
               EnumToString((ENUM_ORDER_STATE)HistoryOrderGetInteger(order, ORDER_STATE)));
  }

void History()
  {
   PrintFormat("before=%d %d", HistoryOrdersTotal(), HistoryDealsTotal());
   HistorySelect(0, TimeTradeServer() + 3600);
   const ulong position = Market(ORDER_TYPE_BUY, 0.1);
   PrintFormat("snapshot=%d", HistoryDealsTotal());
   Market(ORDER_TYPE_SELL, 0.1, position);
   HistorySelectByPosition((long)position);
   PrintFormat("selected=%d orders=%d", HistoryDealsTotal(), HistoryOrdersTotal());
   const ulong deal = HistoryDealGetTicket(1);
   ENUM_DEAL_TYPE type = (ENUM_DEAL_TYPE)HistoryDealGetInteger(deal, DEAL_TYPE);
   double profit = 0;
   Told("profit", HistoryDealGetDouble(deal, DEAL_PROFIT, profit));
   PrintFormat("deal %s %s %.2f", EnumToString(type), HistoryDealGetString(deal, DEAL_SYMBOL), profit);
   Told("ninth", HistoryDealGetTicket(9) != 0);
   HistoryDealSelect(deal);
   PrintFormat("one=%d same=%s", HistoryDealsTotal(), HistoryDealGetTicket(0) == deal ? "true" : "false");
   Told("missing", HistoryOrderSelect(1));
  }

void Traps()
  {
   ResetLastError();
   Told("unselected", PositionGetDouble(POSITION_VOLUME) != 0);
   double bid = 1;
   Told("unknown", SymbolInfoDouble("NONE", SYMBOL_BID, bid));
   PrintFormat("bid=%.1f", bid);
   MqlTick tick;
   Told("unwatched", SymbolInfoTick("USDJPY", tick));
   Told("select", SymbolSelect("USDJPY", true));
   Told("watched", SymbolInfoTick("USDJPY", tick));
   Told("hide", SymbolSelect(_Symbol, false));
   Told("unselect", SymbolSelect("USDJPY", false));
   Told("no ticks", SymbolInfoTick("XAUUSD", tick));
   Told("gone", PositionSelectByTicket(1));
   Told("order", OrderSelect(1));
   Market(ORDER_TYPE_BUY, 0.1);
   Market(ORDER_TYPE_BUY, 0.2);
   Market(ORDER_TYPE_BUY, 0.3);
   const int total = PositionsTotal();
   int closed = 0;
   for(int i = 0; i < total; i++)
     {
      const ulong ticket = PositionGetTicket(i);
      if(ticket == 0)
         continue;
      Market(ORDER_TYPE_SELL, PositionGetDouble(POSITION_VOLUME), ticket);
      closed++;
     }
   PrintFormat("forwards closed=%d left=%d", closed, PositionsTotal());
  }

void Money()
  {
   double margin = 0, profit = 0;
   OrderCalcMargin(ORDER_TYPE_BUY_LIMIT, _Symbol, 1.0, 1.1, margin);
   OrderCalcProfit(ORDER_TYPE_SELL, _Symbol, 1.0, 1.1, 1.09, profit);
   PrintFormat("margin=%.2f profit=%.2f", margin, profit);
   MqlTradeRequest request = {};
   MqlTradeCheckResult check = {};
   request.action = TRADE_ACTION_DEAL;
   request.symbol = _Symbol;
   request.volume = 1.0;
   request.type = ORDER_TYPE_BUY;
   request.type_filling = ORDER_FILLING_IOC;
   ResetLastError();
   Told("check", OrderCheck(request, check));
   PrintFormat("%u margin=%.2f %s", check.retcode, check.margin, check.comment);
   request.volume = 90;
   Told("check", OrderCheck(request, check));
   PrintFormat("%u %s", check.retcode, check.comment);
   Told("calc", OrderCalcMargin(ORDER_TYPE_BUY, "NONE", 1, 1, margin));
   Told("calc", OrderCalcMargin(ORDER_TYPE_CLOSE_BY, _Symbol, 1, 1, margin));
   PrintFormat("%I64d %s %s balance=%.2f free=%.2f", AccountInfoInteger(ACCOUNT_LOGIN),
               AccountInfoString(ACCOUNT_CURRENCY),
               AccountInfoInteger(ACCOUNT_HEDGE_ALLOWED) ? "hedges" : "nets", AccountInfoDouble(ACCOUNT_BALANCE),
               AccountInfoDouble(ACCOUNT_MARGIN_FREE));
   PrintFormat("connected=%I64d allowed=%I64d program=%I64d tester=%I64d name=%s",
               TerminalInfoInteger(TERMINAL_CONNECTED), TerminalInfoInteger(TERMINAL_TRADE_ALLOWED),
               MQLInfoInteger(MQL_TRADE_ALLOWED), MQLInfoInteger(MQL_TESTER), MQLInfoString(MQL_PROGRAM_NAME));
  }

void OnStart()
  {
   if(InpCase == "buy")
      Market(ORDER_TYPE_BUY, 0.1);
   if(InpCase == "close")
      Market(ORDER_TYPE_SELL, 0.1, InpTicket);
   if(InpCase == "stops")
      Stops(InpTicket);
   if(InpCase == "positions")
      Positions();
   if(InpCase == "netting")
      Netting();
   if(InpCase == "waiting")
      Waiting();
   if(InpCase == "history")
      History();
   if(InpCase == "traps")
      Traps();
   if(InpCase == "money")
      Money();
  }
