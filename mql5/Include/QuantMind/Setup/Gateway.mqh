//+------------------------------------------------------------------+
//| Gateway.mqh                                            QuantMind  |
//| A look at the way to the gateway: what the terminal lets programs |
//| reach, who answers there, and what it says to a heartbeat.        |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_SETUP_GATEWAY_MQH
#define QUANTMIND_SETUP_GATEWAY_MQH

#include <QuantMind/Setup/Report.mqh>
#include <QuantMind/Utils/Sockets.mqh>

#define QM_SETUP_CONNECT_MS  1000
#define QM_SETUP_ANSWER_MS   2000
#define QM_CLOCKS_APART_S    5.0

//+------------------------------------------------------------------+
//| Where the gateway is, and who asks. A port of 0 is not looked at  |
//+------------------------------------------------------------------+
class CSetupPlace
  {
public:
   string            host;
   uint              command_port;
   uint              push_port;
   uint              rest_port;
   uint              fast_port;           // commands over HTTP
   string            token;
   bool              plain;
   string            ea_name;
   string            broker;
                     CSetupPlace(void)
     {
      command_port=0;
      push_port=0;
      rest_port=0;
      fast_port=0;
      plain=false;
     }
   string            Address(const uint port) const { return(host+":"+IntegerToString(port)); }
   //--- an empty user is NULL
   string            User(void) const               { return(plain ? "ea" : ""); }
  };
//+------------------------------------------------------------------+
//| What is to be entered in the terminal                             |
//+------------------------------------------------------------------+
string QMListAdvice(const string host,const string url)
  {
   return("the terminal lets no program reach it (4014): under Tools > Options > Expert Advisors tick \"Allow WebRequest for listed URL\" and add the line "
          +host+" (if it is there already, also "+url+")");
  }
