//+------------------------------------------------------------------+
//| Report.mqh                                             QuantMind  |
//| What a look at a terminal found, line by line, in the log and in  |
//| a file.                                                           |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_SETUP_REPORT_MQH
#define QUANTMIND_SETUP_REPORT_MQH

#include <QuantMind/Bytes.mqh>

#define QM_SETUP_LIMIT_MS   45000      // what comes later is left out, and said so

string QMYesNo(const bool value)
  {
   return(value ? "yes" : "no");
  }
//+------------------------------------------------------------------+
//| ok; look: somebody should look at it; FAIL: must be mended.       |
//| A fact is how a terminal behaves, for whoever writes programs.    |
//+------------------------------------------------------------------+
class CSetupReport
  {
private:
   string            m_lines[];
   int               m_count;
   int               m_ok;
   int               m_look;
   int               m_fail;
   int               m_facts;
   int               m_skipped;
   ulong             m_begun_ms;

   string            OneLine(const string text) const
     {
      string line=text;
      StringReplace(line,"\r"," ");
      StringReplace(line,"\n"," ");
      return(line);
     }

public:
                     CSetupReport(void)
     {
      m_count=0;
      m_ok=0;
      m_look=0;
      m_fail=0;
      m_facts=0;
      m_skipped=0;
      m_begun_ms=GetTickCount64();
     }
   int               Oks(void) const             { return(m_ok); }
   int               Looks(void) const           { return(m_look); }
   int               Fails(void) const           { return(m_fail); }
   int               Facts(void) const           { return(m_facts); }
   int               Skipped(void) const         { return(m_skipped); }

   void              Say(const string text)
     {
      string line=OneLine(text);
      Print(line);
      if(ArraySize(m_lines)<=m_count)
         ArrayResize(m_lines,m_count+64);
      m_lines[m_count]=line;
      m_count++;
     }
   void              Ok(const string what,const string detail)
     {
      m_ok++;
      Say("ok    "+what+": "+detail);
     }
   void              Look(const string what,const string detail)
     {
      m_look++;
      Say("look  "+what+": "+detail);
     }
   void              Fail(const string what,const string detail)
     {
      m_fail++;
      Say("FAIL  "+what+": "+detail);
     }
   void              Fact(const string name,const string value)
     {
      m_facts++;
      Say("fact: "+name+"="+value);
     }
   void              FactLong(const string name,const long value)  { Fact(name,IntegerToString(value)); }
   void              FactBool(const string name,const bool value)  { Fact(name,QMYesNo(value)); }
   //--- whether something is left out: the time is up, or the user has ended the script
   bool              Skips(const string what)
     {
      if(!IsStopped() && GetTickCount64()-m_begun_ms<QM_SETUP_LIMIT_MS)
         return(false);
      m_skipped++;
      Say("skip  "+what+": left out, since what came before took too long");
      return(true);
     }
   //--- all lines in MQL5/Files, as UTF-8; false: the error of the terminal says why
   bool              Save(const string name)
     {
      ResetLastError();
      int handle=FileOpen(name,FILE_WRITE|FILE_BIN);
      if(handle==INVALID_HANDLE)
         return(false);
      bool written=true;
      uchar bytes[];
      for(int i=0; i<m_count && written; i++)
        {
         int size=QMTextToBytes(m_lines[i]+"\r\n",bytes);
         written=(FileWriteArray(handle,bytes,0,size)==(uint)size);
        }
      FileClose(handle);
      return(written);
     }
  };

#endif
