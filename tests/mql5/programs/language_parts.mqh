//+------------------------------------------------------------------+
//| language_parts.mqh - a file that uses what the program defines    |
//+------------------------------------------------------------------+
#define TEN 10

//+------------------------------------------------------------------+
//| Its method has the name of a built-in                             |
//+------------------------------------------------------------------+
class CNamed
  {
public:
   string            GetLastError(void) const { return(::GetLastError()==0 ? "mine" : "theirs"); }
  };
int FromTheOtherFile(const int a)
  {
   int value=a;
   Change(value);
   return(value-5);
  }
