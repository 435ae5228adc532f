//+------------------------------------------------------------------+
//| Wire.mqh                                               QuantMind  |
//| One connection to the gateway's command port whose single reads   |
//| and writes can be watched, to measure what a terminal does.       |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_SETUP_WIRE_MQH
#define QUANTMIND_SETUP_WIRE_MQH

#include <QuantMind/Json.mqh>
#include <QuantMind/Setup/Gateway.mqh>
#include <QuantMind/Zmtp.mqh>

//+------------------------------------------------------------------+
//| REQ over a socket of its own                                      |
//+------------------------------------------------------------------+
class CSetupWire
  {
private:
   int               m_handle;
   CZmtpSession      m_session;
   CJsonReader       m_json;
   CJsonWriter       m_writer;
   int               m_asked;

   //--- what has come, or what comes within a time
   bool              Take(const uint wait_ms)
     {
      uchar bytes[];
      uint there=SocketIsReadable(m_handle);
      if(there<1)
         there=1;
      int got=SocketRead(m_handle,bytes,there,wait_ms);
      if(got<=0)
         return(SocketIsConnected(m_handle));
      return(m_session.Take(bytes,0,got,GetTickCount64()));
     }
   //--- what waits to be sent, in so many writes, or more where the terminal takes less at once
   bool              Send(const int writes)
     {
      uchar bytes[];
      uchar piece[];
      int size=m_session.PeekUnsent(bytes,ZMTP_SEND_AT_ONCE);
      int most=(writes>1 ? MathMax(1,(size+writes-1)/writes) : size);
      int from=0;
      while(from<size)
        {
         int count=MathMin(most,size-from);
         ArrayResize(piece,count);
         ArrayCopy(piece,bytes,0,from,count);
         int sent=SocketSend(m_handle,piece,(uint)count);
         if(sent<1)
            return(false);
         from+=sent;
        }
      m_session.Sent(from);
      return(true);
     }

public:
                     CSetupWire(void)
     {
      m_handle=INVALID_HANDLE;
      m_asked=0;
     }
                    ~CSetupWire(void) { Close(); }
   int               Handle(void) const          { return(m_handle); }
   void              Close(void)
     {
      if(m_handle!=INVALID_HANDLE)
         SocketClose(m_handle);
      m_handle=INVALID_HANDLE;
      m_session.Reset();
     }
   //--- a connection, on which our greeting has been sent and nothing was read
   bool              Greet(const CSetupPlace &place)
     {
      Close();
      m_handle=SocketCreate();
      if(m_handle==INVALID_HANDLE || !SocketConnect(m_handle,place.host,place.command_port,QM_SETUP_CONNECT_MS))
         return(false);
      SocketTimeouts(m_handle,1000,1000);
      m_session.SetType(ZMTP_REQ);
      m_session.SetPlain(place.User(),place.token);
      m_session.Begin(GetTickCount64());
      return(Send(1));
     }
   bool              Shake(const uint timeout_ms)
     {
      ulong begun=GetTickCount64();
      while(m_session.State()!=ZMTP_READY && m_session.State()!=ZMTP_FAILED && !IsStopped())
        {
         if(GetTickCount64()-begun>=timeout_ms || !Take(20) || !Send(1))
            return(false);
        }
      return(m_session.State()==ZMTP_READY);
     }
   //--- a heartbeat in so many writes; microseconds until its answer, -1: there was none, or it was an error
   long              Beat(const CSetupPlace &place,const int writes)
     {
      CZmtpMessage question;
      CZmtpMessage answer;
      uchar        bytes[];
      m_asked++;
      m_writer.Clear();
      m_writer.BeginObject();
      m_writer.TextAt("type","heartbeat");
      m_writer.TextAt("request_id",IntegerToString((long)GetMicrosecondCount())+"-"+IntegerToString(m_asked));
      m_writer.TextAt("ea_name",place.ea_name);
      if(place.broker!="")
         m_writer.TextAt("broker",place.broker);
      if(place.token!="" && !place.plain)
         m_writer.TextAt("token",place.token);
      m_writer.EndObject();
      question.AddEmpty();
      question.AddString(m_writer.ToString());
      if(!m_session.Send(question))
         return(-1);
      ulong begun=GetMicrosecondCount();
      if(!Send(writes))
         return(-1);
      while(!m_session.Receive(answer))
        {
         if(GetMicrosecondCount()-begun>1000000 || IsStopped() || !Take(200))
            return(-1);
        }
      long took=(long)(GetMicrosecondCount()-begun);
      //--- the gateway's pings
      Send(1);
      int size=answer.GetBytes(answer.Count()-1,bytes);
      if(!m_json.Parse(bytes,0,size) || m_json.TextOf(m_json.Root(),"status")!="success")
         return(-1);
      return(took);
     }
  };

#endif
