//+------------------------------------------------------------------+
//| Terminal.mqh                                           QuantMind  |
//| A look at the terminal itself: its connection, the account, who   |
//| may trade, its clock and its files.                               |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_SETUP_TERMINAL_MQH
#define QUANTMIND_SETUP_TERMINAL_MQH

#include <QuantMind/Bridge/ServerTime.mqh>
#include <QuantMind/Setup/Report.mqh>

#define QM_SOCKETS_SINCE     1930      // the build that brought Socket* functions, about
#define QM_CLOCK_SLACK_S     60        // a server's clock may be so far from a whole half hour
#define QM_OPTIONS           "Tools > Options > Expert Advisors"

//+------------------------------------------------------------------+
//| The program and its connection                                    |
//+------------------------------------------------------------------+
void QMCheckTerminal(CSetupReport &report)
  {
   long build=TerminalInfoInteger(TERMINAL_BUILD);
   string name=TerminalInfoString(TERMINAL_NAME)+", build "+IntegerToString(build);
   if(build>=QM_SOCKETS_SINCE)
      report.Ok("terminal",name);
   else
      report.Fail("terminal",name+" is too old for sockets (about "+IntegerToString(QM_SOCKETS_SINCE)+"): Help > Check for updates");
   if(TerminalInfoInteger(TERMINAL_CONNECTED)!=0)
      report.Ok("connection","connected to the trade server, last ping "
                +DoubleToString((double)TerminalInfoInteger(TERMINAL_PING_LAST)/1000.0,1)+" ms");
   else
      report.Fail("connection","the terminal has no connection to the trade server: look at the lower right corner, then File > Login to Trade Account");
   report.Ok("DLLs","none is used: \"Allow DLL imports\" may stay off"
             +(TerminalInfoInteger(TERMINAL_DLLS_ALLOWED)!=0 ? " (it is on)" : ""));
  }
//+------------------------------------------------------------------+
//| Whose account it is                                               |
//+------------------------------------------------------------------+
void QMCheckAccount(CSetupReport &report)
  {
   long login=AccountInfoInteger(ACCOUNT_LOGIN);
   if(login==0)
     {
      report.Fail("account","nobody is logged in: File > Login to Trade Account");
      return;
     }
   long mode=AccountInfoInteger(ACCOUNT_MARGIN_MODE);
   bool hedging=(mode==ACCOUNT_MARGIN_MODE_RETAIL_HEDGING);
   report.Ok("account",IntegerToString(login)+" at "+AccountInfoString(ACCOUNT_SERVER)+", "+(hedging ? "hedging" : "netting")
             +", "+AccountInfoString(ACCOUNT_CURRENCY)+", balance "+DoubleToString(AccountInfoDouble(ACCOUNT_BALANCE),2)
             +", equity "+DoubleToString(AccountInfoDouble(ACCOUNT_EQUITY),2)
             +": account_id: \""+IntegerToString(login)+"\" in brokers.yaml");
   if(AccountInfoInteger(ACCOUNT_TRADE_MODE)==ACCOUNT_TRADE_MODE_REAL)
      report.Look("money","this is an account with real money: try everything in a demo account first");
   else
      report.Ok("money","a demo or contest account");
  }
//+------------------------------------------------------------------+
//| Who may trade. Nothing but trading needs any of it                |
//+------------------------------------------------------------------+
void QMCheckPermissions(CSetupReport &report)
  {
   bool button=(TerminalInfoInteger(TERMINAL_TRADE_ALLOWED)!=0);
   if(button)
      report.Ok("Algo Trading","the button is on");
   else
      report.Fail("Algo Trading","it is switched off, so no program can trade: press the button Algo Trading in the toolbar (Ctrl+E), and tick \"Allow algorithmic trading\" under "
                  +QM_OPTIONS);
   if(MQLInfoInteger(MQL_TRADE_ALLOWED)!=0)
      report.Ok("this program","may trade (it does not); each EA has a permission of its own, in its properties (F7), tab Common");
   else if(button)
      report.Fail("this program","may not trade: in the properties of the program, tab Common, tick \"Allow Algo Trading\"; the same for each EA (F7)");
   else
      report.Look("this program","may not trade while Algo Trading is off; look again when it is on");
   if(AccountInfoInteger(ACCOUNT_TRADE_ALLOWED)!=0)
      report.Ok("trading","the account may trade");
   else
      report.Fail("trading","this account may not trade: the investor password was used, or there is no connection, or the broker has closed the account. File > Login to Trade Account, with the master password");
   if(AccountInfoInteger(ACCOUNT_TRADE_EXPERT)!=0)
      report.Ok("programs","the broker lets programs trade");
   else
      report.Fail("programs","the broker does not let programs trade in this account: ask the broker");
  }
