//+------------------------------------------------------------------+
//| Zmtp.mqh                                               QuantMind  |
//| ZMTP 3.1 (rfc.zeromq.org/spec/37) in pure MQL5, without a DLL:    |
//|  CZmtpMessage   frames of one message                             |
//|  CZmtpSession   the protocol alone: bytes in, bytes out           |
//|  CZmtpSocket    a session over the terminal's native sockets      |
//| A client only: the terminal can't listen. NULL and PLAIN; REQ,    |
//| DEALER, SUB and PUB. Nothing here waits but what says so.         |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_ZMTP_MQH
#define QUANTMIND_ZMTP_MQH

#include <QuantMind/Bytes.mqh>
#include <QuantMind/Advice.mqh>

#define ZMTP_GREETING_SIZE      64
#define ZMTP_FLAG_MORE          0x01
#define ZMTP_FLAG_LONG          0x02
#define ZMTP_FLAG_COMMAND       0x04
#define ZMTP_FLAGS_RESERVED     0xF8
#define ZMTP_MOST_FRAMES        64
#define ZMTP_MOST_COMMAND       8192        // bytes of a command: longer ones are nobody's
#define ZMTP_MOST_TOPICS        256
#define ZMTP_MOST_CONTEXT       16          // of a PING, by the protocol
#define ZMTP_DEFAULT_MESSAGE    4194304     // bytes of one message, all frames together
#define ZMTP_DEFAULT_UNSENT     1048576     // bytes that wait to be sent
#define ZMTP_READ_AT_ONCE       262144      // bytes that one Poll takes in at most
#define ZMTP_SEND_AT_ONCE       8192        // a writable socket takes as much without waiting
#define ZMTP_HANDSHAKE_MS       3000
#define ZMTP_PAUSE_MS           1000        // the program did not look for so long: it was stopped
#define ZMTP_FIRST_BACKOFF_MS   50
#define ZMTP_LONGEST_BACKOFF_MS 4000

enum ENUM_ZMTP_TYPE
  {
   ZMTP_REQ=0,
   ZMTP_DEALER=1,
   ZMTP_SUB=2,
   ZMTP_PUB=3
  };
enum ENUM_ZMTP_STATE
  {
   ZMTP_IDLE=0,          // no connection
   ZMTP_GREETING=1,
   ZMTP_HANDSHAKE=2,
   ZMTP_READY=3,
   ZMTP_FAILED=4         // the peer broke the protocol or refused us; Error() says how
  };

//+------------------------------------------------------------------+
//| The name of a socket's type on the wire                           |
//+------------------------------------------------------------------+
string ZmtpTypeName(const ENUM_ZMTP_TYPE type)
  {
   switch(type)
     {
      case ZMTP_REQ:
         return("REQ");
      case ZMTP_DEALER:
         return("DEALER");
      case ZMTP_SUB:
         return("SUB");
      case ZMTP_PUB:
         return("PUB");
     }
   return("");
  }
//+------------------------------------------------------------------+
//| Whether a peer of that type may be at the other end (spec/37)     |
//+------------------------------------------------------------------+
bool ZmtpGoesWith(const ENUM_ZMTP_TYPE type,const string peer)
  {
   switch(type)
     {
      case ZMTP_REQ:
         return(peer=="REP" || peer=="ROUTER");
      case ZMTP_DEALER:
         return(peer=="REP" || peer=="DEALER" || peer=="ROUTER");
      case ZMTP_SUB:
         return(peer=="PUB" || peer=="XPUB");
      case ZMTP_PUB:
         return(peer=="SUB" || peer=="XSUB");
     }
   return(false);
  }

