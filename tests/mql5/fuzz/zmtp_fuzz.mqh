//+------------------------------------------------------------------+
//| What must hold of a ZMTP session whatever its peer sends. Each     |
//| function returns an empty string, or what was wrong                |
//+------------------------------------------------------------------+
#include <QuantMind/Zmtp.mqh>

#define FUZZ_MESSAGE   4096            // bytes of a message that are taken
#define FUZZ_ROUNDS    100000

class CFuzzPeer
  {
private:
   CZmtpSession      m_session;
   CZmtpMessage      m_message;
   uchar             m_out[];
   ulong             m_now;
   int               m_received;
   int               m_bytes;

   string            Drain(void)
     {
      for(int round=0; round<FUZZ_ROUNDS; round++)
        {
         if(!m_session.Receive(m_message))
            return(Check());
         m_received++;
         m_bytes+=m_message.Total();
         if(m_message.Count()<1 || m_message.Count()>ZMTP_MOST_FRAMES || m_message.Total()>FUZZ_MESSAGE)
            return("a message is beyond its bounds");
         for(int i=0; i<m_message.Count(); i++)
           {
            uchar bytes[];
            if(m_message.GetBytes(i,bytes)!=m_message.Length(i))
               return("a frame has another length than it says");
            string shown=m_message.GetString(i);
            if(StringLen(shown)>m_message.Length(i))
               return("a frame's text is longer than its bytes");
           }
        }
      return("messages without an end");
     }
   string            Check(void) const
     {
      if(m_session.State()==ZMTP_FAILED && m_session.Error()=="")
         return("it failed and does not say why");
      return("");
     }

public:
   //--- `settings`: what kind of socket, which mechanism, and by how many bytes at once the rest comes
   string            Feed(const uchar &bytes[],const int size)
     {
      if(size<3)
         return("");
      ENUM_ZMTP_TYPE type=(ENUM_ZMTP_TYPE)(bytes[0]%4);
      int at_once=1+bytes[1];
      m_session.SetType(type);
      m_session.SetLimits((bytes[2]&16)!=0 ? 64 : FUZZ_MESSAGE,65536);
      m_session.SetPlain((bytes[2]&1)!=0 ? "ea" : "","a token");
      m_session.SetHeartbeat((bytes[2]&2)!=0 ? 100 : 0);
      if(type==ZMTP_SUB)
         m_session.Subscribe("tick.");
      m_now=1000;
      m_received=0;
      m_bytes=0;
      m_session.Begin(m_now);
      for(int at=3; at<size; at+=at_once)
        {
         int count=MathMin(at_once,size-at);
         bool stands=m_session.Take(bytes,at,count,m_now);
         if(stands!=(m_session.State()!=ZMTP_FAILED))
            return("what it returns is not its state");
         string wrong=Drain();
         if(wrong!="")
            return(wrong);
         m_now+=7;
         m_session.PassTime(m_now);
         if((bytes[2]&4)!=0)
            m_session.Send(m_message);
         if((bytes[2]&8)!=0)
            m_session.Sent(m_session.PeekUnsent(m_out,13));
         if(m_session.Unsent()>2*65536+1024*size)
            return("what waits to be sent has no bound");
         if(m_session.Topics()>ZMTP_MOST_TOPICS+1)
            return("more topics than there may be");
        }
      if(m_bytes>size)
         return("more was received than was sent");
      return("");
     }
  };

string FuzzSession(const uchar &bytes[],const int size)
  {
   CFuzzPeer peer;
   return(peer.Feed(bytes,size));
  }
//--- what one session says another one reads: frames of any bytes, whatever they are cut into
string FuzzWire(const uchar &bytes[],const int size)
  {
   CZmtpMessage    message;
   CQuantMindBytes wire;
   if(size<2)
      return("");
   int at=1;
   while(at<size && message.Count()<ZMTP_MOST_FRAMES)
     {
      int length=MathMin((int)bytes[at]*(1+bytes[0]%3),size-at-1);
      message.AddBytes(bytes,at+1,length);
      at+=1+length;
     }
   if(message.Count()==0)
      return("");
   message.Encode(wire);
   CZmtpSession session;
   uchar greeting[];
   ArrayResize(greeting,ZMTP_GREETING_SIZE);
   ArrayInitialize(greeting,0);
   greeting[0]=0xFF;
   greeting[9]=0x7F;
   greeting[10]=3;
   greeting[11]=1;
   greeting[12]='N';
   greeting[13]='U';
   greeting[14]='L';
   greeting[15]='L';
   CQuantMindBytes ready;
   ready.AppendByte(4);
   ready.AppendByte(28);
   ready.AppendByte(5);
   ready.AppendText("READY");
   ready.AppendByte(11);
   ready.AppendText("Socket-Type");
   ready.AppendNumber(6,4);
   ready.AppendText("ROUTER");
   session.SetType(ZMTP_DEALER);
   session.Begin(0);
   uchar all[];
   int total=ZMTP_GREETING_SIZE+ready.Size()+wire.Size();
   ArrayResize(all,total);
   ArrayCopy(all,greeting,0,0,ZMTP_GREETING_SIZE);
   ready.CopyTo(all,ZMTP_GREETING_SIZE,0,ready.Size());
   wire.CopyTo(all,ZMTP_GREETING_SIZE+ready.Size(),0,wire.Size());
   CZmtpMessage got;
   int step=1+bytes[0];
   bool whole=false;
   for(int i=0; i<total; i+=step)
     {
      if(!session.Take(all,i,MathMin(step,total-i),0))
         return("refused what another session wrote: "+session.Error());
      if(!whole && session.Receive(got))
         whole=true;
     }
   if(!whole || got.Count()!=message.Count())
      return("a message did not arrive whole");
   for(int i=0; i<got.Count(); i++)
     {
      uchar one[];
      uchar other[];
      int length=message.GetBytes(i,one);
      if(got.GetBytes(i,other)!=length)
         return("a frame arrived with another length");
      for(int k=0; k<length; k++)
         if(one[k]!=other[k])
            return("a frame arrived with other bytes");
     }
   return("");
  }
