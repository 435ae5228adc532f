//+------------------------------------------------------------------+
//| Trader.mqh                                             QuantMind  |
//| Carries out orders, each once: what is written down before it     |
//| goes is never sent again. And finds what became of one that       |
//| nobody heard the answer of.                                       |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_TRADER_MQH
#define QUANTMIND_TRADER_MQH

#include <QuantMind/Bridge/Requests.mqh>
#include <QuantMind/Bridge/SentFile.mqh>

#define QM_LOOK_BACK_S    691200        // 8 days: how far back history is searched for a tag that nobody wrote down
#define QM_BEFORE_S       600           // and before the time at which one was sent: clocks differ
#define QM_CLOCKS_S       30            // by so much at most, where something without our tag is held for ours

enum ENUM_QM_OUTCOME
  {
   QM_OUT_PLACED=0,
   QM_OUT_REFUSED=1,
   QM_OUT_UNKNOWN=2,
   QM_OUT_UNAVAILABLE=3  // nothing was sent
  };
enum ENUM_QM_FOUND
  {
   QM_FOUND_PLACED=0,
   QM_FOUND_ABSENT=1,
   QM_FOUND_NOT_YET=2,
   QM_FOUND_UNAVAILABLE=3
  };

//+------------------------------------------------------------------+
//| Orders to the trade server                                        |
//+------------------------------------------------------------------+
class CBridgeTrader
  {
private:
   CBridgeRequests   m_requests;
   CBridgeSentFile   m_sent;
   double            m_absent_after_s;

   ENUM_QM_OUTCOME   Refused(const uint code,const string why)
     {
      retcode=code;
      reason=why;
      return(QM_OUT_REFUSED);
     }
   ENUM_QM_OUTCOME   Say(const ENUM_QM_OUTCOME what,const string why)
     {
      reason=why;
      return(what);
     }
   bool              IsSuccess(const uint code) const
     {
      return(code==TRADE_RETCODE_PLACED || code==TRADE_RETCODE_DONE || code==TRADE_RETCODE_DONE_PARTIAL);
     }
   //--- codes that leave open what became of the request
   bool              IsAmbiguous(const uint code) const
     {
      return(code==TRADE_RETCODE_TIMEOUT || code==TRADE_RETCODE_CONNECTION);
     }
   string            ServerSaid(const uint code,const string comment) const
     {
      return("the server answered "+IntegerToString((long)code)+(StringLen(comment)==0 ? "" : ": "+QMPrintable(comment)));
     }
   bool              MayTrade(void)
     {
      if(TerminalInfoInteger(TERMINAL_TRADE_ALLOWED)==0)
        {
         Refused(TRADE_RETCODE_CLIENT_DISABLES_AT,"Algo Trading is switched off in the terminal; press its button");
         return(false);
        }
      if(MQLInfoInteger(MQL_TRADE_ALLOWED)==0)
        {
         Refused(TRADE_RETCODE_CLIENT_DISABLES_AT,"this EA may not trade: tick \"Allow Algo Trading\" in its properties, tab Common");
         return(false);
        }
      return(true);
     }
   //--- a server that would refuse an opening order says so here, before it is sent
   bool              PassesCheck(MqlTradeRequest &request)
     {
      MqlTradeCheckResult check;
      ZeroMemory(check);
      ResetLastError();
      if(OrderCheck(request,check) || IsSuccess(check.retcode))
         return(true);
      if(check.retcode==0)
         Refused(TRADE_RETCODE_ERROR,"the terminal could not check the order (error "+IntegerToString(GetLastError())+"); nothing was sent");
      else
         Refused(check.retcode,ServerSaid(check.retcode,check.comment));
      return(false);
     }
   ENUM_QM_OUTCOME   Send(const CBridgeOrder &order,MqlTradeRequest &request,const CBridgeSymbols &symbols,CBridgeBooks &books,const CBridgeTime &clock)
     {
      if(!m_sent.Going(order.tag,request,order.reduces))
         return(Say(QM_OUT_UNAVAILABLE,"what is sent can't be written down ("+m_sent.Error()+"); nothing new is opened"));
      MqlTradeResult result;
      ZeroMemory(result);
      ResetLastError();
      bool sent=OrderSend(request,result);
      int  error=GetLastError();
      if(IsAmbiguous(result.retcode))
         return(Say(QM_OUT_UNKNOWN,ServerSaid(result.retcode,result.comment)+"; the order may have been carried out"));
      if(result.retcode==0)
        {
         //--- the terminal itself kept it back
         if(error==4752)
           {
            m_sent.Refused(order.tag,TRADE_RETCODE_CLIENT_DISABLES_AT);
            return(Refused(TRADE_RETCODE_CLIENT_DISABLES_AT,"the terminal does not let EAs trade (4752); press Algo Trading"));
           }
         return(Say(QM_OUT_UNKNOWN,"the terminal gave no answer (error "+IntegerToString(error)+"); the order may have been carried out"));
        }
      if(!IsSuccess(result.retcode))
        {
         m_sent.Refused(order.tag,result.retcode);
         return(Refused(result.retcode,ServerSaid(result.retcode,result.comment)));
        }
      if(!sent)
         return(Say(QM_OUT_UNKNOWN,ServerSaid(result.retcode,result.comment)+", and the terminal calls that a failure"));
      //--- it was carried out: whatever is read now only says how, and can't undo it
      if(!AsHistorySays(request,result.order,symbols,books,clock))
        {
         if(request.action==TRADE_ACTION_DEAL && result.retcode==TRADE_RETCODE_PLACED)
            return(Say(QM_OUT_UNKNOWN,"the server has taken the order and not yet said what came of it"));
         AsAnswered(request,result,symbols);
        }
      m_sent.Placed(order.tag,placed.ToJson());
      return(QM_OUT_PLACED);
     }
   bool              AsHistorySays(const MqlTradeRequest &request,const ulong order,const CBridgeSymbols &symbols,CBridgeBooks &books,const CBridgeTime &clock)
     {
      if(request.action==TRADE_ACTION_SLTP)
         return(PositionSelectByTicket(request.position) && Changed(request,symbols));
      if(request.action==TRADE_ACTION_REMOVE)
         return(books.SelectOrder(request.order,clock) && Cancelled(request.order));
      ulong ticket=(order>0 ? order : request.order);
      if((request.action==TRADE_ACTION_PENDING || request.action==TRADE_ACTION_MODIFY) && books.Waiting(ticket,placed,symbols))
         return(true);
      //--- without its deals history does not say yet what it came to
      return(books.SelectOrder(ticket,clock) && books.Ended(ticket,placed,symbols) && placed.ended=="");
     }
   //--- the selected position as it is now
   bool              Changed(const MqlTradeRequest &request,const CBridgeSymbols &symbols)
     {
      placed.Clear();
      symbols.OursOf(request.symbol,placed.digits);
      placed.ticket=request.position;
      placed.sl=PositionGetDouble(POSITION_SL);
      placed.tp=PositionGetDouble(POSITION_TP);
      return(true);
     }
   //--- an order of the selected history that was taken back
   bool              Cancelled(const ulong order)
     {
      placed.Clear();
      placed.order=order;
      placed.ticket=order;
      placed.volume=HistoryOrderGetDouble(order,ORDER_VOLUME_INITIAL);
      placed.has_volume=true;
      return(true);
     }
   //--- what an answer itself says, where history does not have it yet
   void              AsAnswered(const MqlTradeRequest &request,const MqlTradeResult &result,const CBridgeSymbols &symbols)
     {
      ulong order=(result.order>0 ? result.order : request.order);
      placed.Clear();
      symbols.OursOf(request.symbol,placed.digits);
      placed.retcode=result.retcode;
      placed.sl=request.sl;
      placed.tp=request.tp;
      if(request.action==TRADE_ACTION_SLTP)
        {
         placed.retcode=TRADE_RETCODE_DONE;
         placed.ticket=request.position;
         return;
        }
      placed.order=order;
      placed.deal=result.deal;
      placed.ticket=(request.position>0 ? request.position : order);
      placed.volume=(result.volume>0.0 ? result.volume : request.volume);
      placed.has_volume=true;
      placed.pending=(request.action==TRADE_ACTION_PENDING || request.action==TRADE_ACTION_MODIFY);
      if(!placed.pending)
         placed.price=result.price;
     }

   //--- finding ------------------------------------------------------
   //--- a live order with this tag: 1 it waits, 0 it is a market order on its way, -1 there is none
   int               FindLive(const string tag,const CBridgeSymbols &symbols,const CBridgeBooks &books)
     {
      string comment="";
      for(int i=OrdersTotal()-1; i>=0; i--)
        {
         ulong ticket=OrderGetTicket(i);
         if(ticket!=0 && QMTagOf(OrderGetString(ORDER_COMMENT),comment)==tag)
            return(books.Waiting(ticket,placed,symbols) ? 1 : 0);
        }
      return(-1);
     }
   //--- whether an open position has this tag: history may be behind what is open, as after a terminal's start
   bool              IsOpen(const string tag) const
     {
      string comment="";
      for(int i=PositionsTotal()-1; i>=0; i--)
         if(PositionGetTicket(i)!=0 && QMTagOf(PositionGetString(POSITION_COMMENT),comment)==tag)
            return(true);
      return(false);
     }
   //--- the order with this tag in the selected history; 0: there is none. A broker may give the comment to what it
   //--- closes by itself, too: the first one is the order's own
   ulong             FindEnded(const string tag)
     {
      string comment="";
      ulong  first=0;
      for(int i=HistoryOrdersTotal()-1; i>=0; i--)
        {
         ulong ticket=HistoryOrderGetTicket(i);
         if(ticket!=0 && (first==0 || ticket<first) && QMTagOf(HistoryOrderGetString(ticket,ORDER_COMMENT),comment)==tag)
            first=ticket;
        }
      return(first);
     }
   bool              IsOrder(const MqlTradeRequest &request) const
     {
      return(request.action==TRADE_ACTION_DEAL || request.action==TRADE_ACTION_PENDING || request.action==TRADE_ACTION_CLOSE_BY);
     }
   ENUM_QM_FOUND     SurelyAbsent(const double known_for_s)
     {
      if(known_for_s<m_absent_after_s)
         return(QM_FOUND_NOT_YET);
      if(TerminalInfoInteger(TERMINAL_CONNECTED)==0)
        {
         reason="the terminal has no connection to the trade server, so its history may be old";
         return(QM_FOUND_UNAVAILABLE);
        }
      return(QM_FOUND_ABSENT);
     }
   //--- the terminal has said so. A broker may have overwritten the comment since, so it is looked up by its number
   ENUM_QM_FOUND     FindPlaced(const CBridgeSent &known,const CBridgeSymbols &symbols,CBridgeBooks &books,const CBridgeTime &clock)
     {
      placed_json=known.placed;
      if(!IsOrder(known.request))
         return(QM_FOUND_PLACED);
      CJsonReader json;
      if(!json.ParseText(known.placed))
         return(QM_FOUND_PLACED);
      ulong order=json.UlongOf(json.Root(),"order");
      if(books.Waiting(order,placed,symbols))
        {
         placed_json=placed.ToJson();
         return(QM_FOUND_PLACED);
        }
      if(!books.SelectOrder(order,clock))
         return(QM_FOUND_PLACED);
      if(!books.Ended(order,placed,symbols))
         return(QM_FOUND_NOT_YET);
      placed_json=placed.ToJson();
      return(QM_FOUND_PLACED);
     }
   //--- changes and cancellations leave no tag: they were carried out if what they asked for is so
   bool              HoldsNow(const MqlTradeRequest &request,const CBridgeSymbols &symbols,const CBridgeBooks &books,const CBridgeTime &clock)
     {
      int digits=QM_UNKNOWN_DIGITS;
      symbols.OursOf(request.symbol,digits);
      double near_zero=MathPow(10.0,-digits)*0.01;
      if(request.action==TRADE_ACTION_SLTP)
         return(PositionSelectByTicket(request.position)
                && MathAbs(PositionGetDouble(POSITION_SL)-request.sl)<near_zero
                && MathAbs(PositionGetDouble(POSITION_TP)-request.tp)<near_zero
                && Changed(request,symbols));
      if(request.action==TRADE_ACTION_REMOVE)
         return(books.SelectOrder(request.order,clock)
                && HistoryOrderGetInteger(request.order,ORDER_STATE)==ORDER_STATE_CANCELED
                && Cancelled(request.order));
      if(request.action==TRADE_ACTION_MODIFY)
         return(books.Waiting(request.order,placed,symbols)
                && MathAbs(OrderGetDouble(ORDER_PRICE_OPEN)-request.price)<near_zero
                && MathAbs(OrderGetDouble(ORDER_SL)-request.sl)<near_zero
                && MathAbs(OrderGetDouble(ORDER_TP)-request.tp)<near_zero
                && books.OrderEnds()==(long)request.expiration);
      return(false);
     }
   //--- a broker may cut or overwrite comments: what has no tag of ours and is otherwise what was asked for may be it,
   //--- and nobody can prove that it is not. A person settles that
   bool              MayBeThere(const CBridgeSent &known,const CBridgeBooks &books,const CBridgeTime &clock)
     {
      string comment="";
      if(!IsOrder(known.request))
         return(false);
      for(int i=OrdersTotal()-1; i>=0; i--)
         if(OrderGetTicket(i)!=0 && QMTagOf(OrderGetString(ORDER_COMMENT),comment)==""
            && OrderGetString(ORDER_SYMBOL)==known.request.symbol
            && Alike(known,OrderGetInteger(ORDER_TIME_SETUP_MSC),(ulong)OrderGetInteger(ORDER_MAGIC),OrderGetInteger(ORDER_TYPE),
                     OrderGetDouble(ORDER_VOLUME_INITIAL),OrderGetInteger(ORDER_POSITION_ID),clock))
            return(true);
      if(!books.SelectSince((double)known.at-QM_BEFORE_S,clock))
         return(true);
      for(int i=HistoryOrdersTotal()-1; i>=0; i--)
        {
         ulong ticket=HistoryOrderGetTicket(i);
         if(ticket!=0 && QMTagOf(HistoryOrderGetString(ticket,ORDER_COMMENT),comment)==""
            && HistoryOrderGetString(ticket,ORDER_SYMBOL)==known.request.symbol
            && Alike(known,HistoryOrderGetInteger(ticket,ORDER_TIME_SETUP_MSC),(ulong)HistoryOrderGetInteger(ticket,ORDER_MAGIC),
                     HistoryOrderGetInteger(ticket,ORDER_TYPE),HistoryOrderGetDouble(ticket,ORDER_VOLUME_INITIAL),
                     HistoryOrderGetInteger(ticket,ORDER_POSITION_ID),clock))
            return(true);
        }
      return(false);
     }
   bool              Alike(const CBridgeSent &known,const long setup_msc,const ulong magic,const long type,const double volume,const long position,const CBridgeTime &clock) const
     {
      if(clock.ToUtcMsc(setup_msc)<(known.at-QM_CLOCKS_S)*1000 || magic!=known.request.magic)
         return(false);
      if(known.request.action==TRADE_ACTION_CLOSE_BY)
         return(position==(long)known.request.position);
      return(type==known.request.type && MathAbs(volume-known.request.volume)<QM_GRID_TOLERANCE);
     }

public:
   CBridgePlaced     placed;              // of the last outcome, or of what was found
   string            placed_json;         // what was found, as JSON
   uint              retcode;             // of the last refusal
   string            reason;

                     CBridgeTrader(void)
     {
      m_absent_after_s=60.0;
      retcode=0;
      reason="";
      placed_json="";
     }
   //--- `absent_after_s`: a request that the server does not know may get through so long after it was sent
   bool              Open(const string file,const double absent_after_s)
     {
      m_absent_after_s=absent_after_s;
      return(m_sent.Open(file));
     }
   string            Error(void) const           { return(m_sent.Error()); }
   void              Close(void)                 { m_sent.Close(); }

   //--- carry out an order, once. The caller has made sure whose account it is and that the terminal is connected
   ENUM_QM_OUTCOME   Place(const CBridgeOrder &order,const CBridgeSymbols &symbols,CBridgeBooks &books,const CBridgeTime &clock)
     {
      placed.Clear();
      retcode=0;
      reason="";
      int before=m_sent.IndexOf(order.tag);
      if(before>=0)
        {
         CBridgeSent known;
         m_sent.Read(before,known);
         if(known.outcome!=QM_SENT_REFUSED)
            return(Refused(TRADE_RETCODE_INVALID,"the tag "+order.tag+" was sent already; nothing is sent twice"));
        }
      if(!MayTrade())
         return(QM_OUT_REFUSED);
      MqlTradeRequest request;
      if(!m_requests.Make(order,symbols,books,clock,request))
         return(Refused(m_requests.Retcode(),m_requests.Reason()));
      if(order.kind==QM_TRADE_SEND && !PassesCheck(request))
         return(QM_OUT_REFUSED);
      return(Send(order,request,symbols,books,clock));
     }
   //--- what became of the request with this tag
   ENUM_QM_FOUND     Find(const string tag,const CBridgeSymbols &symbols,CBridgeBooks &books,const CBridgeTime &clock)
     {
      CBridgeSent known;
      int index=m_sent.IndexOf(tag);
      if(index>=0)
         m_sent.Read(index,known);
      reason="";
      placed_json="";
      int live=FindLive(tag,symbols,books);
      if(live==0)
         return(QM_FOUND_NOT_YET);
      if(live>0)
        {
         placed_json=placed.ToJson();
         return(QM_FOUND_PLACED);
        }
      double since=(index<0 ? (double)TimeGMT()-QM_LOOK_BACK_S : MathMin((double)known.at,(double)TimeGMT())-QM_BEFORE_S);
      if(!books.SelectSince(since,clock))
        {
         reason="the terminal does not give its history now";
         return(QM_FOUND_UNAVAILABLE);
        }
      ulong ended=FindEnded(tag);
      if(ended!=0)
        {
         if(!books.SelectOrder(ended,clock) || !books.Ended(ended,placed,symbols))
            return(QM_FOUND_NOT_YET);
         placed_json=placed.ToJson();
         return(QM_FOUND_PLACED);
        }
      if(IsOpen(tag))
         return(QM_FOUND_NOT_YET);
      //--- what was sent before the file began it does not know
      if(index<0)
         return(m_sent.WholeFor()>=m_absent_after_s ? QM_FOUND_ABSENT : QM_FOUND_NOT_YET);
      if(known.outcome==QM_SENT_REFUSED)
         return(QM_FOUND_ABSENT);
      if(known.outcome==QM_SENT_PLACED)
         return(FindPlaced(known,symbols,books,clock));
      if(HoldsNow(known.request,symbols,books,clock))
        {
         placed_json=placed.ToJson();
         return(QM_FOUND_PLACED);
        }
      if(MayBeThere(known,books,clock))
         return(QM_FOUND_NOT_YET);
      return(SurelyAbsent(m_sent.AgeOf(index)));
     }
  };

#endif
