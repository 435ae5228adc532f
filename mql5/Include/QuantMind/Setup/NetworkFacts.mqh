//+------------------------------------------------------------------+
//| NetworkFacts.mqh                                       QuantMind  |
//| How the terminal's network functions behave where the Reference   |
//| does not say it. Needs no token, and changes nothing.             |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_SETUP_NETWORKFACTS_MQH
#define QUANTMIND_SETUP_NETWORKFACTS_MQH

#include <QuantMind/Setup/Wire.mqh>

#define QM_NOBODY_HOST       "192.0.2.1"    // reserved for documentation (RFC 5737): nobody has it
#define QM_NOBODY_PORT       1              // nobody listens there
#define QM_BEATS             200
#define QM_BEATS_MS          2000

//+------------------------------------------------------------------+
//| Microseconds of many tries                                        |
//+------------------------------------------------------------------+
class CSetupTimes
  {
private:
   double            m_us[];
   int               m_count;
public:
                     CSetupTimes(void) { m_count=0; }
   int               Count(void) const           { return(m_count); }
   void              Add(const double us)
     {
      if(ArraySize(m_us)<=m_count)
         ArrayResize(m_us,m_count+256);
      m_us[m_count]=us;
      m_count++;
     }
   string            Describe(void)
     {
      if(m_count==0)
         return("none");
      ArrayResize(m_us,m_count);
      ArraySort(m_us);
      int last=MathMin(m_count-1,m_count*99/100);
      return("p50 "+DoubleToString(m_us[m_count/2],0)+" us, p99 "+DoubleToString(m_us[last],0)+" us, most "
             +DoubleToString(m_us[m_count-1],0)+" us of "+IntegerToString(m_count));
     }
  };
//+------------------------------------------------------------------+
//| A connection attempt and how it ends                              |
//+------------------------------------------------------------------+
string QMTryConnect(const string host,const uint port,const uint timeout_ms)
  {
   ResetLastError();
   int handle=SocketCreate();
   if(handle==INVALID_HANDLE)
      return("no socket, error "+IntegerToString(GetLastError()));
   ResetLastError();
   ulong begun=GetTickCount64();
   bool done=SocketConnect(handle,host,port,timeout_ms);
   int  code=GetLastError();
   long took=(long)(GetTickCount64()-begun);
   SocketClose(handle);
   return((done ? "connected" : "refused")+", error "+IntegerToString(code)+", after "+IntegerToString(took)+" ms of "+IntegerToString(timeout_ms));
  }
void QMAddressFacts(CSetupReport &report,const CSetupPlace &place)
  {
   if(report.Skips("facts of addresses"))
      return;
   report.Fact("connect_address_not_listed",QMTryConnect(QM_NOBODY_HOST,QM_NOBODY_PORT,300));
   CSocketClient http;
   string response="";
   http.SetBaseUrl("http://"+QM_NOBODY_HOST+":"+IntegerToString(QM_NOBODY_PORT));
   http.SetTimeout(300);
   ulong begun=GetTickCount64();
   int status=http.Get("/",response);
   report.Fact("webrequest_address_not_listed",IntegerToString(status)+", error "+IntegerToString(http.LastError())+", after "
               +IntegerToString((long)(GetTickCount64()-begun))+" ms");
   report.Fact("connect_refused_port",QMTryConnect(place.host,QM_NOBODY_PORT,QM_SETUP_CONNECT_MS));
   if(place.rest_port==0)
      return;
   http.SetBaseUrl("http://"+place.Address(place.rest_port));
   http.SetTimeout(QM_SETUP_ANSWER_MS);
   status=http.Get("/health",response);
   report.Fact("webrequest_other_port","port "+IntegerToString(place.rest_port)+": "+IntegerToString(status)+", error "+IntegerToString(http.LastError()));
  }
//+------------------------------------------------------------------+
//| Wait until so many bytes are there; how many are                  |
//+------------------------------------------------------------------+
uint QMWaitFor(const int handle,const uint count,const uint timeout_ms)
  {
   ulong begun=GetTickCount64();
   uint there=SocketIsReadable(handle);
   while(there<count && GetTickCount64()-begun<timeout_ms && !IsStopped())
     {
      Sleep(10);
      there=SocketIsReadable(handle);
     }
   return(there);
  }
string QMReadOnce(const int handle,uchar &bytes[],const uint wanted,const uint timeout_ms)
  {
   ResetLastError();
   ulong begun=GetMicrosecondCount();
   int got=SocketRead(handle,bytes,wanted,timeout_ms);
   int code=GetLastError();
   long took=(long)(GetMicrosecondCount()-begun)/1000;
   return(IntegerToString(got)+", error "+IntegerToString(code)+", after "+IntegerToString(took)+" ms of "+IntegerToString(timeout_ms)
          +", connected "+QMYesNo(SocketIsConnected(handle)));
  }
//--- read all that is there, and what comes within a moment
void QMDrain(const int handle)
  {
   uchar bytes[];
   ulong begun=GetTickCount64();
   while(GetTickCount64()-begun<500 && !IsStopped())
     {
      uint there=SocketIsReadable(handle);
      ArrayResize(bytes,0);
      if(SocketRead(handle,bytes,there<1 ? 1 : there,50)<=0)
         break;
     }
  }
