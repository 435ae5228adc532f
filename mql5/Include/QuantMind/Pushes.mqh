//+------------------------------------------------------------------+
//| Pushes.mqh                                             QuantMind  |
//| What the gateway says without being asked (5557): the multiplier  |
//| of an EA and the state of an account, as soon as they change. An  |
//| EA need not wait for its next heartbeat.                          |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_PUSHES_MQH
#define QUANTMIND_PUSHES_MQH

#include <QuantMind/Json.mqh>
#include <QuantMind/Zmtp.mqh>

#define QM_MOST_PUSHES  64             // of one Poll: the rest with the next one

//+------------------------------------------------------------------+
//| A subscriber to `risk.EA_NAME` and `state.BROKER`                 |
//+------------------------------------------------------------------+
class CQuantMindPushes
  {
private:
   CZmtpSocket       m_zmtp;
   CJsonReader       m_json;
   string            m_risk_topic;
   string            m_state_topic;
   int               m_connections;
   long              m_risk_seq;
   long              m_state_seq;

   bool              Take(const CZmtpMessage &message)
     {
      uchar bytes[];
      string topic=message.GetString(0);
      int size=message.GetBytes(message.Count()-1,bytes);
      if(message.Count()<2 || !m_json.Parse(bytes,0,size))
         return(false);
      int root=m_json.Root();
      if(topic==m_risk_topic)
         return(TakeRisk(root));
      if(topic==m_state_topic)
         return(TakeState(root));
      return(false);
     }
   bool              TakeRisk(const int root)
     {
      if(m_json.Type(m_json.Find(root,"risk_multiplier"))!=JSON_NUMBER)
         return(false);
      m_risk_seq=m_json.LongOf(root,"seq");
      has_multiplier=true;
      risk_multiplier=m_json.NumberOf(root,"risk_multiplier");
      return(true);
     }
   bool              TakeState(const int root)
     {
      string said=m_json.TextOf(root,"trading_state");
      if(said=="")
         return(false);
      m_state_seq=m_json.LongOf(root,"seq");
      trading_state=said;
      cause=m_json.TextOf(root,"cause");
      has_floor=(m_json.Type(m_json.Find(root,"floor"))==JSON_NUMBER);
      floor_now=m_json.NumberOf(root,"floor");
      next_floor=m_json.NumberOf(root,"next_floor");
      next_reset=m_json.NumberOf(root,"next_reset");
      return(true);
     }

public:
   bool              has_multiplier;      // one was pushed on this connection
   double            risk_multiplier;
   string            trading_state;       // active, reduce_only or halted; empty: none was pushed on this connection
   string            cause;
   bool              has_floor;
   double            floor_now;
   double            next_floor;
   double            next_reset;          // Unix seconds

                     CQuantMindPushes(void)
     {
      m_risk_topic="";
      m_state_topic="";
      m_connections=0;
      Forget();
     }
   void              Forget(void)
     {
      m_risk_seq=0;
      m_state_seq=0;
      has_multiplier=false;
      risk_multiplier=0.0;
      trading_state="";
      cause="";
      has_floor=false;
      floor_now=0.0;
      next_floor=0.0;
      next_reset=0.0;
     }
   //--- `broker` may be empty: then only the multiplier is heard
   void              Configure(const string host,const uint port,const string ea_name,const string broker)
     {
      m_risk_topic="risk."+ea_name;
      m_state_topic=(broker=="" ? "" : "state."+broker);
      m_zmtp.Configure(host,port,ZMTP_SUB);
      m_zmtp.SetHeartbeat(1000);
      m_zmtp.Subscribe(m_risk_topic);
      if(m_state_topic!="")
         m_zmtp.Subscribe(m_state_topic);
     }
   void              SetPlain(const string user,const string token)   { m_zmtp.SetPlain(user,token); }
   //--- take in what has come, never waiting for more. True: something has changed. What was pushed before a connection
   //--- was made is heard with the next heartbeat, so a new one forgets it
   bool              Poll(void)
     {
      m_zmtp.Poll(0);
      bool changed=false;
      if(m_zmtp.Connections()!=m_connections)
        {
         m_connections=m_zmtp.Connections();
         Forget();
         changed=true;
        }
      CZmtpMessage message;
      for(int i=0; i<QM_MOST_PUSHES && m_zmtp.Receive(message); i++)
         changed=(Take(message) || changed);
      return(changed);
     }
   bool              IsConnected(void) const     { return(m_zmtp.IsReady()); }
   string            Error(void) const           { return(m_zmtp.Error()); }
   long              StateSeq(void) const        { return(m_state_seq); }
   long              RiskSeq(void) const         { return(m_risk_seq); }
   void              Close(void)                 { m_zmtp.Close(); }
  };

#endif
