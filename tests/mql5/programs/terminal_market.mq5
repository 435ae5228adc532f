// What a script sees of the market and puts on its chart: one case of many, named by its input.
#property script_show_inputs

input string InpCase = "";
input ulong  InpFrom = 0;

void Symbols()
  {
   PrintFormat("symbol=%s point=%.5f digits=%d period=%s", _Symbol, _Point, _Digits, EnumToString(_Period));
   PrintFormat("total=%d watched=%d", SymbolsTotal(false), SymbolsTotal(true));
   PrintFormat("second=%s", SymbolName(1, false));
   PrintFormat("tick value=%.5f size=%.5f contract=%.0f", SymbolInfoDouble(_Symbol, SYMBOL_TRADE_TICK_VALUE),
               SymbolInfoDouble(_Symbol, SYMBOL_TRADE_TICK_SIZE),
               SymbolInfoDouble(_Symbol, SYMBOL_TRADE_CONTRACT_SIZE));
   PrintFormat("volume %.2f to %.2f by %.2f", SymbolInfoDouble(_Symbol, SYMBOL_VOLUME_MIN),
               SymbolInfoDouble(_Symbol, SYMBOL_VOLUME_MAX), SymbolInfoDouble(_Symbol, SYMBOL_VOLUME_STEP));
   PrintFormat("bid=%.5f ask=%.5f spread=%I64d", SymbolInfoDouble(_Symbol, SYMBOL_BID),
               SymbolInfoDouble(_Symbol, SYMBOL_ASK), SymbolInfoInteger(_Symbol, SYMBOL_SPREAD));
   PrintFormat("mode=%s execution=%s ioc=%s",
               EnumToString((ENUM_SYMBOL_TRADE_MODE)SymbolInfoInteger(_Symbol, SYMBOL_TRADE_MODE)),
               EnumToString((ENUM_SYMBOL_TRADE_EXECUTION)SymbolInfoInteger(_Symbol, SYMBOL_TRADE_EXEMODE)),
               (SymbolInfoInteger(_Symbol, SYMBOL_FILLING_MODE) & SYMBOL_FILLING_IOC) != 0 ? "true" : "false");
   PrintFormat("%s/%s", SymbolInfoString(_Symbol, SYMBOL_CURRENCY_BASE),
               SymbolInfoString(NULL, SYMBOL_CURRENCY_PROFIT));
   bool custom = true;
   const bool exists = SymbolExist("NONE", custom);
   PrintFormat("exists=%s custom=%s", exists ? "true" : "false", custom ? "true" : "false");
   datetime from, to;
   const bool first = SymbolInfoSessionTrade(_Symbol, MONDAY, 0, from, to);
   PrintFormat("session=%s %I64d %I64d", first ? "true" : "false", (long)from, (long)to);
   PrintFormat("server=%I64d current=%I64d", (long)TimeTradeServer(), (long)TimeCurrent());
   MqlBookInfo book[];
   PrintFormat("book=%s", MarketBookGet(_Symbol, book) ? "true" : "false");
   MarketBookAdd(_Symbol);
   MarketBookGet(_Symbol, book);
   PrintFormat("book=%d %s %.5f", ArraySize(book), EnumToString(book[0].type), book[0].price);
  }

// Page by page, each from the last millisecond on: what was seen of it already is asked for again and left out.
void Ticks()
  {
   MqlTick ticks[];
   ulong from = InpFrom;
   int seen = 0;
   for(int page = 0; page < 10; page++)
     {
      const int count = CopyTicks(_Symbol, ticks, COPY_TICKS_ALL, from, seen + 3);
      PrintFormat("page of %d", count);
      if(count <= seen)
         break;
      for(int i = seen; i < count; i++)
         PrintFormat("tick %I64u %.5f flags=%u", ticks[i].time_msc - InpFrom, ticks[i].bid, ticks[i].flags);
      if((ulong)ticks[count - 1].time_msc != from)
         seen = 0;
      from = ticks[count - 1].time_msc;
      for(int i = count - 1; i >= 0 && (ulong)ticks[i].time_msc == from; i--)
         seen++;
     }
   const int newest = CopyTicks(_Symbol, ticks, COPY_TICKS_ALL, 0, 2);
   PrintFormat("newest %d: %.5f", newest, ticks[1].bid);
   PrintFormat("range %d", CopyTicksRange(_Symbol, ticks, COPY_TICKS_INFO, InpFrom, InpFrom));
   PrintFormat("trades %d", CopyTicks(_Symbol, ticks, COPY_TICKS_TRADE));
   PrintFormat("unknown %d", CopyTicks("NONE", ticks));
  }

