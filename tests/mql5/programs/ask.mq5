//+------------------------------------------------------------------+
//| Asks for trades and says what came of it, line by line            |
//+------------------------------------------------------------------+
#property script_show_inputs
#include <QuantMind/Utils/Sockets.mqh>

input string InpHost="127.0.0.1";   // Gateway host
input uint   InpPort=5555;          // Port
input bool   InpHttp=false;         // Over HTTP
input string InpToken="";           // Token
input string InpPlain="";           // User of PLAIN
input int    InpTimeout=1000;       // Milliseconds
input int    InpAttempts=3;         // Attempts
input int    InpCount=1;            // Questions
input bool   InpExecute=false;      // The gateway places the order
input string InpComment="";         // Comment
input double InpVolume=0.1;         // Lots
input int    InpPauseMs=0;          // Between two questions

string StatusName(const ENUM_QM_STATUS status)
  {
   switch(status)
     {
      case QM_SUCCESS:
         return("success");
      case QM_REJECTED:
         return("rejected");
      case QM_ERROR:
         return("error");
      case QM_UNKNOWN:
         return("unknown");
     }
   return("no_answer");
  }
void OnStart()
  {
   CQuantMindSocket gateway;
   gateway.SetServer(InpHost,InpPort,InpHttp ? QM_HTTP : QM_ZMTP);
   gateway.SetToken(InpToken);
   gateway.SetPlain(InpPlain);
   gateway.SetTimeout(InpTimeout);
   gateway.SetAttempts(InpAttempts);
   Print("connected ",gateway.ConnectToServer() ? "true" : "false");
   double multiplier=0.0;
   for(int i=0; i<InpCount; i++)
     {
      ulong begun=GetTickCount64();
      bool approved=gateway.SendTradeOpen("asker","EURUSD",InpVolume,7,multiplier,QM_BUY,0.0,0.0,InpExecute,false,QM_MARKET,0.0,InpComment);
      Print("said ",approved ? "approved" : "refused"," status=",StatusName(gateway.result.status)," multiplier=",DoubleToString(multiplier,2)," code=",
            gateway.result.code," ticket=",StringFormat("%I64u",gateway.result.ticket)," unknown=",gateway.UnknownRequest()=="" ? "none" : "pending",
            " error=",IntegerToString(gateway.LastError())," took_ms=",IntegerToString((long)(GetTickCount64()-begun)));
      Print("because ",gateway.result.Describe());
      Print("last ",gateway.LastErrorMessage());
      if(InpPauseMs>0)
         Sleep(InpPauseMs);
     }
   Print("resolved ",gateway.ResolveUnknown() ? "true" : "false"," status=",StatusName(gateway.result.status));
   Print("done");
  }
