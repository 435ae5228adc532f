//+------------------------------------------------------------------+
//| Says one message of each kind                                     |
//+------------------------------------------------------------------+
#property script_show_inputs
#include <QuantMind/Utils/Sockets.mqh>

input uint InpPort=5555;     // Port

void OnStart()
  {
   CQuantMindSocket gateway("127.0.0.1",InpPort);
   double multiplier=0.0;
   gateway.SetToken("a-token-0123456789");
   gateway.SetBroker("demo");
   gateway.SetAttempts(1);
   gateway.SendTradeOpen("one","EURUSD",0.1,7,multiplier);
   gateway.SendTradeOpen("two","USDJPY",1.23,0,multiplier,QM_SELL,1.10001,0.1+0.2,true,true,QM_STOP,150.005,"\x20AC \"x\"",D'2026.12.31 23:59:00');
   gateway.SendTradeOpen("three","EURUSD",0.01,7,multiplier,QM_BUY,0.0,0.0,false,false,QM_LIMIT,1.05);
   gateway.SendTradeClose("one","EURUSD",18446744073709551615,-12.345);
   gateway.SendTradeClose("one","EURUSD",17,0.0,true,0.05,0,7);
   gateway.SendTradeClose("one","EURUSD",17,1e6,true,0.0,18);
   gateway.SendTradeModify("one",17,1.0801,0.0);
   gateway.SendTradeModify("one",17,QM_KEEP,1.2,true,7,1.1);
   gateway.SendTradeCancel("one",99,true);
   gateway.SendTradeResult("one","approval-1",17,1.08512,0.1,10009);
   gateway.SendTradeResult("one","approval-2",0,0.0,0.0,0);
   gateway.SendRiskUpdate("one",0.5);
   Print("done");
  }