//+------------------------------------------------------------------+
//| Looks at it                                                       |
//+------------------------------------------------------------------+
class CSetupGateway
  {
private:
   bool              m_commands;          // somebody listens at the command port
   bool              m_rest;
   bool              m_heard;             // a heartbeat was answered, if only by a refusal
   bool              m_taken;
   double            m_ahead_s;           // the gateway's clock less this computer's

   void              Trouble(CSetupReport &report,const bool needed,const string what,const string detail) const
     {
      if(needed)
         report.Fail(what,detail);
      else
         report.Look(what,detail);
     }
   //--- whether a native socket gets there
   bool              Reaches(CSetupReport &report,const CSetupPlace &place,const string what,const uint port,const bool needed) const
     {
      string address=place.Address(port);
      ResetLastError();
      int handle=SocketCreate();
      int code=GetLastError();
      if(handle==INVALID_HANDLE)
        {
         Trouble(report,needed,what,code==QM_NOT_ALLOWED ? QMListAdvice(place.host,"http://"+address) : "no socket for "+address+": "+QMAdvice(code,address));
         return(false);
        }
      ResetLastError();
      ulong begun=GetMicrosecondCount();
      bool reached=SocketConnect(handle,place.host,port,QM_SETUP_CONNECT_MS);
      code=GetLastError();
      long took_us=(long)(GetMicrosecondCount()-begun);
      SocketClose(handle);
      if(reached)
        {
         report.Ok(what,address+" is reached by a native socket within "+DoubleToString((double)took_us/1000.0,1)+" ms");
         return(true);
        }
      if(code==QM_NOT_ALLOWED)
         Trouble(report,needed,what,address+": "+QMListAdvice(place.host,"http://"+address));
      else
         Trouble(report,needed,what,QMAdvice(code,address)+" (error "+IntegerToString(code)+", after "+IntegerToString(took_us/1000)+" ms)");
      return(false);
     }
   bool              Answers(CSetupReport &report,const CSetupPlace &place,const string what,const uint port,const bool needed) const
     {
      CSocketClient http;
      string url="http://"+place.Address(port);
      string response="";
      http.SetBaseUrl(url);
      http.SetTimeout(QM_SETUP_ANSWER_MS);
      ulong begun=GetTickCount64();
      int status=http.Get("/health",response);
      string took=IntegerToString((long)(GetTickCount64()-begun))+" ms";
      if(status==200)
        {
         report.Ok(what,url+"/health answers by WebRequest within "+took);
         return(true);
        }
      if(status>0)
        {
         Trouble(report,needed,what,url+"/health answers "+IntegerToString(status)+": is it the port of the gateway?");
         return(true);
        }
      int code=http.LastError();
      if(code==QM_NOT_ALLOWED)
         Trouble(report,needed,what,url+": "+QMListAdvice(place.host,url));
      else
         Trouble(report,needed,what,http.LastErrorMessage()+" (error "+IntegerToString(code)+", after "+took+")");
      return(false);
     }
   //--- a port with another mechanism may say so, or just end the connection
   string            WhyNoHandshake(const CSetupPlace &place,const uint port,const string error) const
     {
      string why=error;
      if(why=="")
         why="no ZMTP handshake within "+IntegerToString(QM_SETUP_ANSWER_MS)+" ms at "+place.Address(port)+": is it the port of something else?";
      if(StringFind(why,"mechanism")>=0 || StringFind(why,"refused")>=0)
         return(why);
      return(why+(place.plain ? "; if the port has no PLAIN switch the input Plain off" : "; if the port has PLAIN switch the input Plain on and give a token"));
     }
   //--- ZMTP up to the end of its handshake
   void              ShakesHands(CSetupReport &report,const CSetupPlace &place,const string what,const uint port,const ENUM_ZMTP_TYPE type,const bool needed) const
     {
      CZmtpSocket socket;
      socket.Configure(place.host,port,type);
      socket.SetPlain(place.User(),place.token);
      socket.SetConnectTimeout(QM_SETUP_CONNECT_MS);
      bool ready=socket.Connect(QM_SETUP_ANSWER_MS);
      string error=socket.Error();
      socket.Close();
      if(ready)
         report.Ok(what,"ZMTP with "+(place.plain ? "PLAIN" : "NULL")+" at "+place.Address(port));
      else
         Trouble(report,needed,what,WhyNoHandshake(place,port,error));
     }
   void              SayHeartbeat(CSetupReport &report,const CQuantMindResult &result) const
     {
      string floors="no floor";
      if(result.has_floor)
         floors="floor "+DoubleToString(result.floor_now,2)+", "+DoubleToString(result.next_floor,2)+" after the next reset at "
                +TimeToString((datetime)(long)result.next_reset,TIME_DATE|TIME_MINUTES)+" UTC";
      string text="risk multiplier "+DoubleToString(result.risk_multiplier,4)+", trading state "+result.trading_state+", "+floors;
      if(result.trading_state=="active")
         report.Ok("heartbeat",text);
      else
         report.Look("heartbeat",text+(result.cause=="" ? "" : ", since "+result.cause)+": see quantmind status");
     }
   void              SayRefusal(CSetupReport &report,const CSetupPlace &place,const CQuantMindResult &result) const
     {
      string said=result.code+": "+result.message;
      if(result.code=="unauthorized")
         report.Fail("heartbeat","the gateway does not take the token ("+said+"): make one with quantmind token add NAME --scope ea, and give it as the input Token");
      else if(result.code=="forbidden")
         report.Fail("heartbeat","the token may not send heartbeats of "+place.ea_name+" ("+said+"): give one of scope ea that may speak for that name; that of the bridge is for the bridge only");
      else if(result.code=="broker_required" || result.code=="unknown_broker")
         report.Fail("heartbeat","the gateway does not know which account is meant ("+said+"): write its name for it, as in brokers.yaml, as the input Broker");
      else
         report.Fail("heartbeat",said);
     }

public:
                     CSetupGateway(void)
     {
      m_commands=false;
      m_rest=false;
      m_heard=false;
      m_taken=false;
      m_ahead_s=0.0;
     }
   bool              ReachesCommands(void) const { return(m_commands); }
   bool              ReachesRest(void) const     { return(m_rest); }
   bool              TakesHeartbeats(void) const { return(m_taken); }

   void              CheckAddresses(CSetupReport &report,const CSetupPlace &place)
     {
      if(place.command_port>0 && !report.Skips("command port"))
         m_commands=Reaches(report,place,"command port",place.command_port,true);
      if(place.push_port>0 && !report.Skips("push port") && Reaches(report,place,"push port",place.push_port,false))
         ShakesHands(report,place,"push handshake",place.push_port,ZMTP_SUB,false);
      if(place.rest_port>0 && !report.Skips("REST"))
         m_rest=Answers(report,place,"REST",place.rest_port,true);
      if(place.fast_port>0 && !report.Skips("commands over HTTP"))
         Answers(report,place,"commands over HTTP",place.fast_port,false);
     }
   void              CheckCommands(CSetupReport &report,const CSetupPlace &place)
     {
      if(!m_commands || report.Skips("handshake"))
         return;
      ShakesHands(report,place,"handshake",place.command_port,ZMTP_REQ,true);
      if(report.Skips("heartbeat"))
         return;
      CQuantMindSocket gateway;
      double multiplier=0.0;
      gateway.SetServer(place.host,place.command_port);
      gateway.SetToken(place.token);
      gateway.SetPlain(place.User());
      gateway.SetBroker(place.broker);
      gateway.SetAttempts(1);
      gateway.SetTimeout(QM_SETUP_ANSWER_MS);
      m_taken=gateway.SendHeartbeat(place.ea_name,_Symbol,0,multiplier);
      if(gateway.result.timestamp>0.0)
        {
         m_heard=true;
         m_ahead_s=gateway.result.timestamp-(double)TimeGMT();
        }
      if(m_taken)
         SayHeartbeat(report,gateway.result);
      else if(gateway.result.status==QM_ERROR)
         SayRefusal(report,place,gateway.result);
      else
         report.Fail("heartbeat",gateway.LastErrorMessage());
      gateway.Disconnect();
     }
   void              CheckToken(CSetupReport &report,const CSetupPlace &place)
     {
      if(place.token=="")
        {
         report.Ok("token","none is given: on this computer verdicts need none, and orders that the gateway is to carry out do");
         return;
        }
      if(!m_rest || report.Skips("token"))
         return;
      CSocketClient http;
      string response="";
      http.SetBaseUrl("http://"+place.Address(place.rest_port));
      http.SetTimeout(QM_SETUP_ANSWER_MS);
      http.SetToken(place.token);
      int status=http.Get("/account"+(place.broker=="" ? "" : "?broker="+place.broker),response);
      switch(status)
        {
         case -1:
            report.Look("token","no answer: "+http.LastErrorMessage());
            return;
         case 200:
            report.Ok("token","it is valid, and may read");
            return;
         case 401:
            report.Fail("token","the gateway does not know it (HTTP 401): make one with quantmind token add NAME --scope ea, and give it as the input Token");
            return;
         case 403:
            report.Ok("token","it is valid; it may not read, which an EA needs not");
            return;
        }
      if(status<500)
         report.Ok("token","it is valid; the account was not told ("+http.LastErrorMessage()+")");
      else
         report.Look("token",http.LastErrorMessage());
     }
   void              CheckClock(CSetupReport &report) const
     {
      if(!m_heard)
         return;
      string text="this computer's UTC is "+TimeToString(TimeGMT(),TIME_DATE|TIME_SECONDS)+", the gateway's clock is "
                  +DoubleToString(m_ahead_s,1)+" s ahead (whole seconds here)";
      if(MathAbs(m_ahead_s)>QM_CLOCKS_APART_S)
         report.Look("clock",text+": set this computer's clock (Windows: Settings > Time & language > Date & time > Sync now), or that of the gateway's computer");
      else
         report.Ok("clock",text);
     }
  };

#endif
