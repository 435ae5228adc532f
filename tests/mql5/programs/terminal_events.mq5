// An EA that prints what its terminal tells it.

input bool InpOrderAtStart = false;

int OnInit()
  {
   Print("init");
   if(InpOrderAtStart)
     {
      MqlTradeRequest request = {};
      MqlTradeResult result = {};
      request.action = TRADE_ACTION_DEAL;
      request.symbol = _Symbol;
      request.volume = 0.1;
      request.type = ORDER_TYPE_BUY;
      request.type_filling = ORDER_FILLING_IOC;
      ResetLastError();
      const bool sent = OrderSendAsync(request, result);
      const int error = GetLastError();
      PrintFormat("sent=%s retcode=%u order=%I64u request=%u error=%d", sent ? "true" : "false", result.retcode,
                  result.order, result.request_id, error);
     }
   Print("ready");
   return INIT_SUCCEEDED;
  }

void OnTick()
  {
   MqlTick tick;
   SymbolInfoTick(_Symbol, tick);
   PrintFormat("tick %.5f positions=%d", tick.bid, PositionsTotal());
  }

void OnTrade()
  {
   PrintFormat("trade positions=%d", PositionsTotal());
  }

void OnTradeTransaction(const MqlTradeTransaction &trans, const MqlTradeRequest &request, const MqlTradeResult &result)
  {
   PrintFormat("%s order=%I64u deal=%I64u position=%I64u %s %s volume=%.2f", EnumToString(trans.type), trans.order,
               trans.deal, trans.position, EnumToString(trans.order_type), EnumToString(trans.order_state),
               trans.volume);
   if(trans.type == TRADE_TRANSACTION_REQUEST)
      PrintFormat("answer %s retcode=%u order=%I64u request=%u", EnumToString(request.action), result.retcode,
                  result.order, result.request_id);
  }

void OnDeinit(const int reason)
  {
   Print("deinit");
  }
