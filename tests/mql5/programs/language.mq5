//+------------------------------------------------------------------+
//| language.mq5 - what MQL5 is besides its functions                 |
//+------------------------------------------------------------------+
#property copyright "QuantMind"
#property version   "1.0"

#include "expect.mqh"
#include "language_parts.mqh"

#define LIMIT       4
#define TWICE(x)    ((x)*2)
#define NAMED(x)    #x
#define JOINED(a,b) a##b
#define GREETING    "hel" "lo"
#define LONG_ONE(a,b) \
   ((a)+ \
    (b))

enum ENUM_FRUIT
  {
   FRUIT_APPLE=3,
   FRUIT_PEAR,
   FRUIT_PLUM=10
  };

input group "Things"
input int        InpCount=3;                    // how many
input double     InpRatio=0.5;
input string     InpText="a b";
input bool       InpOn=true;
input ENUM_FRUIT InpFruit=FRUIT_PEAR;
input datetime   InpFrom=D'2026.01.02 03:04:05';
input color      InpColor=clrRed;
input ENUM_TIMEFRAMES InpFrame=PERIOD_H1;
sinput ulong     InpBig=18446744073709551615;

int          g_numbers[]={5,4,3};
const string g_words[3]={"one","two","three"};
double       g_table[2][3]={{1,2,3},{4,5,6}};
int          g_open[][2];
bool         g_flags[LIMIT];

class CShape;
//+------------------------------------------------------------------+
//| A struct with arrays inside, as large as they are                 |
//+------------------------------------------------------------------+
struct SPacket
  {
   uchar             head[4];
   int               value;
   short             pair[2];
  };
//+------------------------------------------------------------------+
//| A base class, and what is derived of it                           |
//+------------------------------------------------------------------+
class CShape
  {
protected:
   string            m_name;
   static int        s_count;

public:
   enum ENUM_KIND
     {
      KIND_ROUND=1,
      KIND_FLAT=2
     };
   int               sizes[];
   ENUM_KIND         kind;
                     CShape(const string name="none") : m_name(name) { s_count++; kind=KIND_ROUND; }
                    ~CShape(void) { s_count--; }
   virtual double    Area(void) const { return(0.0); }
   string            Name(void) const { return(this.m_name); }
   void              Rename(const string name) { this.m_name=name; }
   static int        Count(void) { return(s_count); }
   string            Where(void) const { return(__FUNCTION__); }
   int               Total(void) const;
   bool              operator==(const CShape &other) const { return(m_name==other.m_name); }
   int               operator[](const int index) const { return(sizes[index]); }
  };
int CShape::s_count=0;
int CShape::Total(void) const
  {
   int total=0;
   for(int i=0; i<ArraySize(sizes); i++)
      total+=sizes[i];
   return(total);
  }
class CSquare : public CShape
  {
private:
   double            m_side;

public:
                     CSquare(const double side) : CShape("square") { m_side=side; }
   virtual double    Area(void) const override { return(m_side*m_side); }
   double            Side(void) const { return(m_side); }
  };
class CNode
  {
public:
   int               value;
   CNode            *next;
                     CNode(void) { value=0; next=NULL; }
  };
//+------------------------------------------------------------------+
//| A class template                                                  |
//+------------------------------------------------------------------+
template<typename T>
class CList
  {
private:
   T                 m_items[];

public:
   void              Add(const T item)
     {
      int size=ArraySize(m_items);
      ArrayResize(m_items,size+1);
      m_items[size]=item;
     }
   T                 At(const int index) const { return(m_items[index]); }
   int               Size(void) const { return(ArraySize(m_items)); }
  };
template<typename T>
T Larger(const T a,const T b)
  {
   return(a<b ? b : a);
  }
//+------------------------------------------------------------------+
//| Macros and literals                                               |
//+------------------------------------------------------------------+
void Literals(void)
  {
   ExpectLong(TWICE(LIMIT+1),10,"a macro with a parameter");
   ExpectText(NAMED(a_b),"a_b","a macro that quotes");
   int JOINED(some,thing)=7;
   ExpectLong(something,7,"a macro that joins");
   ExpectText(GREETING" you","hello you","literals side by side");
   ExpectLong(LONG_ONE(1,2),3,"a macro over several lines");
   ExpectLong('a',97,"a letter");
   ExpectLong('\x41',65,"a letter by its number");
   ExpectLong('\'',39,"a quote");
   ExpectLong('\65'+'\0',65,"a letter by its decimal number");
   ExpectLong((long)D'1970.01.02',86400,"a date");
   ExpectLong((long)D'2026.11.28 12:30:15',1795869015,"a date with a time");
   ExpectLong((uint)C'1,2,3',0x030201,"a color");
   ExpectLong((uint)C'0xFF,0,0',0xFF,"a color in hexadecimal");
   ExpectText("tab\t\"quoted\" \\ \x41","tab"+CharToString(9)+CharToString(34)+"quoted"+CharToString(34)+" \\ A","escapes");
   ExpectLong(0xFFFFFFFFFFFFFFFF,-1,"all bits");
   ExpectLong(007,7,"a number with zeros before it");
   ExpectText(__FUNCTION__,"Literals","the name of the function");
   ExpectText(__FILE__,"language.mq5","the name of the file");
   ExpectLong(__LINE__,154,"the line");
   #ifdef LIMIT
   #ifndef NO_SUCH_NAME
   Expect(true,"a name that is defined");
   #else
   Expect(false,"a name that is not defined");
   #endif
   #else
   Expect(false,"a part that is left out");
   #endif
   #ifdef __MQL5__
   Expect(true,"the language");
   #else
   Expect(false,"the language");
   #endif
  }
