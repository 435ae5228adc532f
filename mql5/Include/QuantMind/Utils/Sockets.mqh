//+------------------------------------------------------------------+
//| Sockets.mqh                                            QuantMind  |
//|  CSocketClient     the gateway's HTTP, over WebRequest            |
//|  CQuantMindSocket  trade commands, over ZeroMQ or HTTP            |
//| No DLL. The address must be listed under Tools > Options >        |
//| Expert Advisors > "Allow WebRequest for listed URL", for both.    |
//| docs/mql5.md has examples.                                        |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_SOCKETS_MQH
#define QUANTMIND_SOCKETS_MQH

#include <QuantMind/Advice.mqh>
#include <QuantMind/Json.mqh>
#include <QuantMind/Result.mqh>
#include <QuantMind/Zmtp.mqh>

#define QM_VERSION           "0.1.0"
#define QM_LONGEST_URL       1024       // of WebRequest
#define QM_MOST_ANSWER       4194304    // bytes
#define QM_KEEP              (-1.0)       // in place of a stop: leave it as it is
#define QM_PRICE_DIGITS      10
#define QM_MONEY_DIGITS      8
#define QM_VOLUME_DIGITS     8
#define QM_EXPIRES_IN_S      10.0       // an order that arrives later than this does not run

enum ENUM_QM_TRANSPORT
  {
   QM_ZMTP=0,            // ZeroMQ, the command port (5555): the fast one
   QM_HTTP=1             // HTTP, the REST port (5005)
  };
enum ENUM_QM_SIDE
  {
   QM_SIDE_NONE=0,       // not said: the worse side is judged
   QM_BUY=1,
   QM_SELL=2
  };
enum ENUM_QM_ORDER_TYPE
  {
   QM_MARKET=0,
   QM_LIMIT=1,
   QM_STOP=2
  };