void Series()
  {
   MqlRates rates[];
   const int copied = CopyRates(_Symbol, PERIOD_M1, 1, 3, rates);
   PrintFormat("rates=%d first=%.1f last=%.1f high=%.1f volume=%I64d", copied, rates[0].close, rates[2].close,
               rates[2].high, rates[2].tick_volume);
   PrintFormat("bars=%d close=%.1f older=%.1f none=%.1f seconds=%d", iBars(_Symbol, PERIOD_M1),
               iClose(_Symbol, PERIOD_M1, 0), iClose(_Symbol, PERIOD_M1, 1), iClose(_Symbol, PERIOD_M1, 50), PeriodSeconds(PERIOD_H4));
   double closes[];
   ArraySetAsSeries(closes, true);
   const int before = CopyClose(_Symbol, PERIOD_M1, iTime(_Symbol, PERIOD_M1, 1), 2, closes);
   PrintFormat("closes=%d newest=%.1f", before, closes[0]);
   double values[];
   const int simple = iMA(_Symbol, PERIOD_M1, 3, 0, MODE_SMA, PRICE_CLOSE);
   CopyBuffer(simple, 0, 0, 2, values);
   PrintFormat("sma=%.3f %.3f", values[0], values[1]);
   CopyBuffer(iMA(_Symbol, PERIOD_M1, 3, 0, MODE_EMA, PRICE_CLOSE), 0, 0, 1, values);
   PrintFormat("ema=%.5f", values[0]);
   CopyBuffer(iATR(_Symbol, PERIOD_M1, 2), 0, 0, 5, values);
   PrintFormat("atr=%.3f %.3f %.3f %.3f %.3f", values[0], values[1], values[2], values[3], values[4]);
   PrintFormat("calculated=%d", BarsCalculated(simple));
   IndicatorRelease(simple);
   ResetLastError();
   const int released = CopyBuffer(simple, 0, 0, 1, values);
   const int error = GetLastError();
   PrintFormat("released=%d error=%d", released, error);
   PrintFormat("handle=%d", iMA("NONE", PERIOD_M1, 3, 0, MODE_SMA, PRICE_CLOSE));
  }

void Objects()
  {
   ObjectCreate(0, "label", OBJ_LABEL, 0, 0, 0);
   ObjectSetInteger(0, "label", OBJPROP_CORNER, CORNER_RIGHT_LOWER);
   ObjectSetInteger(0, "label", OBJPROP_XDISTANCE, 12);
   ObjectSetString(0, "label", OBJPROP_TEXT, "Gewinn: 5 €");
   ObjectCreate(0, "trend", OBJ_TREND, 0, 1000, 1.1, 2000, 1.2);
   ObjectSetDouble(0, "trend", OBJPROP_PRICE, 1, 1.3);
   ObjectCreate(ChartID(), "button", OBJ_BUTTON, 0, 0, 0);
   ChartRedraw();
   PrintFormat("total=%d labels=%d first=%s", ObjectsTotal(0), ObjectsTotal(0, -1, OBJ_LABEL), ObjectName(0, 0));
   PrintFormat("text=%s x=%I64d price=%.1f type=%s", ObjectGetString(0, "label", OBJPROP_TEXT),
               ObjectGetInteger(0, "label", OBJPROP_XDISTANCE), ObjectGetDouble(0, "trend", OBJPROP_PRICE, 1),
               EnumToString((ENUM_OBJECT)ObjectGetInteger(0, "trend", OBJPROP_TYPE)));
   PrintFormat("find=%d none=%d", ObjectFind(0, "label"), ObjectFind(0, "nothing"));
   ResetLastError();
   const bool set = ObjectSetInteger(0, "nothing", OBJPROP_COLOR, C'255,0,0');
   const int error = GetLastError();
   PrintFormat("set=%s error=%d", set ? "true" : "false", error);
   ChartSetInteger(0, CHART_SHOW_GRID, false);
   PrintFormat("width=%I64d grid=%I64d symbol=%s", ChartGetInteger(0, CHART_WIDTH_IN_PIXELS),
               ChartGetInteger(0, CHART_SHOW_GRID), ChartSymbol());
   ObjectDelete(0, "button");
   Comment("Stand: ", 5);
   const int deleted = ObjectsDeleteAll(0, "tr");
   PrintFormat("deleted=%d left=%d", deleted, ObjectsTotal(0));
  }

void OnStart()
  {
   if(InpCase == "symbols")
      Symbols();
   if(InpCase == "ticks")
      Ticks();
   if(InpCase == "series")
      Series();
   if(InpCase == "objects")
      Objects();
  }
