//+------------------------------------------------------------------+
//| QuantMindBridge.mq5                                    QuantMind  |
//| The terminal's side of a QuantMind gateway: prices, orders and    |
//| what became of them, and the floor guard. One chart of the        |
//| terminal is enough for all symbols. docs/mql5.md says how.        |
//+------------------------------------------------------------------+
#property copyright "The QuantMind authors"
#property link      "https://pypi.org/project/quantmind-gateway/"
#property version   "0.100"
#property description "Bridge of a QuantMind gateway (broker type mt5_socket, mode listen)."
#property description "Needs the gateway's address under Tools > Options > Expert Advisors > Allow WebRequest, and Algo Trading."

#include <QuantMind/Bridge/Bridge.mqh>

input group "Gateway"
input string InpHost="127.0.0.1";          // Gateway host
input uint   InpPort=5555;                 // Gateway command port
input string InpToken="";                  // Token with scope bridge
input bool   InpPlain=false;               // The port has PLAIN (inside a VPN or tunnel)
input string InpBroker="";                 // The gateway's name for this account (empty: by its number)
input group "Symbols"
input string InpSymbols="";                // Symbols to follow, with commas (empty: Market Watch)
input string InpSymbolSuffix="";           // What the broker adds to each name
input string InpSymbolNames="";            // Other names: GOLD=XAUUSD, with commas
input group "Floor guard"
input bool   InpGuard=true;                // Guard the floor while the gateway is away
input double InpGuardBuffer=-1.0;          // Money above the floor at which all is closed (-1: 0.2 % of it)
input group "Details"
input double InpServerAheadHours=-100.0;   // Hours the server's clock is ahead of UTC (-100: measured)
input double InpSettleSeconds=60.0;        // An order unknown to the server for so long was never sent
input int    InpTimerMs=10;                // How often it looks for messages, milliseconds (200 at most)
input int    InpOfferMs=1000;              // How often it offers itself, milliseconds

CQuantMindBridge g_bridge;
ulong            g_shown_at=0;

//+------------------------------------------------------------------+
//| Begin                                                             |
//+------------------------------------------------------------------+
int OnInit()
  {
   if(MQLInfoInteger(MQL_TESTER)!=0)
     {
      Print("the bridge does not run in the Strategy Tester, where the network is not used: attach it to a chart");
      return(INIT_FAILED);
     }
   CBridgeSettings settings;
   settings.host=InpHost;
   settings.port=InpPort;
   settings.token=InpToken;
   settings.plain=InpPlain;
   settings.broker=InpBroker;
   settings.symbols=InpSymbols;
   settings.symbol_suffix=InpSymbolSuffix;
   settings.symbol_names=InpSymbolNames;
   settings.server_ahead_h=InpServerAheadHours;
   settings.settle_s=InpSettleSeconds;
   settings.guard=InpGuard;
   settings.guard_buffer=InpGuardBuffer;
   settings.offer_every_ms=(uint)MathMax(10,InpOfferMs);
   string error="";
   if(!g_bridge.Begin(settings,error))
     {
      Print("the bridge can't begin: ",error);
      Alert("QuantMind bridge: ",error);
      return(INIT_FAILED);
     }
   if(!EventSetMillisecondTimer(MathMin(200,MathMax(1,InpTimerMs))))
     {
      Print("the bridge can't begin: the terminal gives no timer (error ",IntegerToString(GetLastError()),")");
      return(INIT_FAILED);
     }
   return(INIT_SUCCEEDED);
  }
//+------------------------------------------------------------------+
//| End                                                               |
//+------------------------------------------------------------------+
void OnDeinit(const int reason)
  {
   EventKillTimer();
   g_bridge.End();
   Comment("");
   Print("bridge: ended, reason ",IntegerToString(reason));
  }
//+------------------------------------------------------------------+
//| Both look at everything: whichever comes first                    |
//+------------------------------------------------------------------+
void OnTick()
  {
   g_bridge.Work();
  }
void OnTimer()
  {
   g_bridge.Work();
   ulong now=GetTickCount64();
   if(now-g_shown_at<1000)
      return;
   g_shown_at=now;
   Comment(g_bridge.Describe());
  }
//+------------------------------------------------------------------+
//| The gateway looks at the account when something has happened to it |
//+------------------------------------------------------------------+
void OnTradeTransaction(const MqlTradeTransaction &trans,const MqlTradeRequest &request,const MqlTradeResult &result)
  {
   if(trans.type!=TRADE_TRANSACTION_REQUEST)
      g_bridge.Happened(EnumToString(trans.type));
  }
//+------------------------------------------------------------------+
