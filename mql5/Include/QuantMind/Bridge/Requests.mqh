//+------------------------------------------------------------------+
//| Requests.mqh                                           QuantMind  |
//| An order of the gateway as MqlTradeRequest, or the code that a    |
//| server would refuse it with: what must fail is not sent, since a  |
//| server's codes come without a reason.                             |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_REQUESTS_MQH
#define QUANTMIND_REQUESTS_MQH

#include <QuantMind/Bridge/Books.mqh>

enum ENUM_QM_TRADE
  {
   QM_TRADE_SEND=0,
   QM_TRADE_CLOSE=1,
   QM_TRADE_MODIFY=2,
   QM_TRADE_CANCEL=3
  };
enum ENUM_QM_KIND
  {
   QM_KIND_MARKET=0,
   QM_KIND_LIMIT=1,
   QM_KIND_STOP=2
  };

//+------------------------------------------------------------------+
//| What the gateway asks for. Of a number that may be absent there   |
//| is a flag                                                         |
//+------------------------------------------------------------------+
class CBridgeOrder
  {
public:
   ENUM_QM_TRADE     kind;
   string            tag;
   string            symbol;
   double            volume;
   bool              has_volume;
   bool              buys;
   ENUM_QM_KIND      order_kind;
   double            price;
   bool              has_price;
   double            sl;                  // of a change: the new one, where has_sl
   double            tp;
   bool              has_sl;
   bool              has_tp;
   ulong             ticket;
   ulong             by;
   ulong             magic;
   string            comment;
   double            expiration;          // Unix seconds
   bool              has_expiration;
   long              deviation;           // points, -1: not said
   int               filling;             // ENUM_ORDER_TYPE_FILLING, -1: not said
   bool              floors;              // the volume may be lowered to the step
   bool              reduces;             // proved to take risk away
   long              start_by_ms;

                     CBridgeOrder(void) { Clear(); }
   void              Clear(void)
     {
      kind=QM_TRADE_SEND;
      tag="";
      symbol="";
      volume=0.0;
      has_volume=false;
      buys=false;
      order_kind=QM_KIND_MARKET;
      price=0.0;
      has_price=false;
      sl=0.0;
      tp=0.0;
      has_sl=false;
      has_tp=false;
      ticket=0;
      by=0;
      magic=0;
      comment="";
      expiration=0.0;
      has_expiration=false;
      deviation=-1;
      filling=-1;
      floors=false;
      reduces=false;
      start_by_ms=0;
     }
  };

