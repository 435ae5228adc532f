//+------------------------------------------------------------------+
//| Books.mqh                                              QuantMind  |
//| Account, positions, pending orders, deals and outcomes as the     |
//| gateway reads them. Money with the account's digits, prices with  |
//| the symbol's, times in UTC milliseconds.                          |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_BOOKS_MQH
#define QUANTMIND_BOOKS_MQH

#include <QuantMind/Json.mqh>
#include <QuantMind/Bridge/ServerTime.mqh>
#include <QuantMind/Bridge/Symbols.mqh>

#define QM_COMMENT_MOST   31            // characters that a server keeps
#define QM_LONGEST_TAG    16
#define QM_HISTORY_AHEAD  172800        // history is asked for up to so far ahead: the server's clock is not ours
#define QM_DONE_TEXT      "Request executed"

//+------------------------------------------------------------------+
//| Whether a tag is one: 1 to 16 letters, digits, _ and -            |
//+------------------------------------------------------------------+
bool QMIsTag(const string tag)
  {
   int size=StringLen(tag);
   if(size<1 || size>QM_LONGEST_TAG)
      return(false);
   for(int i=0; i<size; i++)
     {
      ushort c=StringGetCharacter(tag,i);
      bool letter=((c>='A' && c<='Z') || (c>='a' && c<='z') || (c>='0' && c<='9'));
      if(!letter && c!='_' && c!='-')
         return(false);
     }
   return(true);
  }
//+------------------------------------------------------------------+
//| The comment of an order: its tag in front, so that a broker that  |
//| cuts the end leaves it whole, and a separator behind it, so that  |
//| one that was cut is none                                          |
//+------------------------------------------------------------------+
string QMPackComment(const string tag,const string comment)
  {
   return(StringSubstr(tag+"|"+comment,0,QM_COMMENT_MOST));
  }
//+------------------------------------------------------------------+
//| The tag in a comment, and the user's part; empty: it has none     |
//+------------------------------------------------------------------+
string QMTagOf(const string packed,string &comment)
  {
   comment=packed;
   int at=StringFind(packed,"|");
   if(at<1 || !QMIsTag(StringSubstr(packed,0,at)))
      return("");
   comment=StringSubstr(packed,at+1);
   return(StringSubstr(packed,0,at));
  }
//+------------------------------------------------------------------+
//| A text without control characters                                 |
//+------------------------------------------------------------------+
string QMPrintable(const string text)
  {
   string shown=text;
   for(int i=0; i<StringLen(shown); i++)
      if(StringGetCharacter(shown,i)<32)
         StringSetCharacter(shown,i,' ');
   return(shown);
  }

//+------------------------------------------------------------------+
//| An outcome: what was placed. Zero: it has none                    |
//+------------------------------------------------------------------+
class CBridgePlaced
  {
public:
   uint              retcode;
   ulong             order;
   ulong             deal;
   ulong             ticket;
   double            price;
   double            volume;
   bool              has_volume;
   double            profit;
   bool              has_profit;
   double            sl;
   double            tp;
   int               digits;
   bool              pending;
   string            ended;               // cancelled, expired or rejected; empty: it has not

                     CBridgePlaced(void) { Clear(); }
   void              Clear(void)
     {
      retcode=TRADE_RETCODE_DONE;
      order=0;
      deal=0;
      ticket=0;
      price=0.0;
      volume=0.0;
      has_volume=false;
      profit=0.0;
      has_profit=false;
      sl=0.0;
      tp=0.0;
      digits=QM_UNKNOWN_DIGITS;
      pending=false;
      ended="";
     }
   void              Write(CJsonWriter &json) const
     {
      json.BeginObject();
      json.LongAt("retcode",(long)retcode);
      json.UlongAt("order",order);
      json.UlongAt("deal",deal);
      json.UlongAt("ticket",ticket);
      if(price>0.0)
         json.NumberAt("price",price,digits);
      if(has_volume)
         json.NumberAt("volume",volume,8);
      if(has_profit)
         json.NumberAt("profit",profit,8);
      if(sl>0.0)
         json.NumberAt("sl",sl,digits);
      if(tp>0.0)
         json.NumberAt("tp",tp,digits);
      json.TextAt("comment",QM_DONE_TEXT);
      if(pending)
         json.BoolAt("pending",true);
      if(ended!="")
         json.TextAt("ended",ended);
      json.EndObject();
     }
   string            ToJson(void) const
     {
      CJsonWriter json;
      Write(json);
      return(json.ToString());
     }
  };