//+------------------------------------------------------------------+
//| The server's clock                                                |
//+------------------------------------------------------------------+
void QMCheckServerClock(CSetupReport &report)
  {
   long utc=(long)TimeGMT();
   long ahead=(long)TimeTradeServer()-utc;
   CBridgeTime clock;
   clock.Configure(-100.0);
   clock.Measure();
   long rest=(long)MathAbs((double)(ahead-clock.OffsetNow()));
   bool known=(QMZoneOffset(QM_ZONE_NEW_YORK,0,utc)==clock.OffsetNow() || QMZoneOffset(QM_ZONE_ATHENS,0,utc)==clock.OffsetNow());
   string text=IntegerToString(ahead)+" s ahead of this computer's UTC: "+clock.Describe();
   if(rest>QM_CLOCK_SLACK_S)
      report.Look("server clock",text+"; that is "+IntegerToString(rest)
                  +" s away from a whole half hour: set this computer's clock (Windows: Settings > Time & language > Date & time > Sync now), or write the input ServerAheadHours of the bridge");
   else if(!known)
      report.Look("server clock",text+"; neither New York's close nor Athens fits, so other days are taken to have the same: check it after the next change of summer time");
   else
      report.Ok("server clock",text);
   report.FactLong("server_ahead_s",ahead);
   report.FactLong("time_gmt_offset_s",TimeGMTOffset());
   if(TimeCurrent()>0)
      report.FactLong("time_current_behind_s",(long)TimeTradeServer()-(long)TimeCurrent());
  }
//+------------------------------------------------------------------+
//| What the bridge does with its files                               |
//+------------------------------------------------------------------+
bool QMWriteFile(const string name,const string text)
  {
   uchar bytes[];
   int size=QMTextToBytes(text,bytes);
   int handle=FileOpen(name,FILE_WRITE|FILE_BIN|FILE_COMMON);
   if(handle==INVALID_HANDLE)
      return(false);
   bool written=(FileWriteArray(handle,bytes,0,size)==(uint)size);
   FileFlush(handle);
   FileClose(handle);
   return(written);
  }
string QMReadFile(const string name)
  {
   uchar bytes[];
   int handle=FileOpen(name,FILE_READ|FILE_BIN|FILE_COMMON|FILE_SHARE_READ);
   if(handle==INVALID_HANDLE)
      return("");
   int size=(int)FileReadArray(handle,bytes,0,WHOLE_ARRAY);
   FileClose(handle);
   return(size>0 ? CharArrayToString(bytes,0,size,CP_UTF8) : "");
  }
void QMCheckFiles(CSetupReport &report)
  {
   string one="QuantMind\\check-setup.tmp";
   string other="QuantMind\\check-setup.new";
   ResetLastError();
   if(!QMWriteFile(one,"old") || !QMWriteFile(other,"new"))
     {
      report.Fail("files","can't write in "+TerminalInfoString(TERMINAL_COMMONDATA_PATH)+"\\Files (error "+IntegerToString(GetLastError())
                  +"): is the disk full, or the folder read-only? The bridge needs it");
      return;
     }
   ResetLastError();
   bool moved=FileMove(other,FILE_COMMON,one,FILE_COMMON|FILE_REWRITE);
   int  code=GetLastError();
   bool replaced=(moved && QMReadFile(one)=="new" && !FileIsExist(other,FILE_COMMON));
   if(replaced)
      report.Ok("files","written, replaced and read in "+TerminalInfoString(TERMINAL_COMMONDATA_PATH)+"\\Files");
   else
      report.Fail("files","a file in "+TerminalInfoString(TERMINAL_COMMONDATA_PATH)+"\\Files can be written and not replaced (error "+IntegerToString(code)
                  +"): the bridge needs that; is another program holding it?");
   report.Fact("file_move_rewrite",replaced ? "yes" : "no error="+IntegerToString(code));
   FileDelete(one,FILE_COMMON);
   FileDelete(other,FILE_COMMON);
  }

#endif
