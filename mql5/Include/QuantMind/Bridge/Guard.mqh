//+------------------------------------------------------------------+
//| Guard.mqh                                              QuantMind  |
//| The floor guard: what the terminal does by itself when nothing is |
//| heard of the gateway any more. It refuses what opens, lets close, |
//| and closes everything when equity comes down to the floor and the |
//| buffer above it. Floors are the gateway's, and are kept in a file.|
//| It can't do better than the market: over a price gap it closes at |
//| the price behind the gap.                                         |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_GUARD_MQH
#define QUANTMIND_GUARD_MQH

#include <QuantMind/Bytes.mqh>
#include <QuantMind/GuardFlag.mqh>
#include <QuantMind/Json.mqh>
#include <QuantMind/Bridge/Symbols.mqh>

#define QM_GUARD_MISSED        5         // heartbeats of the gateway
#define QM_GUARD_EVERY_MS      1000      // of a gateway that did not say
#define QM_GUARD_PAUSE_MS      1000      // this program did not look for so long: it was stopped
#define QM_GUARD_RETRY_MS      500       // between two attempts to close what is open
#define QM_GUARD_LATER_MS      30000     // the longest pause between them, while the server refuses
#define QM_GUARD_STALE_S       86400     // after the reset that was told: floors are of another day, and nobody's any more
#define QM_GUARD_UNCLEAR_MS    5000      // after an answer that left open what became of it
#define QM_GUARD_BUFFER        0.002     // of the floor, where the input does not say
#define QM_GUARD_COMMENT       "QuantMind floor guard"

enum ENUM_QM_GUARD
  {
   QM_GUARD_OFF=0,       // nothing was ever heard that it could guard
   QM_GUARD_WATCHING=1,  // the gateway is there and does it
   QM_GUARD_CUT_OFF=2,   // it is not: nothing is opened
   QM_GUARD_FLATTENING=3,
   QM_GUARD_FLAT=4       // everything was closed by the guard
  };

//+------------------------------------------------------------------+
//| The word that is said of a state                                  |
//+------------------------------------------------------------------+
string QMGuardName(const ENUM_QM_GUARD state)
  {
   switch(state)
     {
      case QM_GUARD_WATCHING:
         return("watching");
      case QM_GUARD_CUT_OFF:
         return("cut_off");
      case QM_GUARD_FLATTENING:
         return("flattening");
      case QM_GUARD_FLAT:
         return("flat");
     }
   return("off");
  }