//+------------------------------------------------------------------+
//| One message: its frames in one store of bytes                     |
//+------------------------------------------------------------------+
class CZmtpMessage
  {
private:
   uchar             m_data[];
   int               m_used;
   int               m_offset[];
   int               m_length[];
   int               m_count;

   void              AddFrame(const int size)
     {
      if(ArraySize(m_offset)<=m_count)
        {
         ArrayResize(m_offset,m_count+8);
         ArrayResize(m_length,m_count+8);
        }
      if(ArraySize(m_data)<m_used+size)
         ArrayResize(m_data,m_used+size,QM_BYTES_RESERVE);
      m_offset[m_count]=m_used;
      m_length[m_count]=size;
      m_used+=size;
      m_count++;
     }

public:
                     CZmtpMessage(void) { m_used=0; m_count=0; }
   void              Clear(void)                 { m_used=0; m_count=0; }
   int               Count(void) const           { return(m_count); }
   int               Length(const int i) const   { return(i>=0 && i<m_count ? m_length[i] : 0); }
   //--- bytes of all frames
   int               Total(void) const
     {
      int total=0;
      for(int i=0; i<m_count; i++)
         total+=m_length[i];
      return(total);
     }
   void              RemoveFirst(void)
     {
      for(int i=1; i<m_count; i++)
        {
         m_offset[i-1]=m_offset[i];
         m_length[i-1]=m_length[i];
        }
      if(m_count>0)
         m_count--;
     }
   void              AddEmpty(void)              { AddFrame(0); }
   void              AddBytes(const uchar &source[],const int start,const int size)
     {
      int at=m_used;
      AddFrame(size);
      if(size>0)
         ArrayCopy(m_data,source,at,start,size);
     }
   void              AddFrom(const CQuantMindBytes &source,const int start,const int size)
     {
      int at=m_used;
      AddFrame(size);
      source.CopyTo(m_data,at,start,size);
     }
   void              AddString(const string text)
     {
      uchar bytes[];
      int size=QMTextToBytes(text,bytes);
      AddBytes(bytes,0,size);
     }
   string            GetString(const int i) const
     {
      if(Length(i)==0)
         return("");
      return(CharArrayToString(m_data,m_offset[i],m_length[i],CP_UTF8));
     }
   //--- the bytes of a frame; returns how many
   int               GetBytes(const int i,uchar &target[]) const
     {
      int size=Length(i);
      ArrayResize(target,size);
      if(size>0)
         ArrayCopy(target,m_data,0,m_offset[i],size);
      return(size);
     }
   //--- as it goes over the wire
   void              Encode(CQuantMindBytes &out) const
     {
      for(int i=0; i<m_count; i++)
        {
         int size=m_length[i];
         int flags=(i<m_count-1 ? ZMTP_FLAG_MORE : 0);
         if(size>255)
           {
            out.AppendByte(flags|ZMTP_FLAG_LONG);
            out.AppendNumber((ulong)size,8);
           }
         else
           {
            out.AppendByte(flags);
            out.AppendByte(size);
           }
         out.Append(m_data,m_offset[i],size);
        }
     }
   //--- whether the first frame begins with these bytes
   bool              BeginsWith(const uchar &topic[],const int size) const
     {
      if(m_count==0 || m_length[0]<size)
         return(false);
      for(int i=0; i<size; i++)
         if(m_data[m_offset[0]+i]!=topic[i])
            return(false);
      return(true);
     }
   //--- a subscription as ZMTP 3.0 says it: 1 or 0, and the topic. -1: it is none
   int               SubscriptionByte(void) const
     {
      if(m_count!=1 || m_length[0]<1)
         return(-1);
      int first=m_data[m_offset[0]];
      return(first<=1 ? first : -1);
     }
  };

//+------------------------------------------------------------------+
//| A topic of a subscription                                         |
//+------------------------------------------------------------------+
class CZmtpTopic
  {
public:
   uchar             m_bytes[];
   int               m_size;
                     CZmtpTopic(void) { m_size=0; }
   void              Take(const uchar &source[],const int start,const int size)
     {
      ArrayResize(m_bytes,size);
      if(size>0)
         ArrayCopy(m_bytes,source,0,start,size);
      m_size=size;
     }
   bool              Same(const uchar &other[],const int start,const int size) const
     {
      if(size!=m_size)
         return(false);
      for(int i=0; i<size; i++)
         if(m_bytes[i]!=other[start+i])
            return(false);
      return(true);
     }
  };