//+------------------------------------------------------------------+
//| What is open, waits and was done                                  |
//+------------------------------------------------------------------+
class CBridgeBooks
  {
private:
   //--- the order of deals that match a question, newest last; each is a ticket
   ulong             m_deals[];
   int               m_deal_count;

   void              WriteTimes(CJsonWriter &json,const string key,const long server_msc,const CBridgeTime &clock) const
     {
      json.LongAt(key,clock.ToUtcMsc(server_msc));
     }
   int               MoneyDigits(void) const     { return((int)AccountInfoInteger(ACCOUNT_CURRENCY_DIGITS)); }
   void              WriteLevel(CJsonWriter &json,const string key,const double level,const int digits) const
     {
      if(level>0.0)
         json.NumberAt(key,level,digits);
     }
   void              WriteComment(CJsonWriter &json,const string packed,const bool with_tag) const
     {
      string comment="";
      string tag=QMTagOf(QMPrintable(packed),comment);
      json.TextAt("comment",comment);
      json.TextAt("tag",with_tag ? tag : "");
     }

public:
                     CBridgeBooks(void) { m_deal_count=0; }
   //--- account, as the gateway's Account
   void              WriteAccount(CJsonWriter &json) const
     {
      int digits=MoneyDigits();
      json.BeginObject();
      json.LongAt("login",AccountInfoInteger(ACCOUNT_LOGIN));
      json.TextAt("server",QMPrintable(AccountInfoString(ACCOUNT_SERVER)));
      json.TextAt("currency",AccountInfoString(ACCOUNT_CURRENCY));
      json.LongAt("leverage",AccountInfoInteger(ACCOUNT_LEVERAGE));
      json.TextAt("margin_mode",IsHedging() ? "hedging" : "netting");
      json.NumberAt("balance",AccountInfoDouble(ACCOUNT_BALANCE),digits);
      json.NumberAt("equity",AccountInfoDouble(ACCOUNT_EQUITY),digits);
      json.NumberAt("margin",AccountInfoDouble(ACCOUNT_MARGIN),digits);
      json.NumberAt("margin_free",AccountInfoDouble(ACCOUNT_MARGIN_FREE),digits);
      json.NumberAt("profit",AccountInfoDouble(ACCOUNT_PROFIT),digits);
      json.BoolAt("trade_allowed",AccountInfoInteger(ACCOUNT_TRADE_ALLOWED)!=0 && AccountInfoInteger(ACCOUNT_TRADE_EXPERT)!=0);
      json.EndObject();
     }
   bool              IsHedging(void) const
     {
      return(AccountInfoInteger(ACCOUNT_MARGIN_MODE)==ACCOUNT_MARGIN_MODE_RETAIL_HEDGING);
     }
   //--- all positions; false: one has gone while they were read, so they are no picture of one moment
   bool              WritePositions(CJsonWriter &json,const CBridgeSymbols &symbols,const CBridgeTime &clock) const
     {
      json.BeginArray();
      int total=PositionsTotal();
      for(int i=0; i<total; i++)
        {
         if(PositionGetTicket(i)==0)
            return(false);
         WritePosition(json,symbols,clock);
        }
      json.EndArray();
      return(PositionsTotal()==total);
     }
   void              WritePosition(CJsonWriter &json,const CBridgeSymbols &symbols,const CBridgeTime &clock) const
     {
      int digits=0;
      string symbol=symbols.OursOf(PositionGetString(POSITION_SYMBOL),digits);
      json.BeginObject();
      json.LongAt("ticket",PositionGetInteger(POSITION_TICKET));
      json.TextAt("symbol",symbol);
      json.TextAt("side",PositionGetInteger(POSITION_TYPE)==POSITION_TYPE_BUY ? "buy" : "sell");
      json.NumberAt("volume",PositionGetDouble(POSITION_VOLUME),8);
      json.NumberAt("price_open",PositionGetDouble(POSITION_PRICE_OPEN),digits);
      json.NumberAt("price_current",PositionGetDouble(POSITION_PRICE_CURRENT),digits);
      json.NumberAt("profit",PositionGetDouble(POSITION_PROFIT),MoneyDigits());
      WriteTimes(json,"time_msc",PositionGetInteger(POSITION_TIME_MSC),clock);
      WriteLevel(json,"sl",PositionGetDouble(POSITION_SL),digits);
      WriteLevel(json,"tp",PositionGetDouble(POSITION_TP),digits);
      json.NumberAt("swap",PositionGetDouble(POSITION_SWAP),MoneyDigits());
      json.LongAt("magic",PositionGetInteger(POSITION_MAGIC));
      WriteComment(json,PositionGetString(POSITION_COMMENT),true);
      json.EndObject();
     }
   //--- all orders that wait; market orders on their way are none
   bool              WriteOrders(CJsonWriter &json,const CBridgeSymbols &symbols,const CBridgeTime &clock) const
     {
      json.BeginArray();
      int total=OrdersTotal();
      for(int i=0; i<total; i++)
        {
         if(OrderGetTicket(i)==0)
            return(false);
         if(IsWaiting())
            WriteOrder(json,symbols,clock);
        }
      json.EndArray();
      return(OrdersTotal()==total);
     }
   //--- of the selected order
   bool              IsWaiting(void) const
     {
      long type=OrderGetInteger(ORDER_TYPE);
      return(type!=ORDER_TYPE_BUY && type!=ORDER_TYPE_SELL && type!=ORDER_TYPE_CLOSE_BY);
     }
   bool              OrderBuys(void) const
     {
      long type=OrderGetInteger(ORDER_TYPE);
      return(type==ORDER_TYPE_BUY || type==ORDER_TYPE_BUY_LIMIT || type==ORDER_TYPE_BUY_STOP || type==ORDER_TYPE_BUY_STOP_LIMIT);
     }
   bool              OrderIsLimit(void) const
     {
      long type=OrderGetInteger(ORDER_TYPE);
      return(type==ORDER_TYPE_BUY_LIMIT || type==ORDER_TYPE_SELL_LIMIT);
     }
   //--- server seconds at which the selected order ends; 0: it does not by itself
   long              OrderEnds(void) const
     {
      return(OrderGetInteger(ORDER_TYPE_TIME)==ORDER_TIME_GTC ? 0 : OrderGetInteger(ORDER_TIME_EXPIRATION));
     }
   void              WriteOrder(CJsonWriter &json,const CBridgeSymbols &symbols,const CBridgeTime &clock) const
     {
      int digits=0;
      string symbol=symbols.OursOf(OrderGetString(ORDER_SYMBOL),digits);
      json.BeginObject();
      json.LongAt("ticket",OrderGetInteger(ORDER_TICKET));
      json.TextAt("symbol",symbol);
      json.TextAt("side",OrderBuys() ? "buy" : "sell");
      json.TextAt("order_type",OrderIsLimit() ? "limit" : "stop");
      json.NumberAt("volume",OrderGetDouble(ORDER_VOLUME_CURRENT),8);
      json.NumberAt("price",OrderGetDouble(ORDER_PRICE_OPEN),digits);
      WriteTimes(json,"time_msc",OrderGetInteger(ORDER_TIME_SETUP_MSC),clock);
      WriteLevel(json,"sl",OrderGetDouble(ORDER_SL),digits);
      WriteLevel(json,"tp",OrderGetDouble(ORDER_TP),digits);
      if(OrderEnds()>0)
         WriteTimes(json,"expiration_msc",OrderEnds()*1000,clock);
      json.LongAt("magic",OrderGetInteger(ORDER_MAGIC));
      WriteComment(json,OrderGetString(ORDER_COMMENT),true);
      json.EndObject();
     }
   //--- whether a deal of the selected history is a trade, and no deposit or charge
   bool              IsTrade(const ulong deal) const
     {
      long type=HistoryDealGetInteger(deal,DEAL_TYPE);
      return(type==DEAL_TYPE_BUY || type==DEAL_TYPE_SELL);
     }
   string            EntryName(const ulong deal) const
     {
      switch((ENUM_DEAL_ENTRY)HistoryDealGetInteger(deal,DEAL_ENTRY))
        {
         case DEAL_ENTRY_OUT:
            return("out");
         case DEAL_ENTRY_INOUT:
            return("inout");
         case DEAL_ENTRY_OUT_BY:
            return("out_by");
        }
      return("in");
     }
   string            CauseName(const ulong deal) const
     {
      switch((ENUM_DEAL_REASON)HistoryDealGetInteger(deal,DEAL_REASON))
        {
         case DEAL_REASON_SL:
            return("sl");
         case DEAL_REASON_TP:
            return("tp");
         case DEAL_REASON_SO:
            return("stop_out");
        }
      return("client");
     }
   void              WriteDeal(CJsonWriter &json,const ulong deal,const CBridgeSymbols &symbols,const CBridgeTime &clock) const
     {
      int digits=0;
      string symbol=symbols.OursOf(HistoryDealGetString(deal,DEAL_SYMBOL),digits);
      string cause=CauseName(deal);
      json.BeginObject();
      json.UlongAt("ticket",deal);
      json.LongAt("order",HistoryDealGetInteger(deal,DEAL_ORDER));
      json.LongAt("position",HistoryDealGetInteger(deal,DEAL_POSITION_ID));
      json.TextAt("symbol",symbol);
      json.TextAt("side",HistoryDealGetInteger(deal,DEAL_TYPE)==DEAL_TYPE_BUY ? "buy" : "sell");
      json.TextAt("entry",EntryName(deal));
      json.NumberAt("volume",HistoryDealGetDouble(deal,DEAL_VOLUME),8);
      json.NumberAt("price",HistoryDealGetDouble(deal,DEAL_PRICE),digits);
      json.NumberAt("profit",HistoryDealGetDouble(deal,DEAL_PROFIT),MoneyDigits());
      json.TextAt("cause",cause);
      WriteTimes(json,"time_msc",HistoryDealGetInteger(deal,DEAL_TIME_MSC),clock);
      json.NumberAt("commission",HistoryDealGetDouble(deal,DEAL_COMMISSION)+HistoryDealGetDouble(deal,DEAL_FEE),MoneyDigits());
      json.NumberAt("swap",HistoryDealGetDouble(deal,DEAL_SWAP),MoneyDigits());
      json.LongAt("magic",HistoryDealGetInteger(deal,DEAL_MAGIC));
      //--- a server's own deal may keep the comment of the order that opened the position
      WriteComment(json,HistoryDealGetString(deal,DEAL_COMMENT),cause=="client");
      json.EndObject();
     }
   //--- the trades at or after a time, oldest first, the newest `most` of them; false: the terminal has no history now
   bool              WriteDealsSince(CJsonWriter &json,const long since_msc,const int most,const CBridgeSymbols &symbols,const CBridgeTime &clock)
     {
      datetime begin=(datetime)MathMax(0,(long)clock.FromUtc((double)since_msc/1000.0)-1);
      datetime end=(datetime)((long)clock.FromUtc((double)TimeGMT())+QM_HISTORY_AHEAD);
      if(!HistorySelect(begin,end))
         return(false);
      int total=HistoryDealsTotal();
      m_deal_count=0;
      ArrayResize(m_deals,total);
      for(int i=0; i<total; i++)
        {
         ulong deal=HistoryDealGetTicket(i);
         if(deal!=0 && IsTrade(deal) && clock.ToUtcMsc(HistoryDealGetInteger(deal,DEAL_TIME_MSC))>=since_msc)
            m_deals[m_deal_count++]=deal;
        }
      json.BeginObject();
      json.Key("deals");
      json.BeginArray();
      for(int i=MathMax(0,m_deal_count-most); i<m_deal_count; i++)
         WriteDeal(json,m_deals[i],symbols,clock);
      json.EndArray();
      json.EndObject();
      return(true);
     }
   //--- what an order that waits is, as an outcome; false: there is none, or it is a market order on its way
   bool              Waiting(const ulong ticket,CBridgePlaced &placed,const CBridgeSymbols &symbols) const
     {
      if(!OrderSelect(ticket) || !IsWaiting())
         return(false);
      placed.Clear();
      placed.order=ticket;
      placed.ticket=ticket;
      placed.volume=OrderGetDouble(ORDER_VOLUME_CURRENT);
      placed.has_volume=true;
      placed.sl=OrderGetDouble(ORDER_SL);
      placed.tp=OrderGetDouble(ORDER_TP);
      symbols.OursOf(OrderGetString(ORDER_SYMBOL),placed.digits);
      placed.pending=true;
      return(true);
     }
   //--- what became of an order that waits no more, by the history that is selected; false: it is not there, or it was
   //--- filled and its deals are not there yet
   bool              Ended(const ulong ticket,CBridgePlaced &placed,const CBridgeSymbols &symbols)
     {
      long state=HistoryOrderGetInteger(ticket,ORDER_STATE);
      if(HistoryOrderGetInteger(ticket,ORDER_TICKET)!=(long)ticket)
         return(false);
      placed.Clear();
      placed.order=ticket;
      placed.sl=HistoryOrderGetDouble(ticket,ORDER_SL);
      placed.tp=HistoryOrderGetDouble(ticket,ORDER_TP);
      symbols.OursOf(HistoryOrderGetString(ticket,ORDER_SYMBOL),placed.digits);
      double asked=HistoryOrderGetDouble(ticket,ORDER_VOLUME_INITIAL);
      bool   closes_by=(HistoryOrderGetInteger(ticket,ORDER_TYPE)==ORDER_TYPE_CLOSE_BY);
      long   position=HistoryOrderGetInteger(ticket,ORDER_POSITION_ID);
      if(FilledBy(ticket,asked,closes_by,position,placed))
         return(true);
      placed.ticket=ticket;
      placed.has_volume=true;
      if(state==ORDER_STATE_CANCELED)
         placed.ended="cancelled";
      else if(state==ORDER_STATE_EXPIRED)
         placed.ended="expired";
      else if(state==ORDER_STATE_REJECTED)
         placed.ended="rejected";
      return(placed.ended!="");
     }
   //--- the deals of an order in the selected history; of two positions that closed each other that of the first counts
   bool              FilledBy(const ulong ticket,const double asked,const bool closes_by,const long position,CBridgePlaced &placed) const
     {
      double volume=0.0;
      double value=0.0;
      double profit=0.0;
      double price=0.0;
      bool   opens=true;
      int    count=0;
      for(int i=HistoryDealsTotal()-1; i>=0; i--)
        {
         ulong deal=HistoryDealGetTicket(i);
         if(deal==0 || HistoryDealGetInteger(deal,DEAL_ORDER)!=(long)ticket || !IsTrade(deal))
            continue;
         bool named=(!closes_by || HistoryDealGetInteger(deal,DEAL_POSITION_ID)==position);
         profit+=HistoryDealGetDouble(deal,DEAL_PROFIT);
         opens=(opens && HistoryDealGetInteger(deal,DEAL_ENTRY)==DEAL_ENTRY_IN);
         if(!named)
            continue;
         price=HistoryDealGetDouble(deal,DEAL_PRICE);
         double lots=HistoryDealGetDouble(deal,DEAL_VOLUME);
         volume+=lots;
         value+=lots*price;
         //--- from the newest to the oldest: the first one here is the last that was made
         if(count==0)
           {
            placed.deal=deal;
            placed.ticket=(ulong)HistoryDealGetInteger(deal,DEAL_POSITION_ID);
           }
         count++;
        }
      if(count==0)
         return(false);
      placed.price=(count==1 ? price : NormalizeDouble(value/volume,placed.digits));
      placed.volume=NormalizeDouble(volume,8);
      placed.has_volume=true;
      placed.has_profit=!opens;
      placed.profit=profit;
      if(!closes_by && placed.volume<asked-0.000000001)
         placed.retcode=TRADE_RETCODE_DONE_PARTIAL;
      return(true);
     }
   //--- select the history of what ended since a time, Unix seconds
   bool              SelectSince(const double since_s,const CBridgeTime &clock) const
     {
      datetime begin=(datetime)MathMax(0,(long)clock.FromUtc(since_s)-1);
      datetime end=(datetime)((long)clock.FromUtc((double)TimeGMT())+QM_HISTORY_AHEAD);
      return(HistorySelect(begin,end));
     }
   //--- select the history of one order with its deals
   bool              SelectOrder(const ulong ticket,const CBridgeTime &clock) const
     {
      if(!HistoryOrderSelect(ticket))
         return(false);
      long position=HistoryOrderGetInteger(ticket,ORDER_POSITION_ID);
      if(position!=0 && HistorySelectByPosition(position) && HistoryOrderGetInteger(ticket,ORDER_TICKET)==(long)ticket)
         return(true);
      double setup=(double)clock.ToUtcMsc(HistoryOrderGetInteger(ticket,ORDER_TIME_SETUP_MSC))/1000.0;
      return(HistoryOrderSelect(ticket) && SelectSince(setup-60.0,clock));
     }
  };

#endif