//+------------------------------------------------------------------+
//| Makes requests of orders                                          |
//+------------------------------------------------------------------+
class CBridgeRequests
  {
private:
   uint              m_retcode;
   string            m_reason;

   bool              Refuse(const uint retcode,const string reason)
     {
      m_retcode=retcode;
      m_reason=reason;
      return(false);
     }
   string            Shown(const double value,const int digits) const { return(DoubleToString(value,digits)); }

   //--- the checks ---------------------------------------------------
   bool              ModeAllows(const CBridgeSpec &spec,const bool buys)
     {
      switch(spec.trade_mode)
        {
         case SYMBOL_TRADE_MODE_FULL:
            return(true);
         case SYMBOL_TRADE_MODE_LONGONLY:
            return(buys || Refuse(TRADE_RETCODE_LONG_ONLY,spec.ours+" may only be bought"));
         case SYMBOL_TRADE_MODE_SHORTONLY:
            return(!buys || Refuse(TRADE_RETCODE_SHORT_ONLY,spec.ours+" may only be sold"));
         case SYMBOL_TRADE_MODE_CLOSEONLY:
            return(Refuse(TRADE_RETCODE_CLOSE_ONLY,"positions of "+spec.ours+" may only be closed"));
        }
      return(Refuse(TRADE_RETCODE_TRADE_DISABLED,spec.ours+" can't be traded now; ask the broker"));
     }
   bool              VolumeFits(const CBridgeSpec &spec,const double volume,const bool floors)
     {
      if(MathIsValidNumber(volume) && volume>0.0 && (spec.OnVolumeGrid(volume) || (floors && spec.FloorVolume(volume)>0.0)))
         return(true);
      return(Refuse(TRADE_RETCODE_INVALID_VOLUME,Shown(volume,8)+" lots of "+spec.ours+" can't be traded: use "+Shown(spec.volume_min,8)
                    +" to "+Shown(spec.volume_max,8)+" in steps of "+Shown(spec.volume_step,8)));
     }
   bool              OnGrid(const CBridgeSpec &spec,const string what,const double level)
     {
      if(level==0.0)
         return(true);
      if(!MathIsValidNumber(level) || level<0.0)
         return(Refuse(TRADE_RETCODE_INVALID_PRICE,"the "+what+" "+DoubleToString(level,10)+" is no price"));
      if(spec.OnPriceGrid(level))
         return(true);
      return(Refuse(TRADE_RETCODE_INVALID_PRICE,"the "+what+" "+DoubleToString(level,10)+" of "+spec.ours
                    +" is between two ticks: use steps of "+Shown(spec.tick_size,spec.digits)));
     }
   //--- a level must be away from `at` to one side, and not too near
   bool              IsAway(const CBridgeSpec &spec,const double distance,const long points) const
     {
      double tolerance=spec.point*0.001;
      return(distance>tolerance && distance>=(double)points*spec.point-tolerance);
     }
   bool              StopFits(const CBridgeSpec &spec,const bool buys,const double at,const string what,const double level,const bool is_sl)
     {
      if(level<=0.0)
         return(level==0.0 || OnGrid(spec,what,level));
      if(!OnGrid(spec,what,level))
         return(false);
      bool below=(is_sl==buys);
      double distance=(below ? at-level : level-at);
      if(IsAway(spec,distance,spec.stops_level))
         return(true);
      return(Refuse(TRADE_RETCODE_INVALID_STOPS,"the "+what+" "+Shown(level,spec.digits)+" of a "+(buys ? "buy" : "sell")+" of "+spec.ours
                    +" must be "+(below ? "below " : "above ")+Shown(at,spec.digits)
                    +(spec.stops_level>0 ? ", at least "+IntegerToString(spec.stops_level)+" points away" : "")));
     }
   bool              StopsFit(const CBridgeSpec &spec,const bool buys,const double at,const double sl,const double tp)
     {
      return(StopFits(spec,buys,at,"stop loss",sl,true) && StopFits(spec,buys,at,"take profit",tp,false));
     }
   //--- a limit order waits on the cheap side of the market, a stop order on the dear one
   bool              WaitsAway(const CBridgeSpec &spec,const bool buys,const bool limit,const double where,const double met)
     {
      bool above=(buys!=limit);
      double distance=(above ? where-met : met-where);
      if(IsAway(spec,distance,spec.stops_level))
         return(true);
      return(Refuse(TRADE_RETCODE_INVALID_PRICE,"a "+(buys ? "buy " : "sell ")+(limit ? "limit" : "stop")+" of "+spec.ours+" must wait "
                    +(above ? "above " : "below ")+Shown(met,spec.digits)+", was "+Shown(where,spec.digits)
                    +(spec.stops_level>0 ? "; at least "+IntegerToString(spec.stops_level)+" points away" : "")));
     }
   bool              NotFrozen(const CBridgeSpec &spec,const string what,const double met,const double level)
     {
      if(level<=0.0 || spec.freeze_level<=0 || MathAbs(level-met)>((double)spec.freeze_level+0.001)*spec.point)
         return(true);
      return(Refuse(TRADE_RETCODE_FROZEN,what+" can't be changed: "+Shown(level,spec.digits)+" is within "+IntegerToString(spec.freeze_level)
                    +" points (freeze level) of the market at "+Shown(met,spec.digits)));
     }
   bool              TakeFilling(const CBridgeSpec &spec,const int wanted,MqlTradeRequest &request)
     {
      int filling=spec.Filling(wanted);
      if(filling<0)
         return(Refuse(TRADE_RETCODE_INVALID_FILL,spec.ours+" has no "+(wanted<0 ? "filling mode that is known here" : "such filling mode")));
      request.type_filling=(ENUM_ORDER_TYPE_FILLING)filling;
      return(true);
     }
   bool              TakeExpiration(const CBridgeSpec &spec,const double ends_at,const CBridgeTime &clock,MqlTradeRequest &request)
     {
      request.type_time=ORDER_TIME_GTC;
      if(ends_at==0.0)
         return(true);
      if(ends_at<0.0)
         return(Refuse(TRADE_RETCODE_INVALID_EXPIRATION,"the expiration "+DoubleToString(ends_at,3)+" is no time"));
      if((spec.expiration&SYMBOL_EXPIRATION_SPECIFIED)==0)
         return(Refuse(TRADE_RETCODE_INVALID_EXPIRATION,"orders of "+spec.ours
                       +" can't end at a time at this broker: leave `expiration` out and cancel it"));
      request.type_time=ORDER_TIME_SPECIFIED;
      request.expiration=clock.FromUtc(ends_at);
      return(true);
     }
   bool              Priced(const CBridgeSpec &spec,double &bid,double &ask)
     {
      return(spec.Price(bid,ask) || Refuse(TRADE_RETCODE_PRICE_OFF,spec.ours+" has no price now: wait for its next tick"));
     }
   //--- the position `ticket` is selected; of a symbol that nobody follows it can be closed all the same
   bool              SpecOfPosition(const CBridgeSymbols &symbols,CBridgeSpec &spec)
     {
      int digits=0;
      string theirs=PositionGetString(POSITION_SYMBOL);
      return(symbols.Find(symbols.OursOf(theirs,digits),false,spec)
             || Refuse(TRADE_RETCODE_INVALID,"symbol "+theirs+" is not known at the terminal"));
     }
   bool              SelectPosition(const ulong ticket)
     {
      return(PositionSelectByTicket(ticket) || Refuse(TRADE_RETCODE_POSITION_CLOSED,"there is no open position "+IntegerToString((long)ticket)));
     }
   bool              SameSymbol(const CBridgeOrder &order,const CBridgeSpec &spec)
     {
      return(order.symbol=="" || order.symbol==spec.ours
             || Refuse(TRADE_RETCODE_INVALID,"position "+IntegerToString((long)order.ticket)+" is of "+spec.ours+", not of "+order.symbol));
     }

   //--- the requests -------------------------------------------------
   bool              MakeOpen(const CBridgeOrder &order,const CBridgeSymbols &symbols,const CBridgeTime &clock,MqlTradeRequest &request)
     {
      CBridgeSpec spec;
      double bid=0.0;
      double ask=0.0;
      if(!symbols.Find(order.symbol,true,spec))
         return(Refuse(TRADE_RETCODE_INVALID,"symbol "+order.symbol+" is not followed; list it in the input Symbols"));
      if(!ModeAllows(spec,order.buys) || !VolumeFits(spec,order.volume,order.floors) || !Priced(spec,bid,ask))
         return(false);
      double met=(order.buys ? ask : bid);
      request.symbol=spec.theirs;
      request.volume=(order.floors ? spec.FloorVolume(order.volume) : order.volume);
      request.magic=order.magic;
      request.comment=QMPackComment(order.tag,order.comment);
      request.sl=order.sl;
      request.tp=order.tp;
      if(order.order_kind==QM_KIND_MARKET)
        {
         double wanted=(order.has_price && spec.execution==SYMBOL_TRADE_EXECUTION_INSTANT ? order.price : met);
         if(!TakeFilling(spec,order.filling,request) || !OnGrid(spec,"price",wanted)
            || !StopsFit(spec,order.buys,order.buys ? bid : ask,order.sl,order.tp))
            return(false);
         request.action=TRADE_ACTION_DEAL;
         request.type=(order.buys ? ORDER_TYPE_BUY : ORDER_TYPE_SELL);
         request.price=wanted;
         request.type_time=ORDER_TIME_GTC;
         if(order.deviation>=0)
            request.deviation=(ulong)MathMin(order.deviation,(long)INT_MAX);
         return(true);
        }
      bool limit=(order.order_kind==QM_KIND_LIMIT);
      if(!order.has_price)
         return(Refuse(TRADE_RETCODE_INVALID_PRICE,"a "+(limit ? "limit" : "stop")+" order needs a price"));
      if(!OnGrid(spec,"price",order.price) || !WaitsAway(spec,order.buys,limit,order.price,met)
         || !StopsFit(spec,order.buys,order.price,order.sl,order.tp)
         || !TakeExpiration(spec,order.has_expiration ? order.expiration : 0.0,clock,request))
         return(false);
      request.action=TRADE_ACTION_PENDING;
      request.price=order.price;
      request.type_filling=ORDER_FILLING_RETURN;
      if(order.buys)
         request.type=(limit ? ORDER_TYPE_BUY_LIMIT : ORDER_TYPE_BUY_STOP);
      else
         request.type=(limit ? ORDER_TYPE_SELL_LIMIT : ORDER_TYPE_SELL_STOP);
      return(true);
     }
   bool              MakeClose(const CBridgeOrder &order,const CBridgeSymbols &symbols,MqlTradeRequest &request)
     {
      CBridgeSpec spec;
      double bid=0.0;
      double ask=0.0;
      if(!SelectPosition(order.ticket) || !SpecOfPosition(symbols,spec) || !SameSymbol(order,spec) || !Priced(spec,bid,ask))
         return(false);
      if(spec.trade_mode==SYMBOL_TRADE_MODE_DISABLED)
         return(Refuse(TRADE_RETCODE_TRADE_DISABLED,spec.ours+" can't be traded at all now; ask the broker"));
      double open=PositionGetDouble(POSITION_VOLUME);
      double volume=(order.has_volume ? order.volume : open);
      if(volume>open+QM_GRID_TOLERANCE)
         return(Refuse(TRADE_RETCODE_INVALID_CLOSE_VOLUME,Shown(volume,8)+" lots can't be closed: position "+IntegerToString((long)order.ticket)
                       +" has "+Shown(open,8)));
      if(MathAbs(volume-open)>QM_GRID_TOLERANCE && !VolumeFits(spec,volume,false))
         return(false);
      bool sells=(PositionGetInteger(POSITION_TYPE)==POSITION_TYPE_BUY);
      if(!TakeFilling(spec,-1,request))
         return(false);
      string comment="";
      QMTagOf(PositionGetString(POSITION_COMMENT),comment);
      request.action=TRADE_ACTION_DEAL;
      request.symbol=spec.theirs;
      request.volume=volume;
      request.type=(sells ? ORDER_TYPE_SELL : ORDER_TYPE_BUY);
      request.position=order.ticket;
      request.price=(sells ? bid : ask);
      request.type_time=ORDER_TIME_GTC;
      request.magic=(ulong)PositionGetInteger(POSITION_MAGIC);
      request.comment=QMPackComment(order.tag,comment);
      return(true);
     }
   bool              MakeCloseBy(const CBridgeOrder &order,const CBridgeSymbols &symbols,const bool hedging,MqlTradeRequest &request)
     {
      string ticket=IntegerToString((long)order.ticket);
      string other=IntegerToString((long)order.by);
      CBridgeSpec spec;
      if(!hedging)
         return(Refuse(TRADE_RETCODE_INVALID_ORDER,"position "+ticket+" can't be closed by "+other+": a netting account has no opposite positions"));
      if(!SelectPosition(order.ticket) || !SpecOfPosition(symbols,spec) || !SameSymbol(order,spec))
         return(false);
      string theirs=PositionGetString(POSITION_SYMBOL);
      long   type=PositionGetInteger(POSITION_TYPE);
      ulong  magic=(ulong)PositionGetInteger(POSITION_MAGIC);
      string comment="";
      QMTagOf(PositionGetString(POSITION_COMMENT),comment);
      if(!SelectPosition(order.by))
         return(false);
      if(order.by==order.ticket)
         return(Refuse(TRADE_RETCODE_INVALID,"position "+ticket+" can't be closed by itself"));
      if(PositionGetString(POSITION_SYMBOL)!=theirs)
         return(Refuse(TRADE_RETCODE_INVALID,"position "+other+" is of "+PositionGetString(POSITION_SYMBOL)+", not of "+theirs));
      if(PositionGetInteger(POSITION_TYPE)==type)
         return(Refuse(TRADE_RETCODE_INVALID,"positions "+ticket+" and "+other+" are both a "+(type==POSITION_TYPE_BUY ? "buy" : "sell")));
      if(order.has_volume)
         return(Refuse(TRADE_RETCODE_INVALID_VOLUME,"closing by another position takes no volume: it is the smaller of both"));
      request.action=TRADE_ACTION_CLOSE_BY;
      request.symbol=theirs;
      request.position=order.ticket;
      request.position_by=order.by;
      request.magic=magic;
      request.comment=QMPackComment(order.tag,comment);
      return(true);
     }
   //--- the server replaces both stops, so the one that is not named is sent as it is
   bool              MakeStops(const CBridgeOrder &order,const CBridgeSymbols &symbols,MqlTradeRequest &request)
     {
      string what="position "+IntegerToString((long)order.ticket);
      CBridgeSpec spec;
      double bid=0.0;
      double ask=0.0;
      if(order.has_price || order.has_expiration)
         return(Refuse(TRADE_RETCODE_INVALID,IntegerToString((long)order.ticket)
                       +" is a position and no pending order: it has a stop loss and a take profit, and neither a price nor an expiration to change"));
      if(!SpecOfPosition(symbols,spec))
         return(false);
      double there_sl=NormalizeDouble(PositionGetDouble(POSITION_SL),spec.digits);
      double there_tp=NormalizeDouble(PositionGetDouble(POSITION_TP),spec.digits);
      double sl=(order.has_sl ? order.sl : there_sl);
      double tp=(order.has_tp ? order.tp : there_tp);
      bool   buys=(PositionGetInteger(POSITION_TYPE)==POSITION_TYPE_BUY);
      if(!OnGrid(spec,"stop loss",sl) || !OnGrid(spec,"take profit",tp))
         return(false);
      bool same_sl=(MathAbs(sl-there_sl)<spec.point*0.001);
      bool same_tp=(MathAbs(tp-there_tp)<spec.point*0.001);
      if(same_sl && same_tp)
         return(Refuse(TRADE_RETCODE_NO_CHANGES,what+" already has stop loss "+(sl>0.0 ? Shown(sl,spec.digits) : "none")+" and take profit "
                       +(tp>0.0 ? Shown(tp,spec.digits) : "none")));
      if(!Priced(spec,bid,ask))
         return(false);
      double met=(buys ? bid : ask);
      if(!NotFrozen(spec,what,met,there_sl) || !NotFrozen(spec,what,met,there_tp)
         || !StopsFit(spec,buys,met,same_sl ? 0.0 : sl,same_tp ? 0.0 : tp))
         return(false);
      request.action=TRADE_ACTION_SLTP;
      request.symbol=spec.theirs;
      request.position=order.ticket;
      request.sl=sl;
      request.tp=tp;
      request.magic=(ulong)PositionGetInteger(POSITION_MAGIC);
      return(true);
     }
   bool              MakeModify(const CBridgeOrder &order,const CBridgeSymbols &symbols,const CBridgeBooks &books,const CBridgeTime &clock,MqlTradeRequest &request)
     {
      string what="order "+IntegerToString((long)order.ticket);
      CBridgeSpec spec;
      int    digits=0;
      double bid=0.0;
      double ask=0.0;
      string theirs=OrderGetString(ORDER_SYMBOL);
      if(!symbols.Find(symbols.OursOf(theirs,digits),false,spec))
         return(Refuse(TRADE_RETCODE_INVALID,"symbol "+theirs+" is not known at the terminal"));
      double there=NormalizeDouble(OrderGetDouble(ORDER_PRICE_OPEN),spec.digits);
      double there_sl=NormalizeDouble(OrderGetDouble(ORDER_SL),spec.digits);
      double there_tp=NormalizeDouble(OrderGetDouble(ORDER_TP),spec.digits);
      long   there_ends=books.OrderEnds();
      double where=(order.has_price ? order.price : there);
      double sl=(order.has_sl ? order.sl : there_sl);
      double tp=(order.has_tp ? order.tp : there_tp);
      long   ends=there_ends;
      if(order.has_expiration && order.expiration<0.0)
         return(Refuse(TRADE_RETCODE_INVALID_EXPIRATION,"the expiration "+DoubleToString(order.expiration,3)+" is no time"));
      if(order.has_expiration)
         ends=(order.expiration>0.0 ? (long)clock.FromUtc(order.expiration) : 0);
      double near_zero=spec.point*0.001;
      bool   same_price=(MathAbs(where-there)<near_zero);
      if(same_price && MathAbs(sl-there_sl)<near_zero && MathAbs(tp-there_tp)<near_zero && ends==there_ends)
         return(Refuse(TRADE_RETCODE_NO_CHANGES,what+" is already so"));
      bool buys=books.OrderBuys();
      if(!Priced(spec,bid,ask))
         return(false);
      double met=(buys ? ask : bid);
      if(!OnGrid(spec,"price",where) || !NotFrozen(spec,what,met,there)
         || (!same_price && !WaitsAway(spec,buys,books.OrderIsLimit(),where,met))
         || !StopsFit(spec,buys,where,sl,tp))
         return(false);
      request.type_time=ORDER_TIME_GTC;
      if(ends>0)
        {
         if((spec.expiration&SYMBOL_EXPIRATION_SPECIFIED)==0)
            return(Refuse(TRADE_RETCODE_INVALID_EXPIRATION,"orders of "+spec.ours+" can't end at a time at this broker"));
         request.type_time=ORDER_TIME_SPECIFIED;
         request.expiration=(datetime)ends;
        }
      request.action=TRADE_ACTION_MODIFY;
      request.symbol=theirs;
      request.order=order.ticket;
      request.price=where;
      request.sl=sl;
      request.tp=tp;
      request.magic=(ulong)OrderGetInteger(ORDER_MAGIC);
      return(true);
     }
   bool              MakeCancel(const CBridgeOrder &order,const CBridgeSymbols &symbols,const CBridgeBooks &books,MqlTradeRequest &request)
     {
      CBridgeSpec spec;
      int    digits=0;
      double bid=0.0;
      double ask=0.0;
      if(!OrderSelect(order.ticket) || !books.IsWaiting())
         return(Refuse(TRADE_RETCODE_INVALID,"there is no pending order "+IntegerToString((long)order.ticket)+": read the orders again"));
      //--- it is frozen where the market is too near, if a price is known
      if(symbols.Find(symbols.OursOf(OrderGetString(ORDER_SYMBOL),digits),false,spec) && spec.Price(bid,ask)
         && !NotFrozen(spec,"order "+IntegerToString((long)order.ticket),books.OrderBuys() ? ask : bid,OrderGetDouble(ORDER_PRICE_OPEN)))
         return(false);
      request.action=TRADE_ACTION_REMOVE;
      request.order=order.ticket;
      request.magic=(ulong)OrderGetInteger(ORDER_MAGIC);
      return(true);
     }

public:
                     CBridgeRequests(void) { m_retcode=0; m_reason=""; }
   //--- of the last refusal
   uint              Retcode(void) const         { return(m_retcode); }
   string            Reason(void) const          { return(m_reason); }
   //--- the request of an order; false: it would be refused
   bool              Make(const CBridgeOrder &order,const CBridgeSymbols &symbols,const CBridgeBooks &books,const CBridgeTime &clock,MqlTradeRequest &request)
     {
      ZeroMemory(request);
      m_retcode=0;
      m_reason="";
      switch(order.kind)
        {
         case QM_TRADE_SEND:
            return(MakeOpen(order,symbols,clock,request));
         case QM_TRADE_CLOSE:
            if(order.by>0)
               return(MakeCloseBy(order,symbols,books.IsHedging(),request));
            return(MakeClose(order,symbols,request));
         case QM_TRADE_MODIFY:
            if(PositionSelectByTicket(order.ticket))
               return(MakeStops(order,symbols,request));
            if(OrderSelect(order.ticket) && books.IsWaiting())
               return(MakeModify(order,symbols,books,clock,request));
            return(Refuse(TRADE_RETCODE_POSITION_CLOSED,"there is no open position or pending order "+IntegerToString((long)order.ticket)));
         case QM_TRADE_CANCEL:
            return(MakeCancel(order,symbols,books,request));
        }
      return(Refuse(TRADE_RETCODE_INVALID,"there is no such order"));
     }
  };

#endif
