//+------------------------------------------------------------------+
//| CheckSetup.mq5                                         QuantMind  |
//| Run this first: says line by line what is well (ok), what should  |
//| be looked at (look) and what must be mended (FAIL), and how the   |
//| terminal behaves (fact). It never trades.                         |
//+------------------------------------------------------------------+
#property copyright "The QuantMind authors"
#property link      "https://pypi.org/project/quantmind-gateway/"
#property version   "0.100"
#property description "Looks at terminal, account, settings, symbols and the way to a QuantMind gateway. It never trades."
#property script_show_inputs

#include <QuantMind/Setup/Gateway.mqh>
#include <QuantMind/Setup/LanguageFacts.mqh>
#include <QuantMind/Setup/Market.mqh>
#include <QuantMind/Setup/NetworkFacts.mqh>
#include <QuantMind/Setup/Report.mqh>
#include <QuantMind/Setup/Terminal.mqh>

#define CHECK_FILE  "QuantMind\\check-setup.txt"

input group "Gateway"
input string InpHost="127.0.0.1";          // Gateway host
input uint   InpPort=5555;                 // Gateway command port
input uint   InpPushPort=5557;             // Port of its pushes (0: not looked at)
input uint   InpRestPort=5005;             // REST port (0: not looked at)
input uint   InpFastPort=0;                // Port of commands over HTTP, 5006 where the gateway has it (0: not looked at)
input string InpToken="";                  // Token of scope ea (may be empty on this computer)
input bool   InpPlain=false;               // The ports have PLAIN (inside a VPN or tunnel)
input string InpEaName="CheckSetup";       // EA name for the heartbeat, if the token is for certain EAs
input string InpBroker="";                 // The gateway's name for this account (empty: it has one only)
input group "Symbols"
input string InpSymbols="";                // Symbols to look at, with commas (empty: the chart's)
input string InpSymbolSuffix="";           // What the broker adds to each name
input string InpSymbolNames="";            // Other names: GOLD=XAUUSD, with commas
input group "Details"
input bool   InpFacts=true;                // Find out how this terminal behaves, too

//+------------------------------------------------------------------+
//| All of it                                                         |
//+------------------------------------------------------------------+
void OnStart()
  {
   CSetupReport  report;
   CSetupPlace   place;
   CSetupGateway gateway;
   CSetupMarket  market;
   place.host=InpHost;
   place.command_port=InpPort;
   place.push_port=InpPushPort;
   place.rest_port=InpRestPort;
   place.fast_port=InpFastPort;
   place.token=InpToken;
   place.plain=InpPlain;
   place.ea_name=InpEaName;
   place.broker=InpBroker;
   report.Say("QuantMind CheckSetup "+QM_VERSION+", "+TimeToString(TimeGMT(),TIME_DATE|TIME_SECONDS)+" UTC. Nothing is traded.");
   if(MQLInfoInteger(MQL_TESTER)!=0)
     {
      report.Fail("Strategy Tester","it has no network: run this on a chart");
      return;
     }
   QMCheckTerminal(report);
   QMCheckAccount(report);
   QMCheckPermissions(report);
   QMCheckServerClock(report);
   QMCheckFiles(report);
   gateway.CheckAddresses(report,place);
   gateway.CheckCommands(report,place);
   gateway.CheckToken(report,place);
   gateway.CheckClock(report);
   QMCheckHistory(report);
   market.Check(report,InpSymbols,InpSymbolSuffix,InpSymbolNames);
   if(InpFacts)
      FindFacts(report,place,gateway);
   Summary(report);
  }
//+------------------------------------------------------------------+
//| How this terminal behaves                                         |
//+------------------------------------------------------------------+
void FindFacts(CSetupReport &report,const CSetupPlace &place,const CSetupGateway &gateway)
  {
   QMMachineFacts(report);
   QMLanguageFacts(report);
   QMClockFacts(report);
   QMAddressFacts(report,place);
   if(gateway.ReachesRest())
      QMSilentPeerFacts(report,place);
   if(gateway.ReachesCommands())
      QMShortReadFacts(report,place);
   if(gateway.TakesHeartbeats())
      QMRoundTripFacts(report,place);
   QMUnanswered(report);
  }
//+------------------------------------------------------------------+
//| The end of the log, which is also written into a file             |
//+------------------------------------------------------------------+
void Summary(CSetupReport &report)
  {
   report.Say("done: "+IntegerToString(report.Oks())+" ok, "+IntegerToString(report.Looks())+" look, "+IntegerToString(report.Fails())+" FAIL, "
              +IntegerToString(report.Facts())+" facts"+(report.Skipped()>0 ? ", "+IntegerToString(report.Skipped())+" left out" : ""));
   report.Say("if something is unclear send this whole log (tab Experts) to the project; it has the account's number and no token");
   if(report.Save(CHECK_FILE))
      Print("written to "+TerminalInfoString(TERMINAL_DATA_PATH)+"\\MQL5\\Files\\"+CHECK_FILE);
   else
      Print("the file MQL5\\Files\\"+CHECK_FILE+" can't be written (error "+IntegerToString(GetLastError())+")");
  }
//+------------------------------------------------------------------+