//+------------------------------------------------------------------+
//| HTTP by WebRequest, which waits for the answer                    |
//+------------------------------------------------------------------+
class CSocketClient
  {
protected:
   string            m_base_url;
   int               m_timeout_ms;
   string            m_token;
   int               m_last_error;        // of the terminal, 0: none
   string            m_last_message;

   void              Failed(const int code,const string message)
     {
      m_last_error=code;
      m_last_message=message;
     }
   int               Ask(const string method,const string endpoint,const string payload,string &response)
     {
      response="";
      Failed(0,"");
      if(MQLInfoInteger(MQL_TESTER)!=0)
        {
         Failed(QM_NOT_ALLOWED,"the Strategy Tester does not use the network: run the EA on a chart");
         return(-1);
        }
      string url=m_base_url+endpoint;
      if(StringLen(url)>QM_LONGEST_URL)
        {
         Failed(5200,"the URL has "+IntegerToString(StringLen(url))+" characters, and WebRequest takes "+IntegerToString(QM_LONGEST_URL));
         return(-1);
        }
      string headers="Content-Type: application/json\r\nAccept: application/json\r\n";
      if(m_token!="")
         headers+="X-Token: "+m_token+"\r\n";
      char   data[];
      char   result[];
      string result_headers="";
      int    size=StringToCharArray(payload,data,0,WHOLE_ARRAY,CP_UTF8)-1;   // without the terminating zero
      ArrayResize(data,size<0 ? 0 : size);
      ResetLastError();
      int status=WebRequest(method,url,headers,m_timeout_ms,data,result,result_headers);
      if(status<100 || status>599)
        {
         int code=GetLastError();
         Failed(code,QMAdvice(code,m_base_url));
         return(-1);
        }
      int count=ArraySize(result);
      if(count>QM_MOST_ANSWER)
        {
         Failed(5203,"the answer has "+IntegerToString(count)+" bytes, and "+IntegerToString(QM_MOST_ANSWER)+" are taken");
         return(-1);
        }
      if(count>0)
         response=CharArrayToString(result,0,count,CP_UTF8);
      if(status>=400)
         Failed(0,"HTTP "+IntegerToString(status)+Detail(response)+(status==401 ? " (give the token of the gateway: SetToken)" : ""));
      return(status);
     }
   //--- what a problem document says (RFC 9457)
   string            Detail(const string response) const
     {
      CJsonReader json;
      if(!json.ParseText(response))
         return("");
      string detail=json.TextOf(json.Root(),"detail",json.TextOf(json.Root(),"title"));
      return(detail=="" ? "" : ": "+detail);
     }

public:
                     CSocketClient(void)
     {
      m_base_url="http://127.0.0.1:5005";
      m_timeout_ms=5000;
      m_token="";
      Failed(0,"");
     }
   //--- each returns the HTTP status, or -1: there was none, and LastError and LastErrorMessage say why
   int               Post(const string endpoint,const string payload,string &response)   { return(Ask("POST",endpoint,payload,response)); }
   int               Get(const string endpoint,string &response)                         { return(Ask("GET",endpoint,"",response)); }
   int               Put(const string endpoint,const string payload,string &response)    { return(Ask("PUT",endpoint,payload,response)); }
   int               Delete(const string endpoint,string &response)                      { return(Ask("DELETE",endpoint,"",response)); }
   //--- whether a gateway answers there; it needs no token
   bool              TestConnection(void)
     {
      string response="";
      int status=Get("/health",response);
      if(status<0)
         return(false);
      if(status!=200)
        {
         if(m_last_message=="")
            Failed(0,"HTTP "+IntegerToString(status)+" from "+m_base_url+"/health: is it the port of the gateway?");
         return(false);
        }
      CJsonReader json;
      if(json.ParseText(response) && json.Type(json.Root())==JSON_OBJECT)
         return(true);
      Failed(0,"something else than the gateway answers at "+m_base_url);
      return(false);
     }
   void              SetBaseUrl(const string url)
     {
      m_base_url=url;
      while(StringLen(m_base_url)>0 && StringGetCharacter(m_base_url,StringLen(m_base_url)-1)=='/')
         m_base_url=StringSubstr(m_base_url,0,StringLen(m_base_url)-1);
     }
   string            BaseUrl(void) const                 { return(m_base_url); }
   void              SetTimeout(const int ms)            { m_timeout_ms=MathMax(1,ms); }
   int               Timeout(void) const                 { return(m_timeout_ms); }
   virtual void      SetToken(const string token)        { m_token=token; }
   //--- the terminal's code of the last failure (4014: the address is not in the list), 0: none
   int               LastError(void) const               { return(m_last_error); }
   string            LastErrorMessage(void) const        { return(m_last_message); }
  };

