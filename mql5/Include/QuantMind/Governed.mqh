//+------------------------------------------------------------------+
//| Governed.mqh                                           QuantMind  |
//| Trading by the gateway's leave: heartbeats, what it pushes, what  |
//| may be opened now, and each trade asked for before it is made and |
//| reported after it.                                                |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_GOVERNED_MQH
#define QUANTMIND_GOVERNED_MQH

#include <QuantMind/GuardFlag.mqh>
#include <QuantMind/Pushes.mqh>
#include <QuantMind/Bridge/Symbols.mqh>
#include <QuantMind/Utils/Sockets.mqh>

#define QM_GOVERNED_MISSED   5          // heartbeats that went unanswered: nothing is opened after that
#define QM_GOVERNED_BEAT_S   5.0        // between two heartbeats, until the gateway says another time
#define QM_GOVERNED_HURRY_MS 1000       // after one that failed
#define QM_GOVERNED_WAIT_MS  1000       // for an answer
#define QM_GOVERNED_SHORT_MS 50         // of a gateway that did not answer the last time
#define QM_GOVERNED_UNCLEAR_S 60         // an order whose answer did not come may still be carried out: nothing is opened meanwhile

enum ENUM_QM_UNGOVERNED
  {
   QM_TESTER_REFUSE=0,   // trade nothing
   QM_TESTER_TRADE=1     // trade without the gateway
  };