//+------------------------------------------------------------------+
//| The protocol, without a socket. Times are milliseconds of a clock |
//| that only runs on.                                                |
//+------------------------------------------------------------------+
class CZmtpSession
  {
private:
   ENUM_ZMTP_TYPE    m_type;
   ENUM_ZMTP_STATE   m_state;
   string            m_identity;
   bool              m_plain;
   string            m_user;
   string            m_password;
   string            m_error;
   bool              m_refused;
   int               m_peer_minor;
   CQuantMindBytes   m_in;
   CQuantMindBytes   m_out;
   int               m_scan;              // bytes of m_in that are whole frames of a message that is not whole yet
   int               m_frames;            // how many
   int               m_most_message;
   int               m_most_unsent;
   CZmtpTopic        m_topics[];          // as SUB: ours, as PUB: the peer's
   int               m_topic_count;
   uint              m_ping_every_ms;
   ulong             m_heard_at;
   ulong             m_pinged_at;
   ulong             m_passed_at;         // when time was looked at last, 0: never
   bool              m_paused;            // it was not for long, and nothing was heard since
   ulong             m_begun_at;
   uint              m_peer_ttl_ms;
   ulong             m_pings_in;
   ulong             m_pongs_in;
   ulong             m_dropped;

   bool              Fail(const string why)
     {
      if(m_state!=ZMTP_FAILED)
        {
         m_error=why;
         m_state=ZMTP_FAILED;
        }
      return(false);
     }
   void              BeginCommand(const string name,const int body)
     {
      int size=1+StringLen(name)+body;
      if(size>255)
        {
         m_out.AppendByte(ZMTP_FLAG_COMMAND|ZMTP_FLAG_LONG);
         m_out.AppendNumber((ulong)size,8);
        }
      else
        {
         m_out.AppendByte(ZMTP_FLAG_COMMAND);
         m_out.AppendByte(size);
        }
      m_out.AppendByte(StringLen(name));
      m_out.AppendText(name);
     }
   void              SayCommand(const string name,const uchar &body[],const int size)
     {
      BeginCommand(name,size);
      m_out.Append(body,0,size);
     }
   void              SayMetadata(const string command)
     {
      uchar identity[];
      string type=ZmtpTypeName(m_type);
      int id=QMTextToBytes(m_identity,identity);
      int size=1+11+4+StringLen(type)+(id>0 ? 1+8+4+id : 0);
      BeginCommand(command,size);
      m_out.AppendByte(11);
      m_out.AppendText("Socket-Type");
      m_out.AppendNumber((ulong)StringLen(type),4);
      m_out.AppendText(type);
      if(id>0)
        {
         m_out.AppendByte(8);
         m_out.AppendText("Identity");
         m_out.AppendNumber((ulong)id,4);
         m_out.Append(identity,0,id);
        }
     }
   void              SayHello(void)
     {
      uchar user[];
      uchar password[];
      int user_size=QMTextToBytes(m_user,user);
      int password_size=QMTextToBytes(m_password,password);
      if(user_size>255 || password_size>255)
        {
         Fail("a user or a password may have 255 bytes at most");
         return;
        }
      BeginCommand("HELLO",2+user_size+password_size);
      m_out.AppendByte(user_size);
      m_out.Append(user,0,user_size);
      m_out.AppendByte(password_size);
      m_out.Append(password,0,password_size);
     }
   //--- a peer of 3.0 takes subscriptions as messages
   void              SayTopic(const CZmtpTopic &topic,const bool wanted)
     {
      if(m_peer_minor>=1)
        {
         SayCommand(wanted ? "SUBSCRIBE" : "CANCEL",topic.m_bytes,topic.m_size);
         return;
        }
      CZmtpMessage message;
      uchar bytes[];
      ArrayResize(bytes,1+topic.m_size);
      bytes[0]=(uchar)(wanted ? 1 : 0);
      if(topic.m_size>0)
         ArrayCopy(bytes,topic.m_bytes,1,0,topic.m_size);
      message.AddBytes(bytes,0,1+topic.m_size);
      message.Encode(m_out);
     }
   int               FindTopic(const uchar &bytes[],const int start,const int size) const
     {
      for(int i=0; i<m_topic_count; i++)
         if(m_topics[i].Same(bytes,start,size))
            return(i);
      return(-1);
     }
   bool              AddTopic(const uchar &bytes[],const int start,const int size)
     {
      if(m_topic_count>=ZMTP_MOST_TOPICS)
         return(false);
      if(ArraySize(m_topics)<=m_topic_count)
         ArrayResize(m_topics,m_topic_count+8);
      m_topics[m_topic_count].Take(bytes,start,size);
      m_topic_count++;
      return(true);
     }
   void              RemoveTopic(const int index)
     {
      m_topic_count--;
      if(index<m_topic_count)
         m_topics[index].Take(m_topics[m_topic_count].m_bytes,0,m_topics[m_topic_count].m_size);
     }
   //--- what a subscriber at the other end wants
   void              PeerTopic(const uchar &bytes[],const int start,const int size,const bool wanted)
     {
      if(wanted)
        {
         if(!AddTopic(bytes,start,size))
            Fail("the peer subscribes to more than "+IntegerToString(ZMTP_MOST_TOPICS)+" topics");
         return;
        }
      int index=FindTopic(bytes,start,size);
      if(index>=0)
         RemoveTopic(index);
     }
   //--- greeting: signature, version, mechanism
   bool              ReadGreeting(void)
     {
      if(m_in.Size()>0 && m_in.At(0)!=0xFF)
         return(Fail("the peer does not speak ZMTP: is it the port of something else?"));
      if(m_in.Size()<ZMTP_GREETING_SIZE)
         return(false);
      if((m_in.At(9)&0x01)==0 || m_in.At(10)<3)
         return(Fail("the peer speaks ZMTP "+IntegerToString(m_in.At(10))+", and 3 is needed"));
      int length=0;
      while(length<20 && m_in.At(12+length)!=0)
         length++;
      string mechanism=m_in.TextAt(12,length);
      string ours=(m_plain ? "PLAIN" : "NULL");
      if(mechanism!=ours)
         return(Fail("the peer has the mechanism "+mechanism+", and we have "+ours+": "
                     +(m_plain ? "leave user and password out, or use a port with PLAIN" : "give user and password, or use a port without PLAIN or CURVE")));
      m_peer_minor=m_in.At(11);
      m_in.Consume(ZMTP_GREETING_SIZE);
      m_state=ZMTP_HANDSHAKE;
      if(m_plain)
         SayHello();
      else
         SayMetadata("READY");
      return(m_state==ZMTP_HANDSHAKE);
     }
   //--- name-value pairs of READY; false: they are none, or of a peer that does not go with us
   bool              ReadMetadata(int at,const int end)
     {
      string type="";
      while(at<end)
        {
         int name_size=m_in.At(at);
         if(name_size==0 || at+1+name_size+4>end)
            return(Fail("the peer's metadata is malformed"));
         string name=m_in.TextAt(at+1,name_size);
         at+=1+name_size;
         ulong size=m_in.NumberAt(at,4);
         at+=4;
         if(size>(ulong)(end-at))
            return(Fail("the peer's metadata is malformed"));
         StringToLower(name);
         if(name=="socket-type")
            type=m_in.TextAt(at,(int)size);
         at+=(int)size;
        }
      if(!ZmtpGoesWith(m_type,type))
         return(Fail("the peer is a socket of type "+type+", which does not go with "+ZmtpTypeName(m_type)+": is it the right port?"));
      return(true);
     }
   void              BecomeReady(void)
     {
      m_state=ZMTP_READY;
      m_refused=false;
      if(m_type==ZMTP_SUB)
         for(int i=0; i<m_topic_count; i++)
            SayTopic(m_topics[i],true);
     }
   void              Refused(const string reason)
     {
      m_refused=true;
      Fail("the peer refused us: "+(reason=="" ? "it gave no reason" : reason)
           +(m_plain ? " (check user and token)" : ""));
     }
   //--- a command whose body is m_in from `at`, `size` bytes
   void              OnCommand(const int at,const int size)
     {
      if(size<1)
        {
         Fail("the peer sent a command without a name");
         return;
        }
      int name_size=m_in.At(at);
      //--- libzmq up to 4.3.5 writes PLAIN's ERROR as 0x5E "RROR": an escape of C that took in the E
      if(name_size==0x5E && size>=5 && m_in.TextAt(at+1,4)=="RROR")
        {
         Refused(size>6 ? m_in.TextAt(at+6,size-6) : "");
         return;
        }
      if(name_size<1 || name_size+1>size)
        {
         Fail("the peer sent a malformed command");
         return;
        }
      string name=m_in.TextAt(at+1,name_size);
      int body=at+1+name_size;
      int left=size-1-name_size;
      if(name=="ERROR")
        {
         int reason=(left>0 ? m_in.At(body) : 0);
         Refused(reason>0 && reason<left ? m_in.TextAt(body+1,reason) : "");
         return;
        }
      if(m_state==ZMTP_HANDSHAKE)
        {
         if(name=="WELCOME" && m_plain)
            SayMetadata("INITIATE");
         else if(name=="READY")
           {
            if(ReadMetadata(body,body+left))
               BecomeReady();
           }
         else
            Fail("the peer sent "+name+" in the middle of the handshake");
         return;
        }
      if(name=="PING")
         OnPing(body,left);
      else if(name=="PONG")
         m_pongs_in++;
      else if(m_type==ZMTP_PUB && (name=="SUBSCRIBE" || name=="CANCEL"))
        {
         uchar topic[];
         ArrayResize(topic,left);
         m_in.CopyTo(topic,0,body,left);
         PeerTopic(topic,0,left,name=="SUBSCRIBE");
        }
      //--- others are for sockets of other kinds, or of a later version
     }
   void              OnPing(const int body,const int left)
     {
      if(left<2 || left>2+ZMTP_MOST_CONTEXT)
        {
         Fail("the peer sent a malformed PING");
         return;
        }
      m_pings_in++;
      m_peer_ttl_ms=(uint)m_in.NumberAt(body,2)*100;
      uchar context[];
      ArrayResize(context,left-2);
      m_in.CopyTo(context,0,body+2,left-2);
      if(m_out.Size()<m_most_unsent)
         SayCommand("PONG",context,left-2);
     }
   //--- the frame that begins at `at`: 1 it is whole, 0 not yet, -1 the peer broke the protocol
   int               FrameAt(const int at,int &flags,int &body,int &size)
     {
      int have=m_in.Size()-at;
      if(have<2)
         return(0);
      flags=m_in.At(at);
      if((flags&ZMTP_FLAGS_RESERVED)!=0 || ((flags&ZMTP_FLAG_COMMAND)!=0 && (flags&ZMTP_FLAG_MORE)!=0))
        {
         Fail("the peer sent a frame with flags that there are not");
         return(-1);
        }
      ulong length=m_in.At(at+1);
      body=at+2;
      if((flags&ZMTP_FLAG_LONG)!=0)
        {
         if(have<9)
            return(0);
         length=m_in.NumberAt(at+1,8);
         body=at+9;
        }
      bool command=((flags&ZMTP_FLAG_COMMAND)!=0);
      if(command && length>ZMTP_MOST_COMMAND)
        {
         Fail("the peer sent a command of more than "+IntegerToString(ZMTP_MOST_COMMAND)+" bytes");
         return(-1);
        }
      //--- what was scanned counts its headers, so it may be a little over the limit already
      if(!command && (m_scan>m_most_message || length>(ulong)(m_most_message-m_scan)))
        {
         Fail("the peer sent a message of more than "+IntegerToString(m_most_message)+" bytes");
         return(-1);
        }
      size=(int)length;
      return(m_in.Size()-body>=size ? 1 : 0);
     }
   //--- take in what there is: the greeting, commands, and frames until a message is whole. True: one is
   bool              Advance(void)
     {
      if(m_state==ZMTP_GREETING && !ReadGreeting())
         return(false);
      int flags=0;
      int body=0;
      int size=0;
      while(m_state==ZMTP_HANDSHAKE || m_state==ZMTP_READY)
        {
         if(FrameAt(m_scan,flags,body,size)!=1)
            return(false);
         if((flags&ZMTP_FLAG_COMMAND)!=0)
           {
            if(m_scan!=0)
               return(Fail("the peer sent a command in the middle of a message"));
            OnCommand(body,size);
            m_in.Consume(body+size);
            continue;
           }
         if(m_state!=ZMTP_READY)
            return(Fail("the peer sent a message before the handshake"));
         m_frames++;
         if(m_frames>ZMTP_MOST_FRAMES)
            return(Fail("the peer sent a message of more than "+IntegerToString(ZMTP_MOST_FRAMES)+" frames"));
         m_scan=body+size;
         if((flags&ZMTP_FLAG_MORE)==0)
            return(true);
        }
      return(false);
     }

public:
                     CZmtpSession(void)
     {
      m_type=ZMTP_REQ;
      m_identity="";
      m_plain=false;
      m_user="";
      m_password="";
      m_error="";
      m_most_message=ZMTP_DEFAULT_MESSAGE;
      m_most_unsent=ZMTP_DEFAULT_UNSENT;
      m_topic_count=0;
      m_ping_every_ms=0;
      m_pings_in=0;
      m_pongs_in=0;
      m_dropped=0;
      m_refused=false;
      Reset();
     }
   void              SetType(const ENUM_ZMTP_TYPE type)            { m_type=type; }
   void              SetIdentity(const string identity)            { m_identity=identity; }
   void              SetHeartbeat(const uint every_ms)             { m_ping_every_ms=every_ms; }
   void              SetLimits(const int message_bytes,const int unsent_bytes)
     {
      m_most_message=message_bytes;
      m_most_unsent=unsent_bytes;
     }
   //--- an empty user: NULL
   void              SetPlain(const string user,const string password)
     {
      m_plain=(user!="");
      m_user=user;
      m_password=password;
     }
   ENUM_ZMTP_TYPE    SocketType(void) const      { return(m_type); }
   ENUM_ZMTP_STATE   State(void) const           { return(m_state); }
   string            Error(void) const           { return(m_error); }
   bool              WasRefused(void) const      { return(m_refused); }
   int               Topics(void) const          { return(m_topic_count); }
   ulong             PingsIn(void) const         { return(m_pings_in); }
   ulong             PongsIn(void) const         { return(m_pongs_in); }
   ulong             Dropped(void) const         { return(m_dropped); }

   //--- forget the connection; what a subscriber wants stays
   void              Reset(void)
     {
      m_state=ZMTP_IDLE;
      m_in.Clear();
      m_out.Clear();
      m_scan=0;
      m_frames=0;
      m_peer_minor=0;
      m_peer_ttl_ms=0;
      m_heard_at=0;
      m_pinged_at=0;
      m_passed_at=0;
      m_paused=false;
      m_begun_at=0;
      if(m_type==ZMTP_PUB)
         m_topic_count=0;
     }
   //--- a connection is there: what is to be said first waits in the output
   void              Begin(const ulong now_ms)
     {
      Reset();
      m_error="";
      m_state=ZMTP_GREETING;
      m_begun_at=now_ms;
      m_heard_at=now_ms;
      m_pinged_at=now_ms;
      string mechanism=(m_plain ? "PLAIN" : "NULL");
      m_out.AppendByte(0xFF);
      m_out.AppendNumber(0,8);
      m_out.AppendByte(0x7F);
      m_out.AppendByte(3);
      m_out.AppendByte(1);
      m_out.AppendText(mechanism);
      for(int i=12+StringLen(mechanism); i<ZMTP_GREETING_SIZE; i++)
         m_out.AppendByte(0);
     }
   //--- bytes from the peer; false: the session has failed
   bool              Take(const uchar &bytes[],const int start,const int count,const ulong now_ms)
     {
      if(count<=0)
         return(m_state!=ZMTP_FAILED);
      m_in.Append(bytes,start,count);
      m_heard_at=now_ms;
      m_paused=false;
      //--- what is at its front may be for the protocol alone
      if(m_scan==0)
         Settle();
      return(m_state!=ZMTP_FAILED);
     }
   //--- commands at the front of the input; a message stays until Receive takes it
   void              Settle(void)
     {
      int flags=0;
      int body=0;
      int size=0;
      if(m_state==ZMTP_GREETING && !ReadGreeting())
         return;
      while((m_state==ZMTP_HANDSHAKE || m_state==ZMTP_READY) && m_scan==0)
        {
         if(FrameAt(0,flags,body,size)!=1)
            return;
         if((flags&ZMTP_FLAG_COMMAND)==0)
           {
            if(m_state==ZMTP_HANDSHAKE)
               Fail("the peer sent a message before the handshake");
            return;
           }
         OnCommand(body,size);
         m_in.Consume(body+size);
        }
     }
   //--- one whole message; false: there is none yet
   bool              Receive(CZmtpMessage &message)
     {
      message.Clear();
      while(Advance())
        {
         int at=0;
         int flags=0;
         int body=0;
         int size=0;
         int end=m_scan;
         m_scan=0;
         m_frames=0;
         while(at<end && FrameAt(at,flags,body,size)==1)
           {
            message.AddFrom(m_in,body,size);
            at=body+size;
           }
         m_in.Consume(end);
         if(m_type!=ZMTP_PUB)
            return(true);
         //--- nothing but subscriptions comes to a publisher
         uchar bytes[];
         int count=message.GetBytes(0,bytes);
         int wanted=message.SubscriptionByte();
         if(wanted>=0)
            PeerTopic(bytes,1,count-1,wanted==1);
         message.Clear();
        }
      return(false);
     }
   //--- false: it can't be sent; what a publisher says that nobody wants, or that there is no room for, is left out
   bool              Send(const CZmtpMessage &message)
     {
      if(m_state!=ZMTP_READY || message.Count()==0)
         return(false);
      if(m_type==ZMTP_PUB && !IsWanted(message))
         return(true);
      if(m_out.Size()>0 && m_out.Size()+message.Total()>m_most_unsent)
        {
         m_dropped++;
         return(m_type==ZMTP_PUB);
        }
      message.Encode(m_out);
      return(true);
     }
   bool              IsWanted(const CZmtpMessage &message) const
     {
      for(int i=0; i<m_topic_count; i++)
         if(message.BeginsWith(m_topics[i].m_bytes,m_topics[i].m_size))
            return(true);
      return(false);
     }
   //--- of a SUB: before or after it is ready. Again: nothing happens. False: there are too many
   bool              Subscribe(const string topic)
     {
      uchar bytes[];
      int size=QMTextToBytes(topic,bytes);
      if(FindTopic(bytes,0,size)>=0)
         return(true);
      if(!AddTopic(bytes,0,size))
         return(false);
      if(m_state==ZMTP_READY)
         SayTopic(m_topics[m_topic_count-1],true);
      return(true);
     }
   void              Unsubscribe(const string topic)
     {
      uchar bytes[];
      int size=QMTextToBytes(topic,bytes);
      int index=FindTopic(bytes,0,size);
      if(index<0)
         return;
      if(m_state==ZMTP_READY)
         SayTopic(m_topics[index],false);
      RemoveTopic(index);
     }
   //--- time goes on: pings that are due, a peer that is silent. False: the session has failed
   bool              PassTime(const ulong now_ms)
     {
      if(m_state==ZMTP_IDLE || m_state==ZMTP_FAILED)
         return(m_state!=ZMTP_FAILED);
      if(m_state!=ZMTP_READY)
        {
         if(now_ms-m_begun_at>ZMTP_HANDSHAKE_MS)
            return(Fail("the peer did not finish the handshake within "+IntegerToString(ZMTP_HANDSHAKE_MS)+" ms: is it a ZeroMQ port?"));
         return(true);
        }
      //--- while the program did not run, or the computer slept, nothing could be heard: silence begins now, but once
      //--- only until something is heard again
      if(m_passed_at!=0 && now_ms-m_passed_at>ZMTP_PAUSE_MS && !m_paused)
        {
         m_paused=true;
         m_heard_at=now_ms;
        }
      m_passed_at=now_ms;
      uint silence=3*m_ping_every_ms;
      if(m_peer_ttl_ms>0 && (silence==0 || m_peer_ttl_ms<silence))
         silence=m_peer_ttl_ms;
      if(silence>0 && now_ms-m_heard_at>silence)
         return(Fail("nothing was heard of the peer for "+IntegerToString((long)(now_ms-m_heard_at))+" ms"));
      if(m_ping_every_ms>0 && now_ms-m_pinged_at>=m_ping_every_ms && m_out.Size()<m_most_unsent)
        {
         m_pinged_at=now_ms;
         BeginCommand("PING",2);
         m_out.AppendNumber((ulong)(3*m_ping_every_ms/100),2);
        }
      return(true);
     }
   //--- messages that nobody has received wait, and no more is read from the peer until somebody does
   bool              IsFull(void) const          { return(m_in.Size()>m_most_message+ZMTP_READ_AT_ONCE); }
   //--- what is to go out: bytes that wait, a part of them, and that a part has gone
   int               Unsent(void) const                            { return(m_out.Size()); }
   int               PeekUnsent(uchar &target[],const int most) const
     {
      int count=MathMin(most,m_out.Size());
      ArrayResize(target,count);
      m_out.CopyTo(target,0,0,count);
      return(count);
     }
   void              Sent(const int count)                         { m_out.Consume(count); }
  };

