//+------------------------------------------------------------------+
//| A client of each kind at an echo, a publisher and a subscriber;   |
//| a line for each thing that was looked at                          |
//+------------------------------------------------------------------+
#property script_show_inputs
#include <QuantMind/Zmtp.mqh>

input uint   InpPort=5555;       // Echo (ROUTER or REP); 0: none
input bool   InpDealer=false;    // As a DEALER
input string InpUser="";         // User of PLAIN
input string InpPassword="";     // Its password
input uint   InpPubPort=0;       // A publisher's port; 0: none
input uint   InpSubPort=0;       // A subscriber's port; 0: none
input int    InpIdleMs=0;        // Be idle so long, with heartbeats
input int    InpLargest=1000000; // Bytes of the largest frame

void Look(const string what,const bool holds)
  {
   Print(holds ? "ok " : "FAIL ",what);
  }
bool Echoes(CZmtpSocket &zmtp,CZmtpMessage &message,CZmtpMessage &answer)
  {
   if(!zmtp.Request(message,answer,5000) || answer.Count()!=message.Count())
      return(false);
   for(int i=0; i<message.Count(); i++)
     {
      uchar one[];
      uchar other[];
      int size=message.GetBytes(i,one);
      if(answer.GetBytes(i,other)!=size)
         return(false);
      for(int k=0; k<size; k++)
         if(one[k]!=other[k])
            return(false);
     }
   return(true);
  }
void Echo(void)
  {
   CZmtpSocket  zmtp;
   CZmtpMessage message;
   CZmtpMessage answer;
   zmtp.Configure("127.0.0.1",InpPort,InpDealer ? ZMTP_DEALER : ZMTP_REQ);
   zmtp.SetPlain(InpUser,InpPassword);
   if(InpIdleMs>0)
      zmtp.SetHeartbeat(100);
   if(!zmtp.Connect(3000))
     {
      Look("connect: "+zmtp.Error(),false);
      return;
     }
   int sizes[]={0,1,2,254,255,256,257,65535,65536,1000000};
   for(int i=0; i<ArraySize(sizes) && sizes[i]<=InpLargest; i++)
     {
      uchar bytes[];
      ArrayResize(bytes,sizes[i]);
      for(int k=0; k<sizes[i]; k++)
         bytes[k]=(uchar)(k*7+i);
      message.Clear();
      message.AddBytes(bytes,0,sizes[i]);
      if(sizes[i]==0)
         message.AddString("behind it");
      Look("a frame of "+IntegerToString(sizes[i]),Echoes(zmtp,message,answer));
     }
   message.Clear();
   message.AddString("one");
   message.AddEmpty();
   message.AddString("Gr\x00FC\x00DFe \x20AC \x4F60\x597D");
   message.AddString("");
   message.AddString("last");
   Look("five frames, two of them empty",Echoes(zmtp,message,answer) && answer.GetString(2)==message.GetString(2));
   for(int i=0; i<300; i++)
     {
      message.Clear();
      message.AddString("round "+IntegerToString(i));
      if(!Echoes(zmtp,message,answer))
        {
         Look("round "+IntegerToString(i),false);
         return;
        }
     }
   Look("300 rounds",true);
   ulong begun=GetTickCount64();
   while(GetTickCount64()-begun<(ulong)InpIdleMs)
     {
      zmtp.Poll(10);
      Sleep(1);
     }
   if(InpIdleMs>0)
     {
      Look("pings went out and came back",zmtp.PongsIn()>0);
      Look("the other side's pings were answered",zmtp.PingsIn()>0);
      Look("one connection",zmtp.Connections()==1 && zmtp.IsReady());
     }
  }
void Hear(void)
  {
   CZmtpSocket  zmtp;
   CZmtpMessage message;
   zmtp.Configure("127.0.0.1",InpPubPort,ZMTP_SUB);
   zmtp.Subscribe("tick.EUR");
   zmtp.Subscribe("end");
   int heard=0;
   int wrong=0;
   ulong begun=GetTickCount64();
   while(GetTickCount64()-begun<20000)
     {
      zmtp.Poll(10);
      while(zmtp.Receive(message))
        {
         if(message.GetString(0)=="end")
           {
            Print("heard ",IntegerToString(heard)," wrong ",IntegerToString(wrong));
            return;
           }
         if(StringFind(message.GetString(0),"tick.EUR")!=0 || message.GetString(1)!=IntegerToString(heard))
            wrong++;
         heard++;
        }
     }
   Look("the end was heard",false);
  }
void Publish(void)
  {
   CZmtpSocket  zmtp;
   CZmtpMessage message;
   zmtp.Configure("127.0.0.1",InpSubPort,ZMTP_PUB);
   ulong begun=GetTickCount64();
   while(zmtp.Topics()==0 && GetTickCount64()-begun<10000)
      zmtp.Poll(5);
   Look("somebody wants something",zmtp.Topics()>0);
   for(int i=0; i<1000; i++)
     {
      message.Clear();
      message.AddString(i%2==0 ? "tick.EURUSD" : "tick.USDJPY");
      message.AddString(IntegerToString(i));
      zmtp.Send(message);
      zmtp.Poll(0);
     }
   message.Clear();
   message.AddString("tick.EURUSD");
   message.AddString("end");
   begun=GetTickCount64();
   while(!zmtp.Send(message) && GetTickCount64()-begun<5000)
      zmtp.Poll(5);
   while(zmtp.Unsent()>0 && GetTickCount64()-begun<5000)
      zmtp.Poll(5);
   Look("nothing was left out",zmtp.Dropped()==0);
   Sleep(200);
  }
void OnStart()
  {
   if(InpPort>0)
      Echo();
   if(InpPubPort>0)
      Hear();
   if(InpSubPort>0)
      Publish();
   Print("done");
  }
