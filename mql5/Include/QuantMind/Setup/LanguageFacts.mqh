//+------------------------------------------------------------------+
//| LanguageFacts.mqh                                      QuantMind  |
//| How the language, its clocks and its texts behave where the       |
//| Reference does not say it.                                        |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_SETUP_LANGUAGEFACTS_MQH
#define QUANTMIND_SETUP_LANGUAGEFACTS_MQH

#include <QuantMind/Setup/Report.mqh>

//+------------------------------------------------------------------+
//| Something with an array and a text inside                         |
//+------------------------------------------------------------------+
class CSetupHolder
  {
public:
   uchar             m_bytes[];
   string            m_text;
  };
string g_setup_order="";
//+------------------------------------------------------------------+
//| In which order arguments are evaluated                            |
//+------------------------------------------------------------------+
int QMMark(const int number)
  {
   g_setup_order+=IntegerToString(number);
   return(number);
  }
int QMThird(const int a,const int b,const int c)
  {
   return(a+b+c);
  }
string QMArgumentOrder(void)
  {
   g_setup_order="";
   QMThird(QMMark(1),QMMark(2),QMMark(3));
   return(g_setup_order);
  }
//+------------------------------------------------------------------+
//| 0 to 9, of which 5 are copied two places on, or back              |
//+------------------------------------------------------------------+
string QMOverlappingCopy(const int to,const int from)
  {
   uchar bytes[];
   ArrayResize(bytes,10);
   for(int i=0; i<10; i++)
      bytes[i]=(uchar)i;
   ResetLastError();
   int copied=ArrayCopy(bytes,bytes,to,from,5);
   int code=GetLastError();
   bool right=(ArraySize(bytes)==10);
   for(int i=0; right && i<5; i++)
      right=(bytes[to+i]==from+i);
   return(QMYesNo(right)+", copied "+IntegerToString(copied)+", error "+IntegerToString(code));
  }
bool QMResizeKeeps(void)
  {
   CSetupHolder holders[];
   ArrayResize(holders,3);
   for(int i=0; i<3; i++)
     {
      ArrayResize(holders[i].m_bytes,100+i);
      ArrayInitialize(holders[i].m_bytes,(uchar)(65+i));
      holders[i].m_text="number "+IntegerToString(i);
     }
   ArrayResize(holders,500);
   for(int i=0; i<3; i++)
     {
      if(ArraySize(holders[i].m_bytes)!=100+i || holders[i].m_bytes[99]!=65+i || holders[i].m_text!="number "+IntegerToString(i))
         return(false);
     }
   return(ArraySize(holders[499].m_bytes)==0);
  }
//--- e with an acute accent, a euro sign, and one beyond 16 bits, as UTF-8 in an array of char
string QMCharBytes(void)
  {
   char bytes[];
   string text=ShortToString(0xE9)+ShortToString(0x20AC)+ShortToString(0xD83D)+ShortToString(0xDE00);
   int count=StringToCharArray(text,bytes,0,WHOLE_ARRAY,CP_UTF8);
   string hex="";
   for(int i=0; i<ArraySize(bytes) && i<16; i++)
      hex+=StringFormat("%02X",(int)bytes[i]&0xFF);
   bool back=(count>1 && CharArrayToString(bytes,0,count-1,CP_UTF8)==text);
   return("count "+IntegerToString(count)+", array "+IntegerToString(ArraySize(bytes))+", "+hex+", back "+QMYesNo(back));
  }
//--- the last of these years whose first of March survives both ways
string QMYears(void)
  {
   int years[]={1970,1999,2000,2038,2039,2100,2400,2999,3000};
   string wrong="";
   for(int i=0; i<ArraySize(years); i++)
     {
      MqlDateTime parts;
      MqlDateTime again;
      ZeroMemory(parts);
      ZeroMemory(again);
      parts.year=years[i];
      parts.mon=3;
      parts.day=1;
      parts.hour=12;
      datetime at=StructToTime(parts);
      TimeToStruct(at,again);
      if(again.year!=years[i] || again.mon!=3 || again.day!=1 || again.hour!=12)
         wrong+=" "+IntegerToString(years[i]);
     }
   return(wrong=="" ? "1970 to 3000 right" : "wrong:"+wrong);
  }