//+------------------------------------------------------------------+
//| A peer that says nothing until it is asked, answers, and closes   |
//+------------------------------------------------------------------+
void QMSilentPeerFacts(CSetupReport &report,const CSetupPlace &place)
  {
   if(place.rest_port==0 || report.Skips("facts of sockets"))
      return;
   int handle=SocketCreate();
   if(handle==INVALID_HANDLE)
      return;
   uchar bytes[];
   if(SocketConnect(handle,place.host,place.rest_port,QM_SETUP_CONNECT_MS))
     {
      uint first=SocketIsReadable(handle);
      uint second=SocketIsReadable(handle);
      Sleep(20);
      uint third=SocketIsReadable(handle);
      report.Fact("socket_readable_empty",IntegerToString(first)+" then "+IntegerToString(second)+" then "+IntegerToString(third));
      ArrayResize(bytes,0);
      report.Fact("socket_read_timeout",QMReadOnce(handle,bytes,1,100));
      report.Fact("socket_readable_after_timeout",IntegerToString(SocketIsReadable(handle)));
      report.FactBool("socket_writable",SocketIsWritable(handle));
      uchar question[];
      int size=QMTextToBytes("GET /health HTTP/1.1\r\nHost: "+place.Address(place.rest_port)+"\r\nConnection: close\r\n\r\n",question);
      int sent=SocketSend(handle,question,(uint)size);
      report.Fact("socket_send",IntegerToString(sent)+" of "+IntegerToString(size));
      uint there=QMWaitFor(handle,20,1000);
      if(there>=20)
        {
         ArrayResize(bytes,0);
         string said=QMReadOnce(handle,bytes,5,100);
         report.Fact("socket_read_5_into_0",said+", array "+IntegerToString(ArraySize(bytes)));
         ArrayResize(bytes,8);
         ArrayInitialize(bytes,0);
         said=QMReadOnce(handle,bytes,5,100);
         int at=-1;
         for(int i=ArraySize(bytes)-1; i>=0; i--)
            if(bytes[i]!=0)
               at=i;
         report.Fact("socket_read_5_into_8",said+", array "+IntegerToString(ArraySize(bytes))+", first byte at "+IntegerToString(at));
        }
      QMDrain(handle);
      Sleep(50);
      report.Fact("socket_peer_closed","readable "+IntegerToString(SocketIsReadable(handle))+", connected "+QMYesNo(SocketIsConnected(handle))
                  +", writable "+QMYesNo(SocketIsWritable(handle)));
      ArrayResize(bytes,0);
      report.Fact("socket_peer_closed_read",QMReadOnce(handle,bytes,1,100));
     }
   SocketClose(handle);
  }
//+------------------------------------------------------------------+
//| More is asked for than is there: the gateway's greeting has 64    |
//| bytes, and little comes behind it                                 |
//+------------------------------------------------------------------+
void QMShortReadFacts(CSetupReport &report,const CSetupPlace &place)
  {
   if(report.Skips("facts of short reads"))
      return;
   CSetupWire wire;
   uchar bytes[];
   if(!wire.Greet(place))
      return;
   QMWaitFor(wire.Handle(),64,500);
   Sleep(50);
   uint there=SocketIsReadable(wire.Handle());
   ArrayResize(bytes,0);
   string said=QMReadOnce(wire.Handle(),bytes,200,300);
   report.Fact("socket_read_too_much","of 200 with "+IntegerToString(there)+" there: "+said+", array "+IntegerToString(ArraySize(bytes))
               +", still readable "+IntegerToString(SocketIsReadable(wire.Handle())));
   QMDrain(wire.Handle());
   uint first=SocketIsReadable(wire.Handle());
   uint second=SocketIsReadable(wire.Handle());
   report.Fact("socket_readable_drained",IntegerToString(first)+" then "+IntegerToString(second));
  }
//+------------------------------------------------------------------+
//| Question and answer. Two writes that take much longer than one    |
//| say that small ones are held back (no TCP_NODELAY)                |
//+------------------------------------------------------------------+
void QMRoundTripFacts(CSetupReport &report,const CSetupPlace &place)
  {
   CSetupWire wire;
   for(int writes=1; writes<=2; writes++)
     {
      string name=(writes==1 ? "round_trip" : "round_trip_two_writes");
      if(report.Skips(name))
         return;
      if(!wire.Greet(place) || !wire.Shake(QM_SETUP_ANSWER_MS))
        {
         report.Fact(name,"none: no handshake");
         return;
        }
      CSetupTimes times;
      int   failed=0;
      ulong begun=GetTickCount64();
      for(int i=0; i<QM_BEATS && failed==0 && GetTickCount64()-begun<QM_BEATS_MS && !IsStopped(); i++)
        {
         long took=wire.Beat(place,writes);
         if(took<0)
            failed++;
         else
            times.Add((double)took);
        }
      report.Fact(name,times.Describe()+(failed>0 ? ", then no answer or an error" : ""));
     }
  }

#endif