//+------------------------------------------------------------------+
//| Arrays of all kinds                                               |
//+------------------------------------------------------------------+
int Sum(const int &values[])
  {
   int sum=0;
   for(int i=0; i<ArraySize(values); i++)
      sum+=values[i];
   return(sum);
  }
void Fill(int &values[],const int count)
  {
   ArrayResize(values,count);
   for(int i=0; i<ArraySize(values); i++)
      values[i]=i;
  }
double Corner(const double &table[][3])
  {
   return(table[ArrayRange(table,0)-1][2]);
  }
void Arrays(void)
  {
   int dynamic[];
   int fixed_one[4];
   int a=1,list[2],b=2,empty[];
   list[0]=a;
   list[1]=b;
   ExpectLong(Sum(g_numbers),12,"an array with its items");
   ExpectLong(ArrayResize(g_numbers,9),-1,"which does not grow");
   Fill(dynamic,5);
   ExpectLong(Sum(dynamic),10,"a dynamic array");
   Fill(fixed_one,9);
   ExpectLong(ArraySize(fixed_one),4,"a fixed array keeps its size");
   ExpectLong(Sum(fixed_one),6,"and is filled");
   ExpectLong(Sum(list),3,"several in one declaration");
   ExpectLong(ArraySize(empty),0,"an empty one");
   ExpectText(g_words[2],"three","texts");
   ExpectDouble(g_table[1][2],6.0,"two dimensions");
   ExpectDouble(Corner(g_table),6.0,"as a parameter");
   ExpectLong(ArraySize(g_table),6,"all items");
   ExpectLong(ArrayRange(g_table,1),3,"a dimension");
   ExpectLong(ArrayResize(g_open,3),6,"an open first dimension");
   g_open[2][1]=8;
   ExpectLong(g_open[2][1],8,"an item of it");
   Expect(!g_flags[3],"what is global begins as zero");
   g_flags[3]=true;
   Expect(g_flags[3],"bools");
   ArraySetAsSeries(dynamic,true);
   ExpectLong(dynamic[0],4,"from the end");
   ArraySetAsSeries(dynamic,false);
   SPacket packet;
   ZeroMemory(packet);
   packet.head[3]=9;
   packet.pair[1]=-2;
   ExpectLong(sizeof(SPacket),12,"a struct with arrays");
   uchar bytes[];
   Expect(StructToCharArray(packet,bytes),"a struct as bytes");
   ExpectLong(bytes[3],9,"its first");
   ExpectLong(bytes[10],254,"its last");
   SPacket again;
   Expect(CharArrayToStruct(again,bytes),"bytes as a struct");
   ExpectLong(again.pair[1],-2,"the same");
   SPacket copied=again;
   ExpectLong(copied.head[3],9,"a copy of a struct");
   CShape shapes[];
   ArrayResize(shapes,2);
   shapes[1].Rename("moved");
   ArrayResize(shapes[1].sizes,3);
   shapes[1].sizes[2]=5;
   ArrayResize(shapes,2000);
   ExpectText(shapes[1].Name(),"moved","objects move with their texts");
   ExpectLong(shapes[1].sizes[2],5,"and their arrays");
   ExpectLong(CShape::Count(),2000,"each was constructed");
   ArrayFree(shapes);
   ExpectLong(CShape::Count(),0,"and destructed");
  }
//+------------------------------------------------------------------+
//| Classes and pointers                                              |
//+------------------------------------------------------------------+
double AreaOf(const CShape &shape) { return(shape.Area()); }
CShape *Made(const double side)    { return(new CSquare(side)); }
CShape *Keep(CShape *&kept,const double side)
  {
   kept=Made(side);
   return(kept);
  }
