//+------------------------------------------------------------------+
//| Bridge.mqh                                             QuantMind  |
//| The bridge of a broker of type mt5_socket in mode listen: calls   |
//| the gateway, says whose account it has, and answers what it is    |
//| asked, one request after the other (docs/protocol.md, section 3). |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_BRIDGE_MQH
#define QUANTMIND_BRIDGE_MQH

#include <QuantMind/Json.mqh>
#include <QuantMind/Zmtp.mqh>
#include <QuantMind/Bridge/Books.mqh>
#include <QuantMind/Bridge/Feed.mqh>
#include <QuantMind/Bridge/Guard.mqh>
#include <QuantMind/Bridge/Trader.mqh>

#define QM_BRIDGE_PROTOCOL     1
#define QM_BRIDGE_OFFER_MS     1000     // how often it offers itself until it is let in, and after so long without a question
#define QM_BRIDGE_AT_ONCE      32       // messages of one timer event: the rest waits for the next
#define QM_BRIDGE_LONGEST_ID   64
#define QM_BRIDGE_MOST_DEALS   4000     // in one answer: a message has at most 2 MB
#define QM_BRIDGE_MESSAGE      2097152  // bytes
#define QM_BRIDGE_TRIES        3        // to read account, positions and orders as of one moment
#define QM_BRIDGE_EVENT_MS     20       // between two notes that something has happened
#define QM_BRIDGE_MEASURE_MS   2000
#define QM_BRIDGE_BEGIN_MS     2000     // between two looks for what is not there yet
#define QM_BRIDGE_SETTLED_MS   2000     // after the terminal came back, until its account is believed

//+------------------------------------------------------------------+
//| What the inputs say                                               |
//+------------------------------------------------------------------+
class CBridgeSettings
  {
public:
   string            host;
   uint              port;
   string            token;
   bool              plain;               // the endpoint has PLAIN: user "bridge", the token is its password
   string            broker;              // the gateway's name for this account; empty: it knows by the number
   string            symbols;
   string            symbol_suffix;
   string            symbol_names;
   double            server_ahead_h;      // less than -24: measured
   double            settle_s;
   bool              guard;
   double            guard_buffer;
   uint              offer_every_ms;

                     CBridgeSettings(void)
     {
      host="127.0.0.1";
      port=5555;
      plain=false;
      server_ahead_h=-100.0;
      settle_s=60.0;
      guard=true;
      guard_buffer=-1.0;
      offer_every_ms=QM_BRIDGE_OFFER_MS;
     }
  };