//+------------------------------------------------------------------+
//| A session over a native socket. Connects again by itself.         |
//| Poll waits at most `wait_ms` for something to come, a connection  |
//| attempt at most SetConnectTimeout (on loopback it is refused at   |
//| once), and a read for 1 ms where the terminal reports a byte that |
//| is not there.                                                     |
//+------------------------------------------------------------------+
class CZmtpSocket
  {
private:
   CZmtpSession      m_session;
   int               m_handle;
   string            m_host;
   uint              m_port;
   string            m_error;
   int               m_code;
   uchar             m_chunk[];
   uint              m_connect_ms;
   ulong             m_next_try;
   uint              m_backoff_ms;
   int               m_attempts;          // in a row that did not come to a connection
   int               m_connections;

   string            Address(void) const { return(m_host+":"+IntegerToString(m_port)); }

   //--- read what there is; the first byte is waited for
   bool              Pump(const uint wait_ms,const ulong now_ms)
     {
      bool waited=(wait_ms==0);
      int total=0;
      while(total<ZMTP_READ_AT_ONCE && !m_session.IsFull())
        {
         uint there=SocketIsReadable(m_handle);
         uint wanted=there;
         uint timeout=1;
         //--- 1 may be a byte, the end of the connection, or the terminal's guess on an empty buffer
         if(there<=1)
           {
            if(there==0 && !SocketIsConnected(m_handle))
               return(Gone(0));
            if(there==0 && (waited || total>0))
               return(true);
            wanted=1;
            if(!waited)
               timeout=wait_ms;
           }
         waited=true;
         ArrayResize(m_chunk,0);
         ResetLastError();
         int got=SocketRead(m_handle,m_chunk,wanted,timeout);
         if(got<=0)
           {
            //--- whether a mere time-out sets an error is not documented: the connection tells
            int code=GetLastError();
            if(!SocketIsConnected(m_handle))
               return(Gone(code));
            return(true);
           }
         total+=got;
         if(!m_session.Take(m_chunk,0,got,now_ms))
            return(Lost(m_session.Error(),0));
         if(there>1 && got==(int)there)
            return(true);
        }
      return(true);
     }
   //--- send what waits as long as the socket takes it at once
   bool              Flush(void)
     {
      while(m_session.Unsent()>0 && SocketIsWritable(m_handle))
        {
         int count=m_session.PeekUnsent(m_chunk,ZMTP_SEND_AT_ONCE);
         ResetLastError();
         int sent=SocketSend(m_handle,m_chunk,(uint)count);
         if(sent<0)
            return(Lost("sending failed",GetLastError()));
         if(sent==0)
            break;
         m_session.Sent(sent);
        }
      if(!SocketIsConnected(m_handle))
         return(Gone(0));
      return(true);
     }
   //--- the other side has closed; a peer of another mechanism does so without a word
   bool              Gone(const int code)
     {
      if(IsReady())
         return(Lost("the connection was lost",code));
      return(Lost("the peer closed the connection before it was ready: one of the two has PLAIN and the other has not, or it is no ZeroMQ port",code));
     }
   bool              Lost(const string why,const int code)
     {
      m_error=Address()+": "+why+(code!=0 ? " ("+QMAdvice(code,Address())+")" : "");
      m_code=code;
      CloseHandle();
      m_attempts++;
      //--- several programs that lost the same gateway do not all come back at the same moment
      uint spread=(uint)(GetMicrosecondCount()%(ulong)(m_backoff_ms/4+1));
      m_next_try=GetTickCount64()+m_backoff_ms+spread;
      m_backoff_ms=MathMin(m_backoff_ms*2,(uint)ZMTP_LONGEST_BACKOFF_MS);
      return(false);
     }
   void              CloseHandle(void)
     {
      if(m_handle!=INVALID_HANDLE)
         SocketClose(m_handle);
      m_handle=INVALID_HANDLE;
      m_session.Reset();
     }
   bool              Open(const ulong now_ms)
     {
      ResetLastError();
      m_handle=SocketCreate();
      if(m_handle==INVALID_HANDLE)
        {
         int code=GetLastError();
         return(Lost(QMAdvice(code,Address()),0));
        }
      if(!SocketConnect(m_handle,m_host,m_port,m_connect_ms))
        {
         int code=GetLastError();
         Lost(QMAdvice(code,Address()),0);
         m_code=code;
         return(false);
        }
      SocketTimeouts(m_handle,1000,1000);
      m_session.Begin(now_ms);
      return(true);
     }

public:
                     CZmtpSocket(void)
     {
      m_handle=INVALID_HANDLE;
      m_host="127.0.0.1";
      m_port=0;
      m_error="";
      m_code=0;
      m_connect_ms=500;
      m_next_try=0;
      m_backoff_ms=ZMTP_FIRST_BACKOFF_MS;
      m_attempts=0;
      m_connections=0;
     }
                    ~CZmtpSocket(void) { CloseHandle(); }

   void              Configure(const string host,const uint port,const ENUM_ZMTP_TYPE type)
     {
      Close();
      m_host=host;
      m_port=port;
      m_session.SetType(type);
     }
   void              SetIdentity(const string identity)            { m_session.SetIdentity(identity); }
   void              SetPlain(const string user,const string password) { m_session.SetPlain(user,password); }
   void              SetHeartbeat(const uint every_ms)             { m_session.SetHeartbeat(every_ms); }
   void              SetConnectTimeout(const uint ms)              { m_connect_ms=ms; }
   void              SetLimits(const int message_bytes,const int unsent_bytes) { m_session.SetLimits(message_bytes,unsent_bytes); }
   bool              Subscribe(const string topic)                 { return(m_session.Subscribe(topic)); }
   void              Unsubscribe(const string topic)               { m_session.Unsubscribe(topic); }

   bool              IsReady(void) const                           { return(m_session.State()==ZMTP_READY); }
   //--- what went wrong last, with the way out; empty after a connection was made
   string            Error(void) const                             { return(m_error); }
   int               ErrorCode(void) const                         { return(m_code); }
   bool              WasRefused(void) const                        { return(m_session.WasRefused()); }
   //--- connections that became ready; attempts in a row that did not
   int               Connections(void) const                       { return(m_connections); }
   int               Attempts(void) const                          { return(m_attempts); }
   ulong             PingsIn(void) const                           { return(m_session.PingsIn()); }
   ulong             PongsIn(void) const                           { return(m_session.PongsIn()); }
   ulong             Dropped(void) const                           { return(m_session.Dropped()); }
   int               Unsent(void) const                            { return(m_session.Unsent()); }
   int               Topics(void) const                            { return(m_session.Topics()); }

   void              Close(void)
     {
      CloseHandle();
      m_next_try=0;
      m_backoff_ms=ZMTP_FIRST_BACKOFF_MS;
      m_attempts=0;
     }
   //--- end the connection and make a new one with the next Poll
   void              Drop(const string why)
     {
      if(m_handle!=INVALID_HANDLE)
         Lost(why,0);
      m_next_try=0;
     }
   //--- drive the connection: connect, read, send, ping. True: it is ready
   bool              Poll(const uint wait_ms)
     {
      ulong now=GetTickCount64();
      if(m_handle==INVALID_HANDLE)
        {
         if(now<m_next_try || !Open(now))
            return(false);
        }
      bool was_ready=IsReady();
      if(!Flush() || !Pump(wait_ms,now))
         return(false);
      if(!m_session.PassTime(GetTickCount64()))
         return(Lost(m_session.Error(),0));
      if(!was_ready && IsReady())
        {
         m_connections++;
         m_attempts=0;
         m_backoff_ms=ZMTP_FIRST_BACKOFF_MS;
         m_error="";
         m_code=0;
        }
      if(!Flush())
         return(false);
      return(IsReady());
     }
   //--- wait until the connection is ready, at most so long
   bool              Connect(const uint timeout_ms)
     {
      ulong begun=GetMicrosecondCount();
      while(!Poll(5))
        {
         if(GetMicrosecondCount()-begun>=(ulong)timeout_ms*1000 || IsStopped())
            return(false);
         if(m_handle==INVALID_HANDLE)
            Sleep(1);
        }
      return(true);
     }
   //--- one message; false: there is no connection, or too much waits to be sent already
   bool              Send(const CZmtpMessage &message)
     {
      if(!m_session.Send(message))
         return(false);
      return(Flush());
     }
   //--- one whole message that has come; never waits
   bool              Receive(CZmtpMessage &message)
     {
      if(m_session.Receive(message))
         return(true);
      if(m_handle!=INVALID_HANDLE && m_session.State()==ZMTP_FAILED)
         Lost(m_session.Error(),0);
      return(false);
     }
   //--- of a REQ or DEALER: send `body` behind an empty frame, and wait for the answer. A late answer is never taken
   //--- for that of the next question: after a time-out the connection is made anew
   bool              Request(const CZmtpMessage &body,CZmtpMessage &answer,const uint timeout_ms)
     {
      CZmtpMessage question;
      uchar bytes[];
      question.AddEmpty();
      for(int i=0; i<body.Count(); i++)
        {
         int size=body.GetBytes(i,bytes);
         question.AddBytes(bytes,0,size);
        }
      if(!Send(question))
         return(false);
      ulong begun=GetMicrosecondCount();
      ulong limit=(ulong)timeout_ms*1000;
      while(!IsStopped())
        {
         if(Receive(answer))
           {
            if(answer.Count()>1 && answer.Length(0)==0)
               answer.RemoveFirst();
            return(true);
           }
         ulong passed=GetMicrosecondCount()-begun;
         if(!IsReady() || passed>=limit)
            break;
         uint left=(uint)((limit-passed)/1000);
         Poll(MathMax((uint)1,MathMin((uint)50,left)));
        }
      if(IsReady())
         Drop("no answer within "+IntegerToString(timeout_ms)+" ms");
      return(false);
     }
  };

#endif