//+------------------------------------------------------------------+
//| The guard of one account                                          |
//+------------------------------------------------------------------+
class CBridgeGuard
  {
private:
   bool              m_on;
   ENUM_QM_GUARD     m_state;
   string            m_file;
   long              m_login;
   string            m_server;
   double            m_buffer;            // money; below 0: QM_GUARD_BUFFER of the floor
   bool              m_heard;             // ever, or it stood in the file
   ulong             m_heard_at;
   ulong             m_watched_at;        // when it was looked last, 0: never
   bool              m_paused;            // it was away, and what came meanwhile is read first
   ulong             m_every_ms;
   long              m_seq;
   bool              m_has_floor;
   double            m_floor;
   double            m_next_floor;
   double            m_next_reset;        // Unix seconds of the gateway, 0: none
   string            m_trading_state;
   double            m_clock_ahead_s;     // the gateway's clock less ours
   ulong             m_next_try;
   ulong             m_flagged_at;
   uint              m_pause_ms;          // until the next attempt
   int               m_attempts;          // to close what is open
   string            m_kept;              // as the file has it
   CJsonReader       m_json;

   void              Enter(const ENUM_QM_GUARD state,const string why)
     {
      if(state==m_state)
         return;
      m_state=state;
      Flag();
      Print("guard.state ",QMGuardName(state)," ",why);
      if(!AllowsOpen())
         Alert("QuantMind floor guard: ",QMGuardName(state),": ",why);
     }
   //--- what other EAs of this terminal go by
   void              Flag(void)
     {
      m_flagged_at=GetTickCount64();
      GlobalVariableSet(QMGuardVariable(m_login),AllowsOpen() ? 0.0 : (double)TimeLocal());
     }
   string            Standing(void) const
     {
      CJsonWriter json;
      json.BeginObject();
      json.LongAt("login",m_login);
      json.BoolAt("has_floor",m_has_floor);
      json.NumberAt("floor",m_floor,8);
      json.NumberAt("next_floor",m_next_floor,8);
      json.NumberAt("next_reset",m_next_reset,3);
      json.NumberAt("clock_ahead_s",MathRound(m_clock_ahead_s),0);
      json.EndObject();
      return(json.ToString());
     }
   //--- for a terminal that is started again while the gateway is away
   void              Keep(void)
     {
      string standing=Standing();
      if(standing==m_kept || standing=="")
         return;
      uchar bytes[];
      int size=QMTextToBytes(standing,bytes);
      string temporary=m_file+".new";
      int handle=FileOpen(temporary,FILE_WRITE|FILE_BIN|FILE_COMMON);
      bool kept=false;
      if(handle!=INVALID_HANDLE)
        {
         kept=(FileWriteArray(handle,bytes,0,size)==(uint)size);
         FileFlush(handle);
         FileClose(handle);
         kept=(kept && FileMove(temporary,FILE_COMMON,m_file,FILE_COMMON|FILE_REWRITE));
        }
      if(kept)
         m_kept=standing;
      else
         Print("fail.guard can't write ",m_file," (error ",IntegerToString(GetLastError()),"): floors are forgotten when the terminal ends");
     }
   void              Recall(void)
     {
      int handle=FileOpen(m_file,FILE_READ|FILE_BIN|FILE_COMMON|FILE_SHARE_READ);
      if(handle==INVALID_HANDLE)
         return;
      uchar bytes[];
      int size=(int)FileReadArray(handle,bytes,0,WHOLE_ARRAY);
      FileClose(handle);
      if(!m_json.Parse(bytes,0,size) || m_json.LongOf(m_json.Root(),"login")!=m_login)
        {
         Print("fail.guard the file ",m_file," can't be read: what the floors are is not known until the gateway says it");
         return;
        }
      int root=m_json.Root();
      m_has_floor=m_json.IsTrueOf(root,"has_floor");
      m_floor=m_json.NumberOf(root,"floor");
      m_next_floor=m_json.NumberOf(root,"next_floor");
      m_next_reset=m_json.NumberOf(root,"next_reset");
      m_clock_ahead_s=m_json.NumberOf(root,"clock_ahead_s");
      m_heard=true;
      m_kept=Standing();
     }
   //--- one request that takes risk away; 1 done, 0 refused, -1 nobody knows
   int               Order(MqlTradeRequest &request,const string what)
     {
      MqlTradeResult result;
      ZeroMemory(result);
      ResetLastError();
      bool sent=OrderSend(request,result);
      if(sent && (result.retcode==TRADE_RETCODE_DONE || result.retcode==TRADE_RETCODE_PLACED || result.retcode==TRADE_RETCODE_DONE_PARTIAL))
         return(1);
      Print("guard.close ",what,": ",IntegerToString((long)result.retcode)," ",result.comment," (error ",IntegerToString(GetLastError()),")");
      return(result.retcode==0 || result.retcode==TRADE_RETCODE_TIMEOUT || result.retcode==TRADE_RETCODE_CONNECTION ? -1 : 0);
     }
   //--- the filling mode of an attempt: the symbol's first, then each other one, since a server may refuse what it says
   //--- that it takes, or never fill all at once
   int               FillingOf(const CBridgeSpec &spec) const
     {
      int modes[3]={ORDER_FILLING_FOK,ORDER_FILLING_IOC,ORDER_FILLING_RETURN};
      int first=spec.Filling(-1);
      int turn=m_attempts%3;
      if(turn==0 && first>=0)
         return(first);
      int others=0;
      for(int i=0; i<3; i++)
        {
         if(modes[i]==first)
            continue;
         others++;
         if(others==turn || (first<0 && others==turn+1))
            return(modes[i]);
        }
      return(ORDER_FILLING_FOK);
     }
   int               CloseSelected(void)
     {
      CBridgeSpec spec;
      MqlTradeRequest request;
      ZeroMemory(request);
      string symbol=PositionGetString(POSITION_SYMBOL);
      double bid=0.0;
      double ask=0.0;
      bool   sells=(PositionGetInteger(POSITION_TYPE)==POSITION_TYPE_BUY);
      request.action=TRADE_ACTION_DEAL;
      request.symbol=symbol;
      request.position=(ulong)PositionGetInteger(POSITION_TICKET);
      request.volume=PositionGetDouble(POSITION_VOLUME);
      request.type=(sells ? ORDER_TYPE_SELL : ORDER_TYPE_BUY);
      request.type_filling=ORDER_FILLING_FOK;
      request.deviation=1000000;
      request.magic=(ulong)PositionGetInteger(POSITION_MAGIC);
      request.comment=QM_GUARD_COMMENT;
      if(spec.Read(symbol,symbol))
        {
         request.type_filling=(ENUM_ORDER_TYPE_FILLING)FillingOf(spec);
         //--- what can't be closed at once is closed in parts
         if(request.volume>spec.volume_max)
            request.volume=spec.volume_max;
         if(spec.Price(bid,ask))
            request.price=(sells ? bid : ask);
        }
      return(Order(request,"position "+IntegerToString((long)request.position)+" of "+symbol));
     }
   int               CancelSelected(void)
     {
      MqlTradeRequest request;
      ZeroMemory(request);
      request.action=TRADE_ACTION_REMOVE;
      request.order=(ulong)OrderGetInteger(ORDER_TICKET);
      return(Order(request,"order "+IntegerToString((long)request.order)));
     }
   //--- whose account the terminal has: floors are of one alone. And whether anything can be known and done there
   bool              IsOurs(void) const
     {
      return(AccountInfoInteger(ACCOUNT_LOGIN)==m_login && AccountInfoString(ACCOUNT_SERVER)==m_server
             && TerminalInfoInteger(TERMINAL_CONNECTED)!=0);
     }
   //--- close everything, as far as it can be now: positions first, since they are what loses
   void              Flatten(void)
     {
      if(GetTickCount64()<m_next_try)
         return;
      bool unclear=false;
      bool any=false;
      for(int i=PositionsTotal()-1; i>=0 && IsOurs(); i--)
         if(PositionGetTicket(i)!=0)
           {
            int done=CloseSelected();
            unclear=(unclear || done<0);
            any=(any || done>0);
           }
      for(int i=OrdersTotal()-1; i>=0 && IsOurs(); i--)
         if(OrderGetTicket(i)!=0)
           {
            int done=CancelSelected();
            unclear=(unclear || done<0);
            any=(any || done>0);
           }
      //--- an account that is not ours, or shows a floating profit without a position, says nothing of ours
      if(IsOurs() && PositionsTotal()==0 && OrdersTotal()==0 && AccountInfoDouble(ACCOUNT_PROFIT)==0.0)
        {
         Enter(QM_GUARD_FLAT,"everything is closed; equity "+DoubleToString(AccountInfoDouble(ACCOUNT_EQUITY),2));
         return;
        }
      m_attempts++;
      m_pause_ms=(any || m_attempts<=6 ? QM_GUARD_RETRY_MS : MathMin(2*m_pause_ms,(uint)QM_GUARD_LATER_MS));
      m_next_try=GetTickCount64()+(unclear ? MathMax(m_pause_ms,(uint)QM_GUARD_UNCLEAR_MS) : m_pause_ms);
     }

public:
                     CBridgeGuard(void)
     {
      m_on=false;
      m_state=QM_GUARD_OFF;
      m_login=0;
      m_buffer=-1.0;
      m_heard=false;
      m_heard_at=0;
      m_watched_at=0;
      m_paused=false;
      m_every_ms=QM_GUARD_EVERY_MS;
      m_seq=0;
      m_has_floor=false;
      m_floor=0.0;
      m_next_floor=0.0;
      m_next_reset=0.0;
      m_clock_ahead_s=0.0;
      m_next_try=0;
      m_flagged_at=0;
      m_pause_ms=QM_GUARD_RETRY_MS;
      m_attempts=0;
      m_file="";
      m_server="";
      m_trading_state="";
      m_kept="";
     }
   //--- `buffer`: money above the floor at which everything is closed; below 0: QM_GUARD_BUFFER of the floor
   void              Begin(const bool on,const string file,const long login,const string server,const double buffer)
     {
      m_on=on;
      m_file=file;
      m_login=login;
      m_server=server;
      m_buffer=buffer;
      m_state=QM_GUARD_OFF;
      m_heard=false;
      m_has_floor=false;
      m_seq=0;
      m_watched_at=0;
      m_kept="";
      m_heard_at=GetTickCount64();
      if(!on)
         return;
      Recall();
      //--- the flag of a guard that was cut off before stands until the gateway is heard, or it has grown old
      if(m_heard)
         m_state=QM_GUARD_WATCHING;
     }
   ENUM_QM_GUARD     State(void) const           { return(m_state); }
   long              Seq(void) const             { return(m_seq); }
   //--- a new session counts from 1 again
   void              NewSession(void)            { m_seq=0; }
   //--- the floor that holds now; false: the account has none, or what was told is of a day that is long over: by a
   //--- floor that is nobody's nothing is closed, and nothing is opened either
   bool              Floor(double &now_floor) const
     {
      double now=(double)TimeGMT()+m_clock_ahead_s;
      now_floor=m_floor;
      if(m_next_reset>0.0 && now>=m_next_reset)
         now_floor=m_next_floor;
      return(m_has_floor && (m_next_reset<=0.0 || now<m_next_reset+QM_GUARD_STALE_S));
     }
   double            Trigger(void) const
     {
      double at=0.0;
      Floor(at);
      return(at+(m_buffer>=0.0 ? m_buffer : at*QM_GUARD_BUFFER));
     }
   //--- whether what adds risk may go out
   bool              AllowsOpen(void) const
     {
      return(m_state==QM_GUARD_OFF || m_state==QM_GUARD_WATCHING);
     }
   //--- a message of the gateway; false: it is none that counts
   bool              Take(const CJsonReader &json)
     {
      int  root=json.Root();
      long seq=json.LongOf(root,"seq");
      if(!m_on || seq<=m_seq)
         return(false);
      bool first=(m_seq==0);
      m_seq=seq;
      m_heard=true;
      m_paused=false;
      m_heard_at=GetTickCount64();
      m_every_ms=(ulong)MathMin(60000.0,MathMax(100.0,1000.0*json.NumberOf(root,"every_s",1.0)));
      m_trading_state=json.TextOf(root,"trading_state");
      double time=json.NumberOf(root,"time");
      //--- to the second: this computer's UTC has no parts of it here
      if(time>0.0 && MathAbs(time-(double)TimeGMT()-m_clock_ahead_s)>=2.0)
         m_clock_ahead_s=MathRound(time-(double)TimeGMT());
      //--- a gateway that does not know a floor yet does not say that there is none
      if(json.IsTrueOf(root,"known"))
        {
         m_has_floor=(json.Type(json.Find(root,"floor"))==JSON_NUMBER);
         m_floor=json.NumberOf(root,"floor");
         m_next_floor=json.NumberOf(root,"next_floor",m_floor);
         m_next_reset=json.NumberOf(root,"next_reset");
        }
      Keep();
      //--- what was begun is brought to its end, unless there is no reason for it any more
      if(m_state!=QM_GUARD_FLATTENING || !IsOurs() || AccountInfoDouble(ACCOUNT_EQUITY)>Trigger())
        {
         Enter(QM_GUARD_WATCHING,"the gateway is there");
         if(first)
            Flag();
        }
      return(true);
     }
   //--- look at the account, as often as there is an occasion, after what has come was read. `unread`: more may be
   //--- waiting to be read
   void              Watch(const bool unread)
     {
      if(!m_on || !m_heard)
         return;
      ulong now=GetTickCount64();
      ulong away=(m_watched_at==0 ? 0 : now-m_watched_at);
      m_watched_at=now;
      if(!AllowsOpen() && now-m_flagged_at>=1000)
         Flag();
      if(m_state==QM_GUARD_FLATTENING)
        {
         if(IsOurs())
            Flatten();
         m_watched_at=GetTickCount64();
         return;
        }
      //--- this program did not run, since the server was slow with an order or the computer slept, and the connection
      //--- may have to be made anew: silence begins now, but once only until something is heard again
      if(away>QM_GUARD_PAUSE_MS && !m_paused)
        {
         m_paused=true;
         m_heard_at=now;
        }
      ulong silence=now-m_heard_at;
      if(unread || silence<=QM_GUARD_MISSED*m_every_ms)
         return;
      if(m_state==QM_GUARD_WATCHING)
         Enter(QM_GUARD_CUT_OFF,"nothing was heard of the gateway for "+IntegerToString((long)silence)+" ms: nothing is opened"
               +(m_has_floor ? ", and everything is closed at an equity of "+DoubleToString(Trigger(),2) : ", and the account has no floor"));
      //--- before the terminal has heard of its account all of it is 0, and without a server nothing can be closed
      double at=0.0;
      double equity=AccountInfoDouble(ACCOUNT_EQUITY);
      if(!IsOurs() || !Floor(at) || (PositionsTotal()==0 && OrdersTotal()==0) || (equity==0.0 && AccountInfoDouble(ACCOUNT_BALANCE)==0.0)
         || equity>Trigger())
         return;
      Enter(QM_GUARD_FLATTENING,"equity "+DoubleToString(equity,2)+" is at or below "+DoubleToString(Trigger(),2)+" (floor "
            +DoubleToString(at,2)+" and its buffer): everything is closed");
      m_next_try=0;
      m_attempts=0;
      m_pause_ms=QM_GUARD_RETRY_MS;
      Flatten();
     }
   //--- another bridge has the account now: it guards, and what this one knows grows old
   void              StandDown(void)
     {
      if(!m_on)
         return;
      Enter(QM_GUARD_OFF,"another bridge guards this account");
      m_on=false;
      m_heard=false;
     }
   //--- for the chart
   string            Describe(void) const
     {
      double at=0.0;
      string text="guard: "+QMGuardName(m_state);
      if(Floor(at))
         text+=", floor "+DoubleToString(at,2)+", closes all at "+DoubleToString(Trigger(),2);
      return(text);
     }
  };

#endif
