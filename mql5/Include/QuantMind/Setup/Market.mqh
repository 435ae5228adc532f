//+------------------------------------------------------------------+
//| Market.mqh                                             QuantMind  |
//| A look at symbols, ticks, history, and what the server would say  |
//| to the smallest order. Nothing is sent.                           |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_SETUP_MARKET_MQH
#define QUANTMIND_SETUP_MARKET_MQH

#include <QuantMind/Bridge/Symbols.mqh>
#include <QuantMind/Setup/Report.mqh>

#define QM_SETUP_SYMBOLS     20        // looked at, at most
#define QM_SETUP_TICKS       10
#define QM_QUIET_S           60        // a symbol without a tick for so long is quiet
#define QM_TICKS_LOAD_MS     2000      // ticks that took longer were loaded from the server
#define QM_HISTORY_DAYS      30

//+------------------------------------------------------------------+
//| Symbols by the names that the bridge would use                    |
//+------------------------------------------------------------------+
class CSetupMarket
  {
private:
   string            m_suffix;
   string            m_names;
   bool              m_ticks_slow;

   //--- names of the terminal that begin with it
   string            Similar(const string wanted) const
     {
      string found="";
      int    count=0;
      int    size=StringLen(wanted);
      string upper=wanted;
      StringToUpper(upper);
      int total=SymbolsTotal(false);
      for(int i=0; i<total && count<5 && !IsStopped(); i++)
        {
         string name=SymbolName(i,false);
         string begin=StringSubstr(name,0,size);
         StringToUpper(begin);
         if(size==0 || begin!=upper)
            continue;
         found+=(count>0 ? ", " : "")+name;
         count++;
        }
      return(found);
     }
   string            WithoutSuffix(const string theirs) const
     {
      int size=StringLen(m_suffix);
      int from=StringLen(theirs)-size;
      return(size>0 && from>0 && StringSubstr(theirs,from)==m_suffix ? StringSubstr(theirs,0,from) : theirs);
     }
   //--- how to have EURUSD.m as EURUSD
   string            SuffixAdvice(const CBridgeSpec &spec) const
     {
      string pair=SymbolInfoString(spec.theirs,SYMBOL_CURRENCY_BASE)+SymbolInfoString(spec.theirs,SYMBOL_CURRENCY_PROFIT);
      int    size=StringLen(pair);
      if(spec.ours!=spec.theirs || size!=6 || StringLen(spec.theirs)<=size || StringSubstr(spec.theirs,0,size)!=pair)
         return("");
      return("; to have it as "+pair+" at the gateway write "+StringSubstr(spec.theirs,size)+" as SymbolSuffix");
     }
   string            Fillings(const CBridgeSpec &spec) const
     {
      string text="";
      if(spec.Filling(ORDER_FILLING_FOK)>=0)
         text+=" fok";
      if(spec.Filling(ORDER_FILLING_IOC)>=0)
         text+=" ioc";
      if(spec.Filling(ORDER_FILLING_RETURN)>=0)
         text+=" return";
      return(text=="" ? " none" : text);
     }
   void              CheckSpec(CSetupReport &report,const CBridgeSpec &spec) const
     {
      string what="symbol "+spec.ours;
      string text=(spec.theirs==spec.ours ? "" : "here "+spec.theirs+", ")+IntegerToString(spec.digits)+" digits, tick "
                  +DoubleToString(spec.tick_size,spec.digits)+" worth "
                  +DoubleToString(SymbolInfoDouble(spec.theirs,SYMBOL_TRADE_TICK_VALUE),5)+" "+AccountInfoString(ACCOUNT_CURRENCY)
                  +", lots "+DoubleToString(spec.volume_min,2)+" to "+DoubleToString(spec.volume_max,2)+" by "+DoubleToString(spec.volume_step,2)
                  +", stops "+IntegerToString(spec.stops_level)+" and freeze "+IntegerToString(spec.freeze_level)+" points, fillings"+Fillings(spec)
                  +" (mask "+IntegerToString(spec.filling)+"), "+spec.ExecutionName()+" execution, trade mode "+spec.ModeName()
                  +SuffixAdvice(spec);
      if(spec.trade_mode==SYMBOL_TRADE_MODE_FULL)
         report.Ok(what,text);
      else
         report.Look(what,text+": the broker restricts it; ask there, or choose another symbol");
     }
   //--- a symbol that was just shown has its first price a moment later
   bool              WaitForPrice(const CBridgeSpec &spec,double &bid,double &ask) const
     {
      for(int i=0; i<20 && !IsStopped(); i++)
        {
         if(spec.Price(bid,ask))
            return(true);
         Sleep(50);
        }
      return(false);
     }
   void              CheckTicks(CSetupReport &report,const CBridgeSpec &spec,const double bid,const double ask)
     {
      string what="ticks "+spec.ours;
      string price=DoubleToString(bid,spec.digits)+" / "+DoubleToString(ask,spec.digits);
      MqlTick last;
      ZeroMemory(last);
      SymbolInfoTick(spec.theirs,last);
      long age=(long)TimeTradeServer()-(long)last.time;
      if(m_ticks_slow)
        {
         report.Look(what,price+", "+IntegerToString(age)+" s old; those of the past were not asked for, since the symbol before took long");
         return;
        }
      MqlTick ticks[];
      ResetLastError();
      ulong begun=GetTickCount64();
      int count=CopyTicks(spec.theirs,ticks,COPY_TICKS_ALL,0,QM_SETUP_TICKS);
      int code=GetLastError();
      long took=(long)(GetTickCount64()-begun);
      m_ticks_slow=(took>QM_TICKS_LOAD_MS);
      if(count<=0)
         report.Look(what,price+", but the terminal gives no ticks of the past (error "+IntegerToString(code)+", after "+IntegerToString(took)
                     +" ms): run this again in a minute, while it loads them");
      else if(age>QM_QUIET_S)
         report.Look(what,price+", the last one "+IntegerToString(age)+" s old: is the market open?");
      else
         report.Ok(what,price+", the last one "+IntegerToString(age)+" s old; "+IntegerToString(MathMin(count,ArraySize(ticks)))
                   +" read within "+IntegerToString(took)+" ms");
     }
   //--- what the server would say; OrderCheck sends nothing
   void              CheckOrder(CSetupReport &report,const CBridgeSpec &spec,const double bid,const double ask) const
     {
      if(spec.trade_mode==SYMBOL_TRADE_MODE_DISABLED || spec.trade_mode==SYMBOL_TRADE_MODE_CLOSEONLY)
         return;
      bool   buys=(spec.trade_mode!=SYMBOL_TRADE_MODE_SHORTONLY);
      string what="order "+spec.ours;
      string text=DoubleToString(spec.volume_min,2)+" lots";
      int filling=spec.Filling(-1);
      if(filling<0)
        {
         report.Fail(what,"no filling mode is known: ask the broker");
         return;
        }
      MqlTradeRequest     request;
      MqlTradeCheckResult answer;
      ZeroMemory(request);
      ZeroMemory(answer);
      request.action=TRADE_ACTION_DEAL;
      request.symbol=spec.theirs;
      request.volume=spec.volume_min;
      request.type=(buys ? ORDER_TYPE_BUY : ORDER_TYPE_SELL);
      request.price=(buys ? ask : bid);
      request.type_filling=(ENUM_ORDER_TYPE_FILLING)filling;
      request.type_time=ORDER_TIME_GTC;
      ResetLastError();
      bool good=OrderCheck(request,answer);
      int  code=GetLastError();
      string said=IntegerToString(answer.retcode)+" "+answer.comment+", error "+IntegerToString(code);
      if(good)
        {
         report.Ok(what,text+" would be taken, margin "+DoubleToString(answer.margin,2)+"; nothing was sent");
         return;
        }
      switch(answer.retcode)
        {
         case TRADE_RETCODE_MARKET_CLOSED:
            report.Look(what,text+" would be refused now: the market is closed ("+said+")");
            return;
         case TRADE_RETCODE_NO_MONEY:
            report.Look(what,text+" would be refused: the money is not enough ("+said+")");
            return;
         case TRADE_RETCODE_CLIENT_DISABLES_AT:
            report.Fail(what,text+" would be refused: Algo Trading is off; press the button Algo Trading in the toolbar ("+said+")");
            return;
         case TRADE_RETCODE_SERVER_DISABLES_AT:
            report.Fail(what,text+" would be refused: the broker does not let programs trade in this account ("+said+")");
            return;
         case TRADE_RETCODE_INVALID_FILL:
            report.Fail(what,text+" would be refused for its filling mode "+EnumToString((ENUM_ORDER_TYPE_FILLING)filling)+" ("+said+"): send this log");
            return;
        }
      report.Fail(what,text+" would be refused ("+said+")");
     }
   void              CheckOne(CSetupReport &report,const CBridgeSpec &spec)
     {
      double bid=0.0;
      double ask=0.0;
      CheckSpec(report,spec);
      if(!WaitForPrice(spec,bid,ask))
        {
         report.Look("ticks "+spec.ours,"there is no price of it: is it shown in the Market Watch (Ctrl+M), and the market open?");
         return;
        }
      CheckTicks(report,spec,bid,ask);
      CheckOrder(report,spec,bid,ask);
     }
   void              CheckNamed(CSetupReport &report,const string name)
     {
      CBridgeSymbols symbols;
      CBridgeSpec    spec;
      string         error="";
      if(symbols.Choose(name,m_suffix,m_names,error) && symbols.Find(name,true,spec))
        {
         CheckOne(report,spec);
         return;
        }
      string similar=Similar(name);
      report.Fail("symbol "+name,error+(similar=="" ? "" : "; the terminal has "+similar));
     }

public:
                     CSetupMarket(void)
     {
      m_suffix="";
      m_names="";
      m_ticks_slow=false;
     }
   //--- those named, with commas between them; else that of the chart
   void              Check(CSetupReport &report,const string wanted,const string suffix,const string names)
     {
      m_suffix=suffix;
      m_names=names;
      string parts[];
      int count=StringSplit(wanted,',',parts);
      int looked=0;
      for(int i=0; i<count; i++)
        {
         StringTrimLeft(parts[i]);
         StringTrimRight(parts[i]);
         if(parts[i]=="")
            continue;
         if(looked>=QM_SETUP_SYMBOLS)
           {
            report.Look("symbols","only the first "+IntegerToString(QM_SETUP_SYMBOLS)+" were looked at: run this again for the others");
            return;
           }
         looked++;
         if(!report.Skips("symbol "+parts[i]))
            CheckNamed(report,parts[i]);
        }
      if(looked==0 && !report.Skips("symbol "+_Symbol))
         CheckNamed(report,WithoutSuffix(_Symbol));
     }
  };
//+------------------------------------------------------------------+
//| Deals and orders of the past                                      |
//+------------------------------------------------------------------+
void QMCheckHistory(CSetupReport &report)
  {
   ResetLastError();
   datetime now=TimeTradeServer();
   if(HistorySelect(now-QM_HISTORY_DAYS*86400,now+86400))
      report.Ok("history",IntegerToString(HistoryDealsTotal())+" deals and "+IntegerToString(HistoryOrdersTotal())+" orders of "
                +IntegerToString(QM_HISTORY_DAYS)+" days; "+IntegerToString(PositionsTotal())+" positions and "
                +IntegerToString(OrdersTotal())+" orders are open");
   else
      report.Fail("history","it can't be read (error "+IntegerToString(GetLastError())+"): is the terminal connected? The bridge needs it");
  }

#endif