//+------------------------------------------------------------------+
//| One EA on one symbol                                              |
//+------------------------------------------------------------------+
class CQuantMindGoverned
  {
private:
   CQuantMindSocket  m_socket;
   CQuantMindPushes  m_pushes;
   string            m_ea_name;
   string            m_symbol;
   long              m_magic;
   ulong             m_deviation;
   bool              m_gateway_executes;
   bool              m_governed;          // false: in the Strategy Tester, and the input says trade
   bool              m_pushed;            // pushes are listened to
   bool              m_refuses;           // in the Strategy Tester, and the input says refuse
   ulong             m_beat_due;
   ulong             m_answered_at;
   bool              m_ever_answered;
   bool              m_silent;            // the last heartbeat was not answered
   ulong             m_beat_ms;
   double            m_multiplier;
   string            m_state;
   string            m_cause;
   bool              m_has_floor;
   double            m_floor;
   double            m_next_floor;
   double            m_next_reset;
   string            m_last;              // what was said of the last trade
   bool              m_unclear;           // nobody knows what became of the request that was sent last

   void              Note(const string what)
     {
      m_last=what;
      Print(m_ea_name,": ",what);
     }
   void              TakePushes(void)
     {
      if(!m_pushed || !m_pushes.Poll())
         return;
      if(!m_pushes.IsConnected())
         return;
      if(m_pushes.has_multiplier)
         m_multiplier=m_pushes.risk_multiplier;
      if(m_pushes.trading_state=="")
        {
         //--- a new connection: what was pushed before it is heard with a heartbeat
         m_beat_due=0;
         return;
        }
      if(m_pushes.trading_state!=m_state)
         Print(m_ea_name,": trading state ",m_pushes.trading_state," ",m_pushes.cause);
      m_state=m_pushes.trading_state;
      m_cause=m_pushes.cause;
      m_has_floor=m_pushes.has_floor;
      m_floor=m_pushes.floor_now;
      m_next_floor=m_pushes.next_floor;
      m_next_reset=m_pushes.next_reset;
     }
   void              Beat(void)
     {
      double multiplier=0.0;
      //--- one that fails must not keep the EA from its ticks: one attempt, and short, once there was no answer
      m_socket.SetAttempts(1);
      m_socket.SetTimeout(m_silent ? QM_GOVERNED_SHORT_MS : QM_GOVERNED_WAIT_MS);
      bool answered=m_socket.SendHeartbeat(m_ea_name,m_symbol,m_magic,multiplier);
      m_socket.SetAttempts(2);
      m_socket.SetTimeout(QM_GOVERNED_WAIT_MS);
      ulong now=GetTickCount64();
      m_silent=!answered;
      if(!answered)
        {
         m_beat_due=now+QM_GOVERNED_HURRY_MS;
         Print(m_ea_name,": no heartbeat: ",m_socket.result.Describe());
         return;
        }
      m_ever_answered=true;
      m_answered_at=now;
      m_multiplier=multiplier;
      m_state=m_socket.result.trading_state;
      m_cause=m_socket.result.cause;
      m_has_floor=m_socket.result.has_floor;
      m_floor=m_socket.result.floor_now;
      m_next_floor=m_socket.result.next_floor;
      m_next_reset=m_socket.result.next_reset;
      double every=m_socket.result.next_heartbeat_s;
      m_beat_ms=(ulong)(1000.0*MathMax(0.5,MathMin(60.0,every>0.0 ? every : QM_GOVERNED_BEAT_S)));
      m_beat_due=now+m_beat_ms;
     }
   //--- kept in the terminal, so that a restart of this program does not forget it
   string            HeldBackName(void) const
     {
      return(StringSubstr("QuantMind.unclear."+IntegerToString(AccountInfoInteger(ACCOUNT_LOGIN))+"."+m_symbol+"."+IntegerToString(m_magic),0,63));
     }
   void              HoldBack(void)              { GlobalVariableSet(HeldBackName(),(double)TimeLocal()); }
   bool              IsHeldBack(void) const
     {
      double since=0.0;
      if(!GlobalVariableGet(HeldBackName(),since))
         return(false);
      double passed=(double)TimeLocal()-since;
      return(passed>=0.0 && passed<QM_GOVERNED_UNCLEAR_S);
     }
   //--- what the terminal's server said of a request
   bool              Send(MqlTradeRequest &request,MqlTradeResult &result)
     {
      ZeroMemory(result);
      m_unclear=false;
      ResetLastError();
      if(OrderSend(request,result) && (result.retcode==TRADE_RETCODE_DONE || result.retcode==TRADE_RETCODE_PLACED || result.retcode==TRADE_RETCODE_DONE_PARTIAL))
         return(true);
      int error=GetLastError();
      //--- 4752: the terminal kept it back. A success that the terminal calls a failure is no refusal
      bool success=(result.retcode==TRADE_RETCODE_DONE || result.retcode==TRADE_RETCODE_PLACED || result.retcode==TRADE_RETCODE_DONE_PARTIAL);
      m_unclear=(success || result.retcode==TRADE_RETCODE_TIMEOUT || result.retcode==TRADE_RETCODE_CONNECTION || (result.retcode==0 && error!=4752));
      Note((m_unclear ? "nobody knows what became of it: " : "the server refused: ")+IntegerToString((long)result.retcode)+" "+result.comment
           +" (error "+IntegerToString(error)+")");
      return(false);
     }
   bool              SendOpen(const bool buys,const double volume,const double sl,const double tp,const CBridgeSpec &spec,MqlTradeResult &result)
     {
      MqlTradeRequest request;
      ZeroMemory(request);
      double bid=0.0;
      double ask=0.0;
      int    filling=spec.Filling(-1);
      if(!spec.Price(bid,ask) || filling<0)
        {
         ZeroMemory(result);
         m_unclear=false;
         Note(m_symbol+" has no price or no filling mode now");
         return(false);
        }
      request.action=TRADE_ACTION_DEAL;
      request.symbol=m_symbol;
      request.volume=volume;
      request.type=(buys ? ORDER_TYPE_BUY : ORDER_TYPE_SELL);
      request.price=(buys ? ask : bid);
      request.sl=sl;
      request.tp=tp;
      request.deviation=m_deviation;
      request.type_filling=(ENUM_ORDER_TYPE_FILLING)filling;
      request.magic=(ulong)m_magic;
      request.comment=StringSubstr(m_ea_name,0,31);
      return(Send(request,result));
     }

public:
                     CQuantMindGoverned(void)
     {
      m_ea_name="";
      m_symbol="";
      m_state="";
      m_cause="";
      m_last="";
      m_pushed=false;
      m_magic=0;
      m_deviation=20;
      m_gateway_executes=false;
      m_governed=true;
      m_refuses=false;
      m_beat_due=0;
      m_answered_at=0;
      m_ever_answered=false;
      m_silent=false;
      m_beat_ms=(ulong)(1000.0*QM_GOVERNED_BEAT_S);
      m_multiplier=0.0;
      m_has_floor=false;
      m_floor=0.0;
      m_next_floor=0.0;
      m_next_reset=0.0;
      m_unclear=false;
     }
   //--- `broker`: the gateway's name for this account; `push_port` 0: nothing is pushed, heartbeats alone tell
   bool              Begin(const string ea_name,const string symbol,const long magic,const string host,const uint port,const uint push_port,
                           const string token,const string broker,const bool gateway_executes,const ENUM_QM_UNGOVERNED in_tester)
     {
      m_ea_name=ea_name;
      m_symbol=symbol;
      m_magic=magic;
      m_gateway_executes=gateway_executes;
      if(MQLInfoInteger(MQL_TESTER)!=0)
        {
         m_governed=false;
         m_refuses=(in_tester==QM_TESTER_REFUSE);
         Note("the Strategy Tester does not use the network, so nothing is governed here: "
              +(m_refuses ? "nothing is traded (input InTester)" : "it trades without the gateway's limits, and its results are better than they can be live"));
         return(true);
        }
      m_socket.SetServer(host,port,QM_ZMTP);
      m_socket.SetToken(token);
      m_socket.SetBroker(broker);
      m_socket.SetTimeout(QM_GOVERNED_WAIT_MS);
      m_socket.SetAttempts(2);
      m_pushed=(push_port>0);
      if(m_pushed)
         m_pushes.Configure(host,push_port,ea_name,broker);
      Beat();
      return(true);
     }
   void              End(void)
     {
      m_pushes.Close();
      m_socket.Disconnect();
     }
   //--- called by a timer, several times a second
   void              Work(void)
     {
      if(!m_governed)
         return;
      TakePushes();
      if(GetTickCount64()>=m_beat_due)
         Beat();
     }
   //--- whether new risk may be asked for now; `why` says what stands against it
   bool              MayOpen(string &why) const
     {
      why="";
      if(IsHeldBack())
        {
         why="nobody knows yet what became of the last order";
         return(false);
        }
      if(!m_governed)
        {
         if(m_refuses)
            why="the Strategy Tester is not governed";
         return(!m_refuses);
        }
      if(!m_ever_answered)
         why="the gateway has not answered yet";
      else if(GetTickCount64()-m_answered_at>QM_GOVERNED_MISSED*m_beat_ms)
         why="the gateway has not answered "+IntegerToString(QM_GOVERNED_MISSED)+" heartbeats";
      else if(QMGuardRefuses())
         why="the floor guard of this terminal opens nothing";
      else if(m_state!="active")
         why="the account is "+m_state+(m_cause=="" ? "" : ": "+m_cause);
      else if(m_multiplier<=0.0)
         why="the risk multiplier is 0";
      return(why=="");
     }
   //--- open by the gateway's leave, at most `volume` lots; true: it was opened
   bool              Open(const bool buys,const double volume,const double sl,const double tp)
     {
      string why="";
      CBridgeSpec spec;
      MqlTradeResult result;
      if(!MayOpen(why))
        {
         m_last="not opened: "+why;
         return(false);
        }
      if(!spec.Read(m_symbol,m_symbol))
        {
         Note("the terminal does not know "+m_symbol);
         return(false);
        }
      double wanted=spec.FloorVolume(m_governed ? volume*m_multiplier : volume);
      if(wanted<=0.0)
        {
         m_last="not opened: "+DoubleToString(volume,2)+" lots times the multiplier "+DoubleToString(m_multiplier,2)+" is less than the least volume";
         return(false);
        }
      if(!m_governed)
        {
         bool opened=SendOpen(buys,wanted,sl,tp,spec,result);
         if(!opened && m_unclear)
            HoldBack();
         return(opened);
        }
      double multiplier=0.0;
      bool approved=m_socket.SendTradeOpen(m_ea_name,m_symbol,wanted,m_magic,multiplier,buys ? QM_BUY : QM_SELL,sl,tp,m_gateway_executes,true);
      if(m_socket.result.status==QM_SUCCESS || m_socket.result.status==QM_REJECTED)
         m_multiplier=multiplier;
      if(!approved)
        {
         Note("not opened: "+m_socket.result.Describe());
         return(false);
        }
      if(m_gateway_executes)
        {
         Note("opened by the gateway: ticket "+StringFormat("%I64u",m_socket.result.ticket)+", "+DoubleToString(m_socket.result.volume,2)+" lots at "
              +DoubleToString(m_socket.result.price,spec.digits));
         return(true);
        }
      //--- exactly what was approved, once, and while it holds
      string approval=m_socket.result.approval_id;
      double may=spec.FloorVolume(MathMin(wanted,m_socket.result.approved_volume));
      m_unclear=false;
      ZeroMemory(result);
      bool   done=(may>0.0 && m_socket.result.StillValid() && SendOpen(buys,may,sl,tp,spec,result));
      if(done)
         Note("opened: order "+StringFormat("%I64u",result.order)+", "+DoubleToString(result.volume,2)+" lots at "+DoubleToString(result.price,spec.digits));
      //--- what nobody can tell yet the gateway finds at the account itself; and an order that the server has only taken in
      if((!done && m_unclear) || (done && result.volume<=0.0))
        {
         HoldBack();
         return(done);
        }
      m_socket.SendTradeResult(m_ea_name,approval,done ? result.order : 0,done ? result.price : 0.0,done ? result.volume : 0.0,result.retcode);
      return(done);
     }
   //--- close a position of this EA. A close takes risk away: it is made also when the gateway does not answer
   bool              CloseTicket(const ulong ticket)
     {
      CBridgeSpec spec;
      MqlTradeRequest request;
      MqlTradeResult  result;
      ZeroMemory(request);
      if(!PositionSelectByTicket(ticket) || !spec.Read(m_symbol,m_symbol))
         return(false);
      double profit=PositionGetDouble(POSITION_PROFIT);
      //--- a gateway that does not answer is not waited for
      if(m_governed && !m_silent)
        {
         bool approved=m_socket.SendTradeClose(m_ea_name,m_symbol,ticket,profit,m_gateway_executes);
         if(m_gateway_executes && approved)
           {
            Note("closed by the gateway: ticket "+StringFormat("%I64u",ticket));
            return(true);
           }
         if(m_gateway_executes && m_socket.result.status==QM_UNKNOWN)
           {
            Note("the close of "+StringFormat("%I64u",ticket)+" is unknown: it is looked at again");
            return(false);
           }
         if(!PositionSelectByTicket(ticket))
            return(true);
        }
      bool   sells=(PositionGetInteger(POSITION_TYPE)==POSITION_TYPE_BUY);
      double bid=0.0;
      double ask=0.0;
      int    filling=spec.Filling(-1);
      if(!spec.Price(bid,ask) || filling<0)
         return(false);
      request.action=TRADE_ACTION_DEAL;
      request.symbol=m_symbol;
      request.position=ticket;
      request.volume=PositionGetDouble(POSITION_VOLUME);
      request.type=(sells ? ORDER_TYPE_SELL : ORDER_TYPE_BUY);
      request.price=(sells ? bid : ask);
      request.deviation=m_deviation;
      request.type_filling=(ENUM_ORDER_TYPE_FILLING)filling;
      request.magic=(ulong)m_magic;
      if(!Send(request,result))
         return(false);
      Note("closed: ticket "+StringFormat("%I64u",ticket)+" at "+DoubleToString(result.price,spec.digits));
      return(true);
     }
   //--- move a stop by the gateway's leave; one that takes risk away also when the gateway does not answer. True: it was
   bool              MoveStop(const ulong ticket,const double new_sl)
     {
      MqlTradeRequest request;
      MqlTradeResult  result;
      ZeroMemory(request);
      if(!PositionSelectByTicket(ticket))
         return(false);
      double there=PositionGetDouble(POSITION_SL);
      bool   buys=(PositionGetInteger(POSITION_TYPE)==POSITION_TYPE_BUY);
      bool   tightens=(new_sl>0.0 && (there==0.0 || (buys ? new_sl>there : new_sl<there)));
      if(m_governed && !(m_silent && tightens))
        {
         bool approved=m_socket.SendTradeModify(m_ea_name,ticket,new_sl,QM_KEEP,m_gateway_executes);
         if(approved && m_gateway_executes)
            return(true);
         if(!approved && !(m_socket.result.status==QM_NO_ANSWER && tightens))
           {
            m_last="stop not moved: "+m_socket.result.Describe();
            return(false);
           }
        }
      if(!PositionSelectByTicket(ticket))
         return(false);
      request.action=TRADE_ACTION_SLTP;
      request.symbol=m_symbol;
      request.position=ticket;
      request.sl=new_sl;
      request.tp=PositionGetDouble(POSITION_TP);
      return(Send(request,result));
     }
   //--- how much equity may fall before the account's floor: what is left today. False: it has none, or it is not known
   bool              RoomLeft(double &room,double &floor_now) const
     {
      floor_now=m_floor;
      room=AccountInfoDouble(ACCOUNT_EQUITY)-m_floor;
      return(m_governed && m_has_floor);
     }
   bool              IsGoverned(void) const      { return(m_governed); }
   double            Multiplier(void) const      { return(m_governed ? m_multiplier : 1.0); }
   string            TradingState(void) const    { return(!m_governed ? "not governed" : m_state=="" ? "unknown" : m_state); }
   double            NextReset(void) const       { return(m_next_reset); }
   double            NextFloor(void) const       { return(m_next_floor); }
   string            LastNote(void) const        { return(m_last); }
   string            UnknownRequest(void) const  { return(m_socket.UnknownRequest()); }
  };

#endif