//+------------------------------------------------------------------+
//| Trade commands to the gateway. Every call waits for its answer,   |
//| at most SetTimeout for each of SetAttempts attempts. What it      |
//| answered stands in `result` until the next call.                  |
//+------------------------------------------------------------------+
class CQuantMindSocket : public CSocketClient
  {
private:
   ENUM_QM_TRANSPORT m_transport;
   string            m_host;
   uint              m_port;
   CZmtpSocket       m_zmtp;
   CJsonReader       m_json;
   CJsonWriter       m_writer;
   string            m_broker;
   string            m_plain_user;
   int               m_most_attempts;
   bool              m_http_reached;
   ulong             m_asked;             // questions of this object, part of each id
   string            m_id_prefix;
   double            m_clock_ahead_s;     // the gateway's clock less ours
   bool              m_clock_known;
   //--- orders whose fate is not known: what was sent, and its id; the oldest first
   string            m_unknown_json[];
   string            m_unknown_id[];
   int               m_unknown_count;
   bool              m_maybe_sent;        // the question of the last Exchange may have reached the gateway

   string            NewId(void)
     {
      if(m_id_prefix=="")
        {
         ulong seed=GetMicrosecondCount()^((ulong)TimeLocal()<<20)^(ulong)ChartID();
         m_id_prefix=StringFormat("%I64x-",seed);
        }
      m_asked++;
      return(m_id_prefix+IntegerToString((long)m_asked)+"-"+StringFormat("%I64x",GetMicrosecondCount()));
     }
   double            GatewayTime(void) const
     {
      return((double)TimeGMT()+(m_clock_known ? m_clock_ahead_s : 0.0));
     }
   string            BeginMessage(const string type,const string ea_name)
     {
      string id=NewId();
      m_writer.Clear();
      m_writer.BeginObject();
      m_writer.TextAt("type",type);
      m_writer.TextAt("request_id",id);
      m_writer.TextAt("ea_name",ea_name);
      if(m_broker!="")
         m_writer.TextAt("broker",m_broker);
      //--- over HTTP the token is a header, and with PLAIN it is the connection's
      if(m_token!="" && m_transport==QM_ZMTP && m_plain_user=="")
         m_writer.TextAt("token",m_token);
      return(id);
     }
   void              Execute(const bool execute)
     {
      if(!execute)
         return;
      m_writer.BoolAt("execute",true);
      m_writer.NumberAt("expires_at",GatewayTime()+QM_EXPIRES_IN_S,3);
     }
   //--- one attempt to hear the answer to `json`
   bool              Exchange(const string json,const string id)
     {
      m_maybe_sent=false;
      if(m_transport==QM_HTTP)
         return(ExchangeHttp(json,id));
      if(!m_zmtp.IsReady() && !m_zmtp.Connect((uint)m_timeout_ms))
         return(Hurt(m_zmtp.ErrorCode(),m_zmtp.Error()=="" ? "no connection to the gateway within "+IntegerToString(m_timeout_ms)+" ms" : m_zmtp.Error()));
      CZmtpMessage question;
      CZmtpMessage answer;
      uchar        bytes[];
      question.AddString(json);
      m_maybe_sent=true;
      if(!m_zmtp.Request(question,answer,(uint)m_timeout_ms))
         return(Hurt(m_zmtp.ErrorCode(),m_zmtp.Error()));
      int size=answer.GetBytes(answer.Count()-1,bytes);
      if(!m_json.Parse(bytes,0,size))
        {
         m_zmtp.Drop("the answer is no JSON");
         return(Hurt(0,"the answer can't be read: "+m_json.Error()));
        }
      return(Accept(id));
     }
   bool              ExchangeHttp(const string json,const string id)
     {
      string response="";
      m_maybe_sent=true;
      int status=Post("/command",json,response);
      m_http_reached=(status>0);
      if(status<0)
        {
         //--- refused before it went out
         if(m_last_error==4014 || m_last_error==5200 || m_last_error==5201)
            m_maybe_sent=false;
         return(false);
        }
      if(status!=200)
        {
         //--- the gateway took no command out of it
         m_maybe_sent=(status>=500);
         if(!m_maybe_sent)
           {
            result.Clear();
            result.Say(QM_ERROR,"http_"+IntegerToString(status),m_last_message);
            return(true);
           }
         return(false);
        }
      if(!m_json.ParseText(response))
         return(Hurt(5203,"the answer can't be read: "+m_json.Error()));
      return(Accept(id));
     }
   bool              Accept(const string id)
     {
      if(!result.Take(m_json,id))
        {
         m_zmtp.Drop(result.message);
         return(Hurt(0,result.message));
        }
      if(result.timestamp>0.0)
        {
         m_clock_ahead_s=result.timestamp-(double)TimeGMT();
         m_clock_known=true;
        }
      Failed(0,"");
      return(true);
     }
   bool              Hurt(const int code,const string message)
     {
      Failed(code,message);
      return(false);
     }
   //--- ask until there is an answer, at most so many times, always with the same request_id. `trades`: the gateway
   //--- may place an order for it, so no answer means that nobody knows
   bool              AskCommand(const string id,const bool trades)
     {
      m_writer.EndObject();
      string json=m_writer.ToString();
      result.Clear();
      result.request_id=id;
      if(json=="")
        {
         Failed(0,"a value of the command is no number");
         result.Say(QM_ERROR,"invalid_message",m_last_message);
         return(false);
        }
      return(Answered(json,id,trades,false,m_most_attempts));
     }
   //--- `sent_before`: an earlier call may have got it through
   bool              Answered(const string json,const string id,const bool trades,const bool sent_before,const int attempts)
     {
      bool maybe_sent=sent_before;
      for(int attempt=0; attempt<attempts && !IsStopped(); attempt++)
        {
         if(attempt>0)
            Sleep(MathMin(1000,50<<attempt));
         if(Exchange(json,id))
           {
            //--- what did not get in now may have got in by an earlier attempt
            if(trades && maybe_sent && result.status==QM_ERROR && !Decided())
               result.Say(QM_UNKNOWN,result.code,result.message);
            Settle(json,id,trades);
            return(result.status!=QM_UNKNOWN);
           }
         maybe_sent=(maybe_sent || m_maybe_sent);
        }
      result.Clear();
      result.request_id=id;
      result.Say(trades && maybe_sent ? QM_UNKNOWN : QM_NO_ANSWER,"no_answer",m_last_message);
      Settle(json,id,trades);
      return(false);
     }
   //--- whether an error holds for all copies of the command: all others say only that this copy did nothing, and an
   //--- earlier one may have
   bool              Decided(void) const
     {
      return(result.order_id!="" || result.code=="expired" || result.code=="request_id_conflict");
     }
   void              Settle(const string json,const string id,const bool trades)
     {
      int known=-1;
      for(int i=0; i<m_unknown_count; i++)
         if(m_unknown_id[i]==id)
            known=i;
      if(trades && result.status==QM_UNKNOWN)
        {
         if(known>=0)
            return;
         if(ArraySize(m_unknown_id)<=m_unknown_count)
           {
            ArrayResize(m_unknown_id,m_unknown_count+8);
            ArrayResize(m_unknown_json,m_unknown_count+8);
           }
         m_unknown_id[m_unknown_count]=id;
         m_unknown_json[m_unknown_count]=json;
         m_unknown_count++;
         return;
        }
      if(known<0)
         return;
      m_unknown_count--;
      for(int i=known; i<m_unknown_count; i++)
        {
         m_unknown_id[i]=m_unknown_id[i+1];
         m_unknown_json[i]=m_unknown_json[i+1];
        }
     }
   bool              Resolved(const int attempts)
     {
      while(m_unknown_count>0)
        {
         string json=m_unknown_json[0];
         string id=m_unknown_id[0];
         if(!Answered(json,id,true,true,attempts))
            return(false);
        }
      return(true);
     }
   //--- whether new risk may be asked for
   bool              Blocked(void)
     {
      if(Resolved(1))
         return(false);
      string id=m_unknown_id[0];
      result.Clear();
      result.request_id=id;
      result.Say(QM_UNKNOWN,"unknown_pending","the fate of order request "+id+" is not known yet, and until it is nothing new is sent: the gateway reconciles it, or settle it there");
      return(true);
     }

public:
   CQuantMindResult  result;              // of the last call

                     CQuantMindSocket(void)                                              { Prepare("127.0.0.1",5555); }
                     CQuantMindSocket(const string server_address,const uint server_port) { Prepare(server_address,server_port); }

   void              Prepare(const string server_address,const uint server_port)
     {
      m_host=server_address;
      m_port=server_port;
      m_transport=QM_ZMTP;
      m_broker="";
      m_plain_user="";
      m_most_attempts=3;
      m_http_reached=false;
      m_asked=0;
      m_id_prefix="";
      m_clock_ahead_s=0.0;
      m_clock_known=false;
      m_unknown_count=0;
      m_maybe_sent=false;
      m_timeout_ms=2000;
      m_zmtp.Configure(m_host,m_port,ZMTP_REQ);
      m_zmtp.SetLimits(QM_MOST_ANSWER,ZMTP_DEFAULT_UNSENT);
     }
   //--- where, and over what: the command port for ZeroMQ (5555), or for HTTP the REST port (5005)
   void              SetServer(const string server_address,const uint server_port,const ENUM_QM_TRANSPORT transport=QM_ZMTP)
     {
      Disconnect();
      m_host=server_address;
      m_port=server_port;
      m_transport=transport;
      m_zmtp.Configure(m_host,m_port,ZMTP_REQ);
      SetBaseUrl("http://"+m_host+":"+IntegerToString(m_port));
     }
   //--- the gateway's name for the account; empty: it knows by the EA's name, or has one broker only
   void              SetBroker(const string broker)      { m_broker=broker; }
   virtual void      SetToken(const string token)
     {
      m_token=token;
      m_zmtp.SetPlain(m_plain_user,m_token);
     }
   //--- for an endpoint with PLAIN, whose password is the token; "ea" is the user there
   void              SetPlain(const string user)
     {
      m_plain_user=user;
      m_zmtp.SetPlain(m_plain_user,m_token);
     }
   void              SetAttempts(const int attempts)     { m_most_attempts=MathMax(1,attempts); }

   //--- connect now, at most SetAttempts times; each Send does it by itself, too
   bool              ConnectToServer(void)
     {
      if(m_transport==QM_HTTP)
        {
         m_http_reached=TestConnection();
         return(m_http_reached);
        }
      if(MQLInfoInteger(MQL_TESTER)!=0)
         return(Hurt(QM_NOT_ALLOWED,"the Strategy Tester does not use the network: run the EA on a chart"));
      for(int attempt=0; attempt<m_most_attempts && !IsStopped(); attempt++)
         if(m_zmtp.Connect((uint)m_timeout_ms))
           {
            Failed(0,"");
            return(true);
           }
      return(Hurt(m_zmtp.ErrorCode(),m_zmtp.Error()));
     }
   //--- over HTTP: whether the last request was answered
   bool              IsConnected(void) const             { return(m_transport==QM_HTTP ? m_http_reached : m_zmtp.IsReady()); }
   void              Disconnect(void)
     {
      m_zmtp.Close();
      m_http_reached=false;
     }

   //--- true: exactly this volume may be traded once, or with `execute` it was. An order of which nobody knows what
   //--- became (status QM_UNKNOWN) keeps the next ones back until ResolveUnknown has found out
   bool              SendTradeOpen(const string ea_name,const string symbol,const double volume,const long magic,double &risk_multiplier,
                                   const ENUM_QM_SIDE side=QM_SIDE_NONE,const double sl=0.0,const double tp=0.0,
                                   const bool execute=false,const bool reduce=false,const ENUM_QM_ORDER_TYPE order_type=QM_MARKET,
                                   const double price=0.0,const string comment="",const datetime expiration=0)
     {
      risk_multiplier=0.0;
      if(Blocked())
         return(false);
      string id=BeginMessage("trade_open",ea_name);
      m_writer.TextAt("symbol",symbol);
      m_writer.NumberAt("volume",volume,QM_VOLUME_DIGITS);
      m_writer.LongAt("magic",magic);
      if(side!=QM_SIDE_NONE)
         m_writer.TextAt("side",side==QM_BUY ? "buy" : "sell");
      if(order_type!=QM_MARKET)
         m_writer.TextAt("order_type",order_type==QM_LIMIT ? "limit" : "stop");
      if(price>0.0)
         m_writer.NumberAt("price",price,QM_PRICE_DIGITS);
      if(sl>0.0)
         m_writer.NumberAt("sl",sl,QM_PRICE_DIGITS);
      if(tp>0.0)
         m_writer.NumberAt("tp",tp,QM_PRICE_DIGITS);
      if(reduce)
         m_writer.BoolAt("reduce",true);
      if(comment!="")
         m_writer.TextAt("comment",comment);
      if(expiration>0)
         m_writer.LongAt("expiration",(long)expiration);
      Execute(execute);
      AskCommand(id,execute);
      risk_multiplier=result.risk_multiplier;
      return(result.approved);
     }
   //--- true: the position may be closed, or with `execute` it was. `profit` is for the log
   bool              SendTradeClose(const string ea_name,const string symbol,const ulong ticket,const double profit,
                                    const bool execute=false,const double volume=0.0,const ulong close_by=0,const long magic=0)
     {
      string id=BeginMessage("trade_close",ea_name);
      m_writer.TextAt("symbol",symbol);
      m_writer.UlongAt("ticket",ticket);
      m_writer.NumberAt("profit",profit,QM_MONEY_DIGITS);
      if(volume>0.0)
         m_writer.NumberAt("volume",volume,QM_VOLUME_DIGITS);
      if(close_by>0)
         m_writer.UlongAt("close_by",close_by);
      if(magic>0)
         m_writer.LongAt("magic",magic);
      Execute(execute);
      AskCommand(id,execute);
      return(result.approved);
     }
   //--- true: the stops may be changed so, or with `execute` they were. QM_KEEP leaves one as it is, 0 removes it
   bool              SendTradeModify(const string ea_name,const ulong ticket,const double new_sl,const double new_tp,
                                     const bool execute=false,const long magic=0,const double new_price=QM_KEEP)
     {
      string id=BeginMessage("trade_modify",ea_name);
      m_writer.UlongAt("ticket",ticket);
      if(new_sl>=0.0)
         m_writer.NumberAt("new_sl",new_sl,QM_PRICE_DIGITS);
      if(new_tp>=0.0)
         m_writer.NumberAt("new_tp",new_tp,QM_PRICE_DIGITS);
      if(new_price>=0.0)
         m_writer.NumberAt("new_price",new_price,QM_PRICE_DIGITS);
      if(magic>0)
         m_writer.LongAt("magic",magic);
      Execute(execute);
      AskCommand(id,execute);
      return(result.approved);
     }
   //--- true: the pending order may be taken back, or with `execute` it was
   bool              SendTradeCancel(const string ea_name,const ulong ticket,const bool execute=false,const long magic=0)
     {
      string id=BeginMessage("trade_cancel",ea_name);
      m_writer.UlongAt("ticket",ticket);
      if(magic>0)
         m_writer.LongAt("magic",magic);
      Execute(execute);
      AskCommand(id,execute);
      return(result.approved);
     }
   //--- how a trade came out that was approved and that the EA placed by itself; volume 0: it was not placed
   bool              SendTradeResult(const string ea_name,const string approval_id,const ulong ticket,const double price,
                                     const double volume,const uint retcode)
     {
      string id=BeginMessage("trade_result",ea_name);
      m_writer.TextAt("approval_id",approval_id);
      m_writer.NumberAt("volume",volume,QM_VOLUME_DIGITS);
      if(ticket>0)
         m_writer.UlongAt("ticket",ticket);
      if(price>0.0)
         m_writer.NumberAt("price",price,QM_PRICE_DIGITS);
      if(retcode>0)
         m_writer.LongAt("retcode",(long)retcode);
      AskCommand(id,false);
      return(result.status==QM_SUCCESS);
     }
   //--- true: the gateway answered. `result` has the trading state and the floors of the account
   bool              SendHeartbeat(const string ea_name,const string symbol,const long magic,double &risk_multiplier)
     {
      risk_multiplier=0.0;
      string id=BeginMessage("heartbeat",ea_name);
      m_writer.TextAt("symbol",symbol);
      m_writer.LongAt("magic",magic);
      m_writer.NumberAt("balance",AccountInfoDouble(ACCOUNT_BALANCE),QM_MONEY_DIGITS);
      m_writer.NumberAt("equity",AccountInfoDouble(ACCOUNT_EQUITY),QM_MONEY_DIGITS);
      m_writer.TextAt("version",QM_VERSION);
      AskCommand(id,false);
      if(result.status==QM_SUCCESS)
         risk_multiplier=result.risk_multiplier;
      return(result.status==QM_SUCCESS);
     }
   //--- true: the EA's own multiplier is this now; raising it needs a token with scope admin
   bool              SendRiskUpdate(const string ea_name,const double new_multiplier)
     {
      string id=BeginMessage("risk_update",ea_name);
      m_writer.NumberAt("risk_multiplier",new_multiplier,QM_VOLUME_DIGITS);
      AskCommand(id,false);
      return(result.status==QM_SUCCESS);
     }
   //--- the oldest request of which nobody knows what became; empty: there is none
   string            UnknownRequest(void) const          { return(m_unknown_count>0 ? m_unknown_id[0] : ""); }
   int               UnknownRequests(void) const         { return(m_unknown_count); }
   //--- ask what became of them, by the same messages with the same ids, which never trade twice. True: all are known
   //--- now, and `result` says it of the last
   bool              ResolveUnknown(void)                { return(Resolved(m_most_attempts)); }
  };

#endif