//+------------------------------------------------------------------+
//| Clocks                                                            |
//+------------------------------------------------------------------+
string QMTickSteps(void)
  {
   ulong begun=GetMicrosecondCount();
   ulong last=GetTickCount64();
   ulong least=ULONG_MAX;
   ulong most=0;
   int   steps=0;
   while(GetMicrosecondCount()-begun<200000 && !IsStopped())
     {
      ulong now=GetTickCount64();
      if(now==last)
         continue;
      steps++;
      //--- the first one began before it was looked at
      if(steps>1)
        {
         least=MathMin(least,now-last);
         most=MathMax(most,now-last);
        }
      last=now;
     }
   if(most==0)
      return("none within 200 ms");
   return(IntegerToString((long)least)+" to "+IntegerToString((long)most)+" ms, "+IntegerToString(steps)+" within 200 ms");
  }
string QMSleepTakes(const int ms,const int times)
  {
   ulong begun=GetMicrosecondCount();
   for(int i=0; i<times && !IsStopped(); i++)
      Sleep(ms);
   return(IntegerToString((long)(GetMicrosecondCount()-begun)/times)+" us");
  }
//+------------------------------------------------------------------+
//| Say them                                                          |
//+------------------------------------------------------------------+
void QMMachineFacts(CSetupReport &report)
  {
   report.FactLong("build",TerminalInfoInteger(TERMINAL_BUILD));
   report.Fact("os",TerminalInfoString(TERMINAL_OS_VERSION));
   report.Fact("cpu",TerminalInfoString(TERMINAL_CPU_NAME)+", "+IntegerToString(TerminalInfoInteger(TERMINAL_CPU_CORES))+" cores, 64 bits "
               +QMYesNo(TerminalInfoInteger(TERMINAL_X64)!=0)+", "+IntegerToString(TerminalInfoInteger(TERMINAL_MEMORY_PHYSICAL))+" MB");
   report.FactLong("ping_last_us",TerminalInfoInteger(TERMINAL_PING_LAST));
   report.Fact("path",TerminalInfoString(TERMINAL_PATH));
  }
void QMLanguageFacts(CSetupReport &report)
  {
   if(report.Skips("facts of the language"))
      return;
   report.Fact("argument_order",QMArgumentOrder());
   report.Fact("array_copy_overlap_forward",QMOverlappingCopy(4,2));
   report.Fact("array_copy_overlap_back",QMOverlappingCopy(2,4));
   report.FactBool("array_resize_keeps_objects",QMResizeKeeps());
   report.Fact("string_to_char_array",QMCharBytes());
   report.Fact("years",QMYears());
   report.Fact("double_to_string_10",DoubleToString(0.1,10));
   report.Fact("double_to_string_16",DoubleToString(0.1,16));
   report.Fact("double_to_string_20",DoubleToString(0.1,20));
   report.Fact("double_to_string_large",DoubleToString(1234567890123456.0,2));
   report.Fact("format_ulong",StringFormat("%I64u",ULONG_MAX));
   report.Fact("format_long",StringFormat("%I64d",LONG_MIN));
   report.Fact("integer_to_string_long",IntegerToString(LONG_MIN));
   report.Fact("string_to_double",DoubleToString(StringToDouble("0.30000000000000004"),17));
   string variable="QuantMind.check_setup";
   double value=0.0;
   bool set=(GlobalVariableSet(variable,1.5)>0);
   bool got=GlobalVariableGet(variable,value);
   report.FactBool("global_variable",set && got && value==1.5);
   GlobalVariableDel(variable);
  }
void QMClockFacts(CSetupReport &report)
  {
   if(report.Skips("facts of clocks"))
      return;
   report.Fact("tick_count_step",QMTickSteps());
   report.Fact("sleep_1_takes",QMSleepTakes(1,50));
   report.Fact("sleep_10_takes",QMSleepTakes(10,10));
  }
//--- what no script can find out
void QMUnanswered(CSetupReport &report)
  {
   report.Fact("service_may_trade","unknown: a #property service program with OrderCheck would tell");
   report.Fact("timer_step","unknown: an EA with EventSetMillisecondTimer would tell, as QuantMindBridge");
   report.Fact("source_needs_bom","unknown: a source with letters beyond ASCII, compiled, would tell; ours have none");
   report.Fact("tester_network","unknown: an EA in the Strategy Tester would tell");
  }

#endif
