//+------------------------------------------------------------------+
//| ends.mq5 - mistakes after which a terminal unloads a program      |
//+------------------------------------------------------------------+
#property copyright "QuantMind"
#property version   "1.0"

input string InpCase="";

class CThing
  {
public:
   int               value;
   CThing           *other;
                     CThing(void) { value=1; other=NULL; }
   int               Read(const int &numbers[],const int index) const { return(numbers[index]); }
  };
int Zero(void) { return(0); }
//+------------------------------------------------------------------+
//| Script program start function                                     |
//+------------------------------------------------------------------+
void OnStart()
  {
   int dynamic[];
   int fixed_one[3]={1,2,3};
   int table[2][3]={{1,2,3},{4,5,6}};
   CThing thing;
   string text="abc";
   ArrayResize(dynamic,2);
   Print("begins");
   if(InpCase=="dynamic")
      dynamic[2]=1;
   if(InpCase=="fixed")
      fixed_one[Zero()-1]=1;
   if(InpCase=="table")
      table[1][Zero()+3]=1;
   if(InpCase=="parameter")
      Print(thing.Read(fixed_one,3));
   if(InpCase=="text")
      Print(text[3]);
   if(InpCase=="pointer")
      Print(thing.other.value);
   if(InpCase=="deleted")
     {
      CThing *made=new CThing();
      delete made;
      Print(made.value);
     }
   if(InpCase=="twice")
     {
      CThing *made=new CThing();
      delete made;
      delete made;
     }
   if(InpCase=="divide")
      Print(5/Zero());
   if(InpCase=="format wide")
      Print(StringFormat("%d",(long)1));
   if(InpCase=="format narrow")
      Print(StringFormat("%I64d",1));
   if(InpCase=="format real")
      PrintFormat("%f",1);
   if(InpCase=="format text")
      PrintFormat("%s",1);
   if(InpCase=="format bool")
      PrintFormat("%d",true);
   if(InpCase=="format few")
      PrintFormat("%d %d",1);
   if(InpCase=="format many")
      PrintFormat("%d",1,2);
   if(InpCase=="unset")
     {
      int a[];
      ArrayResize(a,100);
      Print(a[99]==0 ? "zero" : "anything");
      int local;
      if(Zero()==1)
         local=0;
      Print(local==0 ? "zero" : "anything");
     }
   Print("goes on");
  }
//+------------------------------------------------------------------+