void Classes(void)
  {
   CSquare square(3.0);
   ExpectDouble(AreaOf(square),9.0,"a virtual method");
   ExpectText(square.Name(),"square","a method of the base");
   ExpectText(square.Where(),"CShape::Where","the name of a method");
   Expect(CheckPointer(GetPointer(square))==POINTER_AUTOMATIC,"an automatic object");
   CShape *shape=Made(2.0);
   Expect(CheckPointer(shape)==POINTER_DYNAMIC,"a dynamic object");
   ExpectDouble(shape.Area(),4.0,"behind a pointer");
   ExpectDouble(((CSquare*)shape).Side(),2.0,"a cast of a pointer");
   CShape *kept=NULL;
   ExpectDouble(Keep(kept,5.0).Area(),25.0,"what a function returns");
   delete kept;
   shape.kind=CShape::KIND_FLAT;
   ExpectText(EnumToString(shape.kind),"KIND_FLAT","an enum of a class");
   CShape *list[];
   ArrayResize(list,2);
   list[0]=shape;
   list[1]=GetPointer(square);
   list[0].Rename("first");
   ExpectText(shape.Name(),"first","an array of pointers");
   Expect(list[0]!=list[1],"pointers that differ");
   delete shape;
   Expect(CheckPointer(shape)==POINTER_INVALID,"a deleted object");
   shape=NULL;
   Expect(shape==NULL && CheckPointer(shape)==POINTER_INVALID,"no object");
   CNode head;
   head.value=1;
   head.next=new CNode;
   head.next.value=2;
   head.next.next=new CNode();
   head.next.next.value=3;
   int sum=0;
   for(CNode *node=GetPointer(head); node!=NULL; node=node.next)
      sum+=node.value;
   ExpectLong(sum,6,"a chain");
   delete head.next.next;
   delete head.next;
   CShape one("same");
   CShape other("same");
   Expect(one==other,"an operator");
   ArrayResize(one.sizes,2);
   one.sizes[0]=4;
   one.sizes[1]=5;
   ExpectLong(one[1],5,"the operator of an index");
   ExpectLong(one.Total(),9,"a method that is defined outside");
   CList<int> numbers;
   numbers.Add(7);
   CList<string> texts;
   texts.Add("x");
   texts.Add("y");
   ExpectLong(numbers.At(0)+texts.Size(),9,"a class template");
   ExpectText(Larger("a","b"),"b","a function template");
   ExpectDouble(Larger(1.5,0.5),1.5,"for another type");
  }
//+------------------------------------------------------------------+
//| Functions that are defined below, and elsewhere                   |
//+------------------------------------------------------------------+
int Counted(void)
  {
   static int count=0;
   count++;
   return(count);
  }
void Functions(void)
  {
   ExpectLong(Later(1),11,"a function that is defined later, with its default");
   ExpectLong(Later(1,2),3,"and without");
   ExpectLong(FromTheOtherFile(2),4,"a function of another file");
   Counted();
   ExpectLong(Counted(),2,"a static variable");
   int value=1;
   Change(value);
   ExpectLong(value,9,"a reference");
   ::ResetLastError();
   CNamed named;
   ExpectText(named.GetLastError(),"mine","a method with a built-in's name");
   ExpectLong(::Counted(),3,"the global scope");
  }
int  Later(const int a,const int b=TEN) { return(a+b); }
void Change(int &value)                { value=9; }
//+------------------------------------------------------------------+
//| Enums, inputs and the rest                                        |
//+------------------------------------------------------------------+
void Inputs(void)
  {
   Print("inputs ",InpCount," ",InpRatio," ",InpText," ",InpOn," ",EnumToString(InpFruit)," ",InpFrom," ",InpColor," ",
         EnumToString(InpFrame)," ",InpBig);
   ExpectText(EnumToString(FRUIT_PLUM),"FRUIT_PLUM","an enumerator");
   ExpectText(EnumToString((ENUM_FRUIT)99),"ENUM_FRUIT::99","what is none");
   ExpectText(EnumToString(MONDAY),"MONDAY","an enum of the language");
   ExpectLong(FRUIT_PEAR,4,"one more than the one before");
   datetime t=D'2026.01.01';
   t+=60;
   datetime later=t+3600;
   ExpectLong((long)(later-t),3600,"reckoning with time");
   Expect(later>t && t!=0 && (later>t ? later : t)==later,"comparing times");
   long whole=t;
   ExpectLong(whole,1767225660,"a time as a number");
   int i=10;
   switch(InpFruit)
     {
      case FRUIT_APPLE:
      case FRUIT_PEAR:
        {
         int inner=1;
         i+=inner;
         break;
        }
      default:
         i=0;
     }
   do
      i--;
   while(i>5);
   while(true)
     {
      if(i++>7)
         break;
      else
         continue;
     }
   ExpectLong(i,9,"loops");
   uchar small=250;
   small+=10;
   ExpectLong(small,4,"bytes wrap");
   int most=INT_MAX;
   most++;
   ExpectLong(most,INT_MIN,"and so do numbers");
   ExpectLong(7/2*2+7%3+(1<<4),6+1+16,"operators");
   string none=NULL;
   Expect(none==NULL && none!="" && StringLen(none)==0,"NULL is no empty text");
   string text=(string)5+" "+(string)true+" "+(string)1.5;
   ExpectText(text,"5 true 1.5","casts to text");
   ExpectLong(text[0],'5',"a letter of a text");
  }
//+------------------------------------------------------------------+
//| Script program start function                                     |
//+------------------------------------------------------------------+
void OnStart()
  {
   Literals();
   Arrays();
   Classes();
   Functions();
   Inputs();
   ExpectDone();
  }
//+------------------------------------------------------------------+
