//+------------------------------------------------------------------+
//| expect.mqh - what a program of the tests holds to be so           |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_EXPECT_MQH
#define QUANTMIND_EXPECT_MQH

int g_expected=0;
int g_failed=0;

//+------------------------------------------------------------------+
//| One thing that is so                                              |
//+------------------------------------------------------------------+
void Expect(const bool holds,const string what)
  {
   g_expected++;
   if(holds)
      return;
   g_failed++;
   Print("FAIL ",what);
  }
//+------------------------------------------------------------------+
//| Two texts that are the same                                       |
//+------------------------------------------------------------------+
void ExpectText(const string found,const string wanted,const string what)
  {
   Expect(found==wanted,what+": '"+found+"' and not '"+wanted+"'");
  }
//+------------------------------------------------------------------+
//| Two whole numbers that are the same                               |
//+------------------------------------------------------------------+
void ExpectLong(const long found,const long wanted,const string what)
  {
   Expect(found==wanted,what+": "+IntegerToString(found)+" and not "+IntegerToString(wanted));
  }
//+------------------------------------------------------------------+
//| Two numbers that are the same to the last bit                     |
//+------------------------------------------------------------------+
void ExpectDouble(const double found,const double wanted,const string what)
  {
   Expect(found==wanted,what+": "+DoubleToString(found,16)+" and not "+DoubleToString(wanted,16));
  }
//+------------------------------------------------------------------+
//| At the end                                                        |
//+------------------------------------------------------------------+
void ExpectDone(void)
  {
   Print(g_failed==0 ? "held " : "did not hold ",IntegerToString(g_failed==0 ? g_expected : g_failed));
  }

#endif