//+------------------------------------------------------------------+
//| The bridge                                                        |
//+------------------------------------------------------------------+
class CQuantMindBridge
  {
private:
   CZmtpSocket       m_zmtp;
   CJsonReader       m_json;
   CBridgeTime       m_clock;
   CBridgeSymbols    m_symbols;
   CBridgeBooks      m_books;
   CBridgeFeed       m_feed;
   CBridgeTrader     m_trader;
   CBridgeGuard      m_guard;
   string            m_token;
   string            m_broker;
   string            m_wanted;
   string            m_suffix;
   string            m_names;
   bool              m_plain;
   bool              m_guard_on;
   uint              m_offer_every_ms;
   long              m_login;
   string            m_server;
   string            m_session;
   long              m_hellos;            // hellos said, which is the number of the last one
   long              m_heard;             // the number of the last one that was answered
   int               m_connections;
   ulong             m_offer_due;
   bool              m_replaced;
   string            m_told;
   bool              m_begun;
   ulong             m_begin_due;
   double            m_guard_buffer;
   double            m_settle_s;
   bool              m_was_connected;
   ulong             m_settled_at;
   ulong             m_measure_due;
   bool              m_event;
   string            m_event_name;
   ulong             m_event_due;
   ulong             m_guarded_due;
   ENUM_QM_GUARD     m_guarded_state;
   long              m_asked;
   long              m_orders;
   string            m_error_code;        // of the request that is being answered
   string            m_error_text;

   void              Say(const string what)
     {
      if(what==m_told)
         return;
      m_told=what;
      Print("bridge: ",what);
     }
   bool              SendJson(CJsonWriter &json)
     {
      string text=json.ToString();
      if(text=="")
        {
         Say("a message could not be written: a value in it is no number");
         return(false);
        }
      CZmtpMessage message;
      message.AddString(text);
      return(m_zmtp.Send(message));
     }
   bool              Fault(const string code,const string text)
     {
      m_error_code=code;
      m_error_text=text;
      return(false);
     }
   void              ReplyError(const string id)
     {
      CJsonWriter json;
      json.BeginObject();
      json.TextAt("type","reply");
      json.TextAt("id",id);
      json.BoolAt("ok",false);
      json.TextAt("code",m_error_code);
      json.TextAt("message",StringSubstr(m_error_text,0,400));
      json.TextAt("session",m_session);
      json.EndObject();
      SendJson(json);
     }
   void              Reply(const string id,const string data)
     {
      CJsonWriter json;
      json.BeginObject();
      json.TextAt("type","reply");
      json.TextAt("id",id);
      json.BoolAt("ok",true);
      json.RawAt("data",data);
      json.TextAt("session",m_session);
      json.EndObject();
      SendJson(json);
     }

   //--- the account --------------------------------------------------
   //--- whose account it is: in another one nothing is read or traded
   bool              IsOurs(void)
     {
      long   login=AccountInfoInteger(ACCOUNT_LOGIN);
      string server=AccountInfoString(ACCOUNT_SERVER);
      if(login==0)
         return(Fault("unavailable","the terminal is not logged in to an account"));
      if(login!=m_login || server!=m_server)
         return(Fault("unavailable","the terminal is logged in as "+IntegerToString(login)+" at "+server+" now, and was as "
                      +IntegerToString(m_login)+" at "+m_server+": log in there again, or attach the EA anew"));
      return(true);
     }
   bool              IsConnected(void)
     {
      bool connected=(TerminalInfoInteger(TERMINAL_CONNECTED)!=0);
      if(connected && !m_was_connected)
         m_settled_at=GetTickCount64()+QM_BRIDGE_SETTLED_MS;
      m_was_connected=connected;
      if(!connected)
         return(Fault("unavailable","the terminal has no connection to the trade server; it connects by itself when it can"));
      return(true);
     }
   //--- a terminal that has just connected shows an account without its positions for a moment
   bool              IsSettled(void)
     {
      if(GetTickCount64()<m_settled_at)
         return(Fault("unavailable","the terminal has just connected to the trade server; its account is read in a moment"));
      if(PositionsTotal()==0 && AccountInfoDouble(ACCOUNT_PROFIT)!=0.0)
         return(Fault("unavailable","the terminal shows a floating profit and no positions: it has not read all of its account yet"));
      return(true);
     }

   //--- requests -----------------------------------------------------
   //--- each returns false with m_error_code and m_error_text, or `data`
   bool              Greet(const int root,string &data)
     {
      long protocol=m_json.LongOf(root,"protocol",-1);
      if(protocol!=QM_BRIDGE_PROTOCOL)
         return(Fault("invalid_message","protocol must be "+IntegerToString(QM_BRIDGE_PROTOCOL)+", was "+IntegerToString(protocol)+"; update the older side"));
      if(!IsOurs() || !IsConnected())
         return(false);
      string error="";
      if(!m_symbols.Choose(m_wanted,m_suffix,m_names,error))
         return(Fault("unavailable",error));
      m_feed.Follow(m_symbols);
      m_clock.Measure();
      CJsonWriter json;
      json.BeginObject();
      json.LongAt("protocol",QM_BRIDGE_PROTOCOL);
      json.LongAt("account",m_login);
      json.TextAt("server",m_server);
      json.TextAt("margin_mode",m_books.IsHedging() ? "hedging" : "netting");
      json.Key("symbols");
      m_symbols.WriteNames(json);
      json.TextAt("company",StringSubstr(QMPrintable(AccountInfoString(ACCOUNT_COMPANY)),0,128));
      json.LongAt("build",TerminalInfoInteger(TERMINAL_BUILD));
      json.BoolAt("trade_allowed",TerminalInfoInteger(TERMINAL_TRADE_ALLOWED)!=0 && MQLInfoInteger(MQL_TRADE_ALLOWED)!=0
                  && AccountInfoInteger(ACCOUNT_TRADE_ALLOWED)!=0 && AccountInfoInteger(ACCOUNT_TRADE_EXPERT)!=0);
      json.LongAt("utc_offset_s",m_clock.OffsetNow());
      json.TextAt("clock",m_clock.Describe());
      json.LongAt("clock_ms",(long)GetTickCount64());
      json.EndObject();
      data=json.ToString();
      return(true);
     }
   bool              Sample(string &data)
     {
      if(!IsOurs() || !IsConnected() || !IsSettled())
         return(false);
      for(int attempt=0; attempt<QM_BRIDGE_TRIES; attempt++)
        {
         CJsonWriter json;
         double balance=AccountInfoDouble(ACCOUNT_BALANCE);
         int    open=PositionsTotal();
         json.BeginObject();
         json.Key("positions");
         bool whole=m_books.WritePositions(json,m_symbols,m_clock);
         if(whole)
           {
            json.Key("orders");
            whole=m_books.WriteOrders(json,m_symbols,m_clock);
           }
         if(!whole || AccountInfoDouble(ACCOUNT_BALANCE)!=balance || PositionsTotal()!=open)
            continue;
         json.Key("account");
         m_books.WriteAccount(json);
         json.EndObject();
         data=json.ToString();
         if(!IsOurs())
            return(false);
         return(true);
        }
      return(Fault("unavailable","the account changed while it was read; it is read again in a moment"));
     }
   bool              Deals(const int root,string &data)
     {
      if(!IsOurs() || !IsConnected())
         return(false);
      long since=m_json.LongOf(root,"since_msc",-1);
      if(since<0)
         return(Fault("invalid_message","since_msc must be a time in UTC milliseconds"));
      int most=(int)MathMax(1,MathMin(m_json.LongOf(root,"most",QM_BRIDGE_MOST_DEALS),QM_BRIDGE_MOST_DEALS));
      CJsonWriter json;
      if(!m_books.WriteDealsSince(json,since,most,m_symbols,m_clock))
         return(Fault("unavailable","the terminal does not give its history now"));
      data=json.ToString();
      return(true);
     }
   bool              RestartFeed(const int root,string &data)
     {
      int list=m_json.Find(root,"symbols");
      for(int node=m_json.First(list); node>=0; node=m_json.Next(node))
        {
         int index=m_symbols.IndexOf(m_json.Text(node));
         if(index>=0)
            m_feed.BeginAgain(m_symbols.Theirs(index));
        }
      data="{}";
      return(true);
     }
   bool              FindOrder(const int root,string &data)
     {
      string tag=m_json.TextOf(root,"tag");
      if(!QMIsTag(tag))
         return(Fault("invalid_message","tag must be 1 to 16 letters, digits, _ and -"));
      if(!IsOurs() || !IsConnected() || !IsSettled())
         return(false);
      switch(m_trader.Find(tag,m_symbols,m_books,m_clock))
        {
         case QM_FOUND_PLACED:
            data="{\"found\":\"placed\",\"placed\":"+m_trader.placed_json+"}";
            return(true);
         case QM_FOUND_ABSENT:
            data="{\"found\":\"absent\"}";
            return(true);
         case QM_FOUND_NOT_YET:
            data="{\"found\":\"not_yet\"}";
            return(true);
        }
      return(Fault("unavailable",m_trader.reason));
     }
   //--- a field that there is not is an error: a misspelt stop is money
   bool              KnowsFields(const int root,const string known)
     {
      for(int node=m_json.First(root); node>=0; node=m_json.Next(node))
         if(StringFind(" type id session tag magic reduces start_by_ms "+known+" "," "+m_json.Key(node)+" ")<0)
            return(Fault("invalid_message","the field '"+StringSubstr(m_json.Key(node),0,64)+"' is not known"));
      return(true);
     }
   bool              ReadNumber(const int root,const string key,double &value,bool &has)
     {
      int node=m_json.Find(root,key);
      ENUM_JSON_TYPE type=m_json.Type(node);
      has=(type==JSON_NUMBER);
      value=m_json.Number(node);
      if(type!=JSON_NUMBER && type!=JSON_ABSENT && type!=JSON_NULL)
         return(Fault("invalid_message",key+" must be a number, was "+StringSubstr(m_json.Raw(node),0,40)));
      return(true);
     }
   bool              ReadTicket(const int root,const string key,const bool needed,ulong &value)
     {
      int node=m_json.Find(root,key);
      ENUM_JSON_TYPE type=m_json.Type(node);
      value=m_json.Ulong(node);
      if(value==0 && (needed || (type!=JSON_ABSENT && type!=JSON_NULL)))
         return(Fault("invalid_message",key+" must be a ticket, was "+StringSubstr(m_json.Raw(node),0,40)));
      return(true);
     }
   bool              ReadCommon(const int root,CBridgeOrder &order)
     {
      order.tag=m_json.TextOf(root,"tag");
      int magic=m_json.Find(root,"magic");
      if(m_json.Type(magic)!=JSON_ABSENT && !m_json.Integer(magic))
         return(Fault("invalid_message","magic must be a whole number, was "+StringSubstr(m_json.Raw(magic),0,40)));
      //--- the terminal's magic numbers have 64 bits, and a negative one is such a number, too
      order.magic=m_json.Ulong(magic,(ulong)m_json.Long(magic));
      order.reduces=m_json.IsTrueOf(root,"reduces");
      order.start_by_ms=m_json.LongOf(root,"start_by_ms");
      if(!QMIsTag(order.tag))
         return(Fault("invalid_message","tag must be 1 to 16 letters, digits, _ and -"));
      return(true);
     }
   bool              ReadSend(const int root,CBridgeOrder &order)
     {
      double points=0.0;
      bool   has_points=false;
      string side=m_json.TextOf(root,"side");
      string type=m_json.TextOf(root,"order_type","market");
      string filling=m_json.TextOf(root,"filling");
      order.kind=QM_TRADE_SEND;
      if(!KnowsFields(root,"symbol volume side order_type price sl tp comment expiration deviation filling reduce") || !ReadCommon(root,order)
         || !ReadNumber(root,"volume",order.volume,order.has_volume) || !ReadNumber(root,"price",order.price,order.has_price)
         || !ReadNumber(root,"sl",order.sl,order.has_sl) || !ReadNumber(root,"tp",order.tp,order.has_tp)
         || !ReadNumber(root,"expiration",order.expiration,order.has_expiration) || !ReadNumber(root,"deviation",points,has_points))
         return(false);
      order.symbol=m_json.TextOf(root,"symbol");
      order.comment=m_json.TextOf(root,"comment");
      order.floors=m_json.IsTrueOf(root,"reduce");
      order.deviation=(has_points ? m_json.LongOf(root,"deviation",-1) : -1);
      if(!order.has_volume)
         return(Fault("invalid_message","volume is missing"));
      if(side!="buy" && side!="sell")
         return(Fault("invalid_message","side must be buy or sell, was '"+side+"'"));
      order.buys=(side=="buy");
      if(type!="market" && type!="limit" && type!="stop")
         return(Fault("invalid_message","order_type must be market, limit or stop, was '"+type+"'"));
      order.order_kind=(type=="market" ? QM_KIND_MARKET : type=="limit" ? QM_KIND_LIMIT : QM_KIND_STOP);
      if(filling=="fok")
         order.filling=ORDER_FILLING_FOK;
      else if(filling=="ioc")
         order.filling=ORDER_FILLING_IOC;
      else if(filling=="return")
         order.filling=ORDER_FILLING_RETURN;
      else if(m_json.HasOf(root,"filling"))
         return(Fault("invalid_message","filling must be fok, ioc or return, was '"+filling+"'"));
      return(true);
     }
   bool              ReadClose(const int root,CBridgeOrder &order)
     {
      order.kind=QM_TRADE_CLOSE;
      order.symbol=m_json.TextOf(root,"symbol");
      return(KnowsFields(root,"symbol ticket volume by") && ReadCommon(root,order) && ReadTicket(root,"ticket",true,order.ticket)
             && ReadTicket(root,"by",false,order.by) && ReadNumber(root,"volume",order.volume,order.has_volume));
     }
   bool              ReadModify(const int root,CBridgeOrder &order)
     {
      order.kind=QM_TRADE_MODIFY;
      return(KnowsFields(root,"ticket new_sl new_tp new_price new_expiration") && ReadCommon(root,order)
             && ReadTicket(root,"ticket",true,order.ticket) && ReadNumber(root,"new_sl",order.sl,order.has_sl)
             && ReadNumber(root,"new_tp",order.tp,order.has_tp) && ReadNumber(root,"new_price",order.price,order.has_price)
             && ReadNumber(root,"new_expiration",order.expiration,order.has_expiration));
     }
   bool              ReadCancel(const int root,CBridgeOrder &order)
     {
      order.kind=QM_TRADE_CANCEL;
      return(KnowsFields(root,"ticket") && ReadCommon(root,order) && ReadTicket(root,"ticket",true,order.ticket));
     }
   bool              Trade(const CBridgeOrder &order,string &data)
     {
      if(order.start_by_ms>0 && (ulong)order.start_by_ms<GetTickCount64())
         return(Fault("late","it waited too long for its turn at the terminal; nothing was sent"));
      if(!IsOurs() || !IsConnected() || !IsSettled())
         return(false);
      if(!order.reduces && !m_guard.AllowsOpen())
        {
         data=RefusedJson(TRADE_RETCODE_REJECT,"the floor guard of the terminal has heard nothing of the gateway and opens nothing");
         return(true);
        }
      m_orders++;
      switch(m_trader.Place(order,m_symbols,m_books,m_clock))
        {
         case QM_OUT_PLACED:
            data="{\"placed\":"+m_trader.placed.ToJson()+"}";
            return(true);
         case QM_OUT_REFUSED:
            data=RefusedJson(m_trader.retcode,m_trader.reason);
            return(true);
         case QM_OUT_UNKNOWN:
            data=UnknownJson(m_trader.reason);
            return(true);
        }
      return(Fault("unavailable",m_trader.reason));
     }
   string            RefusedJson(const uint retcode,const string reason) const
     {
      CJsonWriter json;
      json.BeginObject();
      json.Key("refused");
      json.BeginObject();
      json.LongAt("retcode",(long)retcode);
      json.TextAt("comment",StringSubstr(reason,0,400));
      json.EndObject();
      json.EndObject();
      return(json.ToString());
     }
   string            UnknownJson(const string reason) const
     {
      CJsonWriter json;
      json.BeginObject();
      json.Key("unknown");
      json.BeginObject();
      json.TextAt("reason",StringSubstr(reason,0,400));
      json.EndObject();
      json.EndObject();
      return(json.ToString());
     }
   bool              Answer(const string type,const int root,string &data)
     {
      CBridgeOrder order;
      if(type=="bridge_hello")
         return(Greet(root,data));
      if(type=="ticks_get")
        {
         //--- without a server its prices are old, and a feed that is silently dead is worse than one that says so
         if(!IsOurs() || !IsConnected())
            return(false);
         data=m_feed.After(m_json.LongOf(root,"after"),m_symbols,m_clock);
         return(true);
        }
      if(type=="sample_get")
         return(Sample(data));
      if(type=="deals_get")
         return(Deals(root,data));
      if(type=="symbols_get")
        {
         if(!IsOurs())
            return(false);
         CJsonWriter json;
         m_symbols.Write(json);
         data=json.ToString();
         return(true);
        }
      if(type=="feed_restart")
         return(RestartFeed(root,data));
      if(type=="order_find")
         return(FindOrder(root,data));
      if(type=="order_send")
         return(ReadSend(root,order) && Trade(order,data));
      if(type=="position_close")
         return(ReadClose(root,order) && Trade(order,data));
      if(type=="position_modify")
         return(ReadModify(root,order) && Trade(order,data));
      if(type=="order_cancel")
         return(ReadCancel(root,order) && Trade(order,data));
      return(Fault("invalid_message","there is no request of type '"+StringSubstr(type,0,64)+"' here"));
     }

   //--- the connection -----------------------------------------------
   void              Offer(void)
     {
      m_offer_due=GetTickCount64()+m_offer_every_ms;
      string error="";
      if(!IsOurs() || !IsConnected())
         error=m_error_text;
      else if(m_symbols.Count()==0 && m_symbols.Choose(m_wanted,m_suffix,m_names,error))
         m_feed.Follow(m_symbols);
      if(error!="")
        {
         Say("the terminal can't be offered to the gateway: "+error);
         return;
        }
      m_hellos++;
      CJsonWriter json;
      json.BeginObject();
      json.TextAt("type","bridge_hello");
      json.TextAt("id","hello-"+IntegerToString(m_hellos));
      json.LongAt("protocol",QM_BRIDGE_PROTOCOL);
      json.LongAt("account",m_login);
      json.TextAt("server",m_server);
      json.TextAt("margin_mode",m_books.IsHedging() ? "hedging" : "netting");
      json.Key("symbols");
      m_symbols.WriteNames(json);
      if(m_token!="" && !m_plain)
         json.TextAt("token",m_token);
      if(m_broker!="")
         json.TextAt("broker",m_broker);
      if(m_guard_on)
         json.BoolAt("guard",true);
      json.EndObject();
      SendJson(json);
     }
   void              Hear(const int root)
     {
      if(!m_json.IsTrueOf(root,"ok"))
        {
         string why=m_json.TextOf(root,"message",m_json.TextOf(root,"code"));
         m_session="";
         if(m_json.TextOf(root,"code")=="replaced")
           {
            m_replaced=true;
            m_guard.StandDown();
            Say("another bridge of this account has come, and this one stops: remove one of the two ("+why+")");
            Alert("QuantMind bridge: another bridge of this account has come; remove one of the two");
            return;
           }
         Say("the gateway does not take it: "+why);
         return;
        }
      //--- a slow gateway answers when the next hello has gone out already, and asks right after its answer
      string id=m_json.TextOf(root,"id");
      long   number=(StringFind(id,"hello-")==0 ? StringToInteger(StringSubstr(id,6)) : 0);
      if(number<=m_heard || number>m_hellos)
         return;
      m_heard=number;
      string session=m_json.TextOf(m_json.Find(root,"data"),"session");
      if(session=="" || session==m_session)
         return;
      m_session=session;
      m_guard.NewSession();
      m_told="";
      Say("the gateway has taken it");
      //--- before the first beat of this gateway: it has to hear what the guard did while it was away
      m_guarded_due=0;
      SayGuarded();
     }
   void              TakeMessage(const CZmtpMessage &message)
     {
      uchar bytes[];
      int size=message.GetBytes(message.Count()-1,bytes);
      if(!m_json.Parse(bytes,0,size) || m_json.Type(m_json.Root())!=JSON_OBJECT)
        {
         if(m_session!="")
           {
            Fault("invalid_message","the message is no JSON object: "+m_json.Error());
            ReplyError("");
           }
         return;
        }
      int    root=m_json.Root();
      string type=m_json.TextOf(root,"type");
      if(type=="reply")
        {
         Hear(root);
         return;
        }
      //--- of a gateway that has not let us in: whatever it is, it is not for us
      if(m_session=="")
         return;
      m_offer_due=GetTickCount64()+m_offer_every_ms;
      if(type=="guard")
        {
         m_guard.Take(m_json);
         return;
        }
      string id=m_json.TextOf(root,"id");
      string data="";
      m_asked++;
      if(StringLen(id)<1 || StringLen(id)>QM_BRIDGE_LONGEST_ID)
        {
         Fault("invalid_message","id must have 1 to "+IntegerToString(QM_BRIDGE_LONGEST_ID)+" characters");
         ReplyError("");
         return;
        }
      if(!Answer(type,root,data))
        {
         ReplyError(id);
         return;
        }
      if(data=="")
        {
         Fault("internal","the answer could not be written: a value in it is no number");
         ReplyError(id);
         return;
        }
      Reply(id,data);
     }
   void              SayEvent(void)
     {
      ulong now=GetTickCount64();
      if(!m_event || m_session=="" || now<m_event_due)
         return;
      m_event=false;
      m_event_due=now+QM_BRIDGE_EVENT_MS;
      CJsonWriter json;
      json.BeginObject();
      json.TextAt("type","transaction");
      json.TextAt("event",m_event_name);
      json.TextAt("session",m_session);
      json.EndObject();
      SendJson(json);
     }
   void              SayGuarded(void)
     {
      ulong now=GetTickCount64();
      if(!m_guard_on || m_session=="" || (now<m_guarded_due && m_guard.State()==m_guarded_state))
         return;
      m_guarded_due=now+1000;
      m_guarded_state=m_guard.State();
      CJsonWriter json;
      json.BeginObject();
      json.TextAt("type","guarded");
      json.LongAt("seq",m_guard.Seq());
      json.TextAt("state",QMGuardName(m_guard.State()));
      json.TextAt("session",m_session);
      json.EndObject();
      SendJson(json);
     }

public:
                     CQuantMindBridge(void)
     {
      m_offer_every_ms=QM_BRIDGE_OFFER_MS;
      m_login=0;
      m_hellos=0;
      m_heard=0;
      m_connections=0;
      m_offer_due=0;
      m_replaced=false;
      m_plain=false;
      m_begun=false;
      m_begin_due=0;
      m_guard_buffer=-1.0;
      m_settle_s=60.0;
      m_was_connected=false;
      m_session="";
      m_server="";
      m_told="";
      m_token="";
      m_broker="";
      m_wanted="";
      m_suffix="";
      m_names="";
      m_event_name="";
      m_error_code="";
      m_error_text="";
      m_settled_at=0;
      m_measure_due=0;
      m_event=false;
      m_event_due=0;
      m_guarded_due=0;
      m_guarded_state=QM_GUARD_OFF;
      m_asked=0;
      m_orders=0;
      m_guard_on=false;
     }
   //--- false: an input can't be used; `error` says which. What the terminal does not have yet, as at its start, is
   //--- waited for
   bool              Begin(const CBridgeSettings &settings,string &error)
     {
      error="";
      if(settings.port<1 || settings.port>65535)
         error="the input Port must be 1 to 65535, was "+IntegerToString(settings.port);
      else if(StringLen(settings.token)<16)
         error="the input Token is missing or too short: make one at the gateway with `quantmind token add NAME --scope bridge --broker BROKER`";
      if(error!="" || !m_symbols.AreNames(settings.symbol_names,error))
         return(false);
      m_token=settings.token;
      m_plain=settings.plain;
      m_broker=settings.broker;
      m_wanted=settings.symbols;
      m_suffix=settings.symbol_suffix;
      m_names=settings.symbol_names;
      m_offer_every_ms=settings.offer_every_ms;
      m_guard_on=settings.guard;
      m_guard_buffer=settings.guard_buffer;
      m_settle_s=settings.settle_s;
      m_session="";
      m_told="";
      m_replaced=false;
      m_connections=0;
      m_offer_due=0;
      m_begun=false;
      m_begin_due=0;
      //--- a terminal keeps this program's variables over a change of account: nothing of the one before counts
      m_symbols.Forget();
      m_feed.Forget();
      m_was_connected=false;
      m_clock.Configure(settings.server_ahead_h);
      m_zmtp.Configure(settings.host,settings.port,ZMTP_DEALER);
      m_zmtp.SetLimits(QM_BRIDGE_MESSAGE,2*QM_BRIDGE_MESSAGE);
      m_zmtp.SetHeartbeat(1000);
      m_zmtp.SetPlain(m_plain ? "bridge" : "",m_token);
      IsBegun();
      return(true);
     }
   //--- what needs the account. The record of what was sent comes first: without it this program neither trades nor guards
   bool              BeginAccount(string &error)
     {
      m_login=AccountInfoInteger(ACCOUNT_LOGIN);
      m_server=AccountInfoString(ACCOUNT_SERVER);
      if(m_login==0)
        {
         error="the terminal is not logged in to an account";
         return(false);
        }
      FolderCreate("QuantMind",FILE_COMMON);
      string account=IntegerToString(m_login)+"-"+FileWord(m_server);
      if(!m_trader.Open("QuantMind\\bridge-"+account+".sent",m_settle_s))
        {
         error="what is sent can't be kept: "+m_trader.Error()+"; does another EA of this account run?";
         return(false);
        }
      m_clock.Measure();
      m_guard.Begin(m_guard_on,"QuantMind\\guard-"+account+".json",m_login,m_server,m_guard_buffer);
      return(true);
     }
   //--- a name as a part of a file's
   string            FileWord(const string name) const
     {
      string word=name;
      for(int i=0; i<StringLen(word); i++)
        {
         ushort c=StringGetCharacter(word,i);
         bool letter=((c>='A' && c<='Z') || (c>='a' && c<='z') || (c>='0' && c<='9') || c=='-' || c=='_');
         if(!letter)
            StringSetCharacter(word,i,'_');
        }
      return(word);
     }
   //--- take in what has come, answer it, and see to everything that is due. Called by the timer and by each tick;
   //--- waits for nothing but the trade server, and for that only inside an order
   void              Work(void)
     {
      if(!IsBegun())
         return;
      bool unread=false;
      if(!m_replaced)
         unread=Converse();
      m_guard.Watch(unread);
     }
   //--- false: what the bridge needs is not there yet; it is looked for again every few seconds
   bool              IsBegun(void)
     {
      if(m_begun)
         return(true);
      ulong now=GetTickCount64();
      if(now<m_begin_due)
         return(false);
      m_begin_due=now+QM_BRIDGE_BEGIN_MS;
      string error="";
      m_begun=BeginAccount(error);
      if(!m_begun)
         Say("the bridge can't begin yet: "+error);
      return(m_begun);
     }
   //--- true: more may be waiting to be read
   bool              Converse(void)
     {
      //--- when a connection to the server was lost and came back is to be seen, also while nothing is asked
      IsConnected();
      m_zmtp.Poll(0);
      if(m_zmtp.Connections()!=m_connections)
        {
         m_connections=m_zmtp.Connections();
         m_session="";
         m_offer_due=0;
        }
      if(!m_zmtp.IsReady())
        {
         if(m_zmtp.Error()!="")
            Say("no connection to the gateway: "+m_zmtp.Error());
         return(false);
        }
      CZmtpMessage message;
      bool unread=true;
      for(int i=0; i<QM_BRIDGE_AT_ONCE && !m_replaced; i++)
        {
         if(!m_zmtp.Receive(message))
           {
            //--- what came while the last message was answered
            m_zmtp.Poll(0);
            if(!m_zmtp.Receive(message))
              {
               unread=false;
               break;
              }
           }
         TakeMessage(message);
        }
      ulong now=GetTickCount64();
      if(now>=m_measure_due)
        {
         m_measure_due=now+QM_BRIDGE_MEASURE_MS;
         m_clock.Measure();
        }
      if(now>=m_offer_due && !m_replaced)
         Offer();
      SayEvent();
      SayGuarded();
      m_zmtp.Poll(0);
      return(unread);
     }
   //--- something has happened to the account
   void              Happened(const string what)
     {
      if(!m_begun)
         return;
      m_event=true;
      m_event_name=what;
      SayEvent();
     }
   void              End(void)
     {
      m_zmtp.Close();
      m_trader.Close();
      m_begun=false;
     }
   bool              IsTaken(void) const         { return(m_session!=""); }
   //--- for the chart
   string            Describe(void) const
     {
      string text="QuantMind bridge: ";
      if(m_replaced)
         text+="replaced by another bridge of this account";
      else if(m_session!="")
         text+="the gateway trades here, "+IntegerToString(m_asked)+" requests, "+IntegerToString(m_orders)+" orders";
      else
         text+=(m_told=="" ? "connecting" : m_told);
      return(text+(m_guard_on ? "\n"+m_guard.Describe() : ""));
     }
  };

#endif
