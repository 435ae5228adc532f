//+------------------------------------------------------------------+
//| Round trips of SendTradeOpen, measured where an EA would          |
//+------------------------------------------------------------------+
#property script_show_inputs
#include <QuantMind/Utils/Sockets.mqh>

input uint InpPort=5555;     // Command port
input int  InpWarm=200;      // Round trips before it counts
input int  InpCount=2000;    // Round trips

void OnStart()
  {
   CQuantMindSocket gateway("127.0.0.1",InpPort);
   double multiplier=0.0;
   long   took[];
   ArrayResize(took,InpCount);
   if(!gateway.ConnectToServer())
     {
      Print("FAIL ",gateway.LastErrorMessage());
      return;
     }
   for(int i=-InpWarm; i<InpCount; i++)
     {
      ulong begun=GetMicrosecondCount();
      bool approved=gateway.SendTradeOpen("bench","EURUSD",0.01,7,multiplier,QM_BUY);
      if(i>=0)
         took[i]=(long)(GetMicrosecondCount()-begun);
      if(gateway.result.status!=QM_SUCCESS && gateway.result.status!=QM_REJECTED)
        {
         Print("FAIL ",gateway.result.Describe());
         return;
        }
      if(approved)
         gateway.SendTradeResult("bench",gateway.result.approval_id,0,0.0,0.0,0);
     }
   ArraySort(took);
   PrintFormat("took p50=%I64d p99=%I64d n=%d",took[InpCount/2],took[InpCount*99/100],InpCount);
  }
