//+------------------------------------------------------------------+
//| json_write.mq5 - calls of the writer, as a file lists them        |
//|                                                                   |
//| Each document is a list of [method, arguments...]; the answer is  |
//| what was written, or nothing                                      |
//+------------------------------------------------------------------+
#property copyright "QuantMind"
#property version   "1.0"

#include "json_copy.mqh"

input string InpIn="json.in";               // records to read
input string InpOut="json.out";             // records that are written

//+------------------------------------------------------------------+
//| A text of the input may stand for what JSON can't carry           |
//+------------------------------------------------------------------+
string Argument(const CJsonReader &reader,const int node)
  {
   string text=reader.Text(node);
   StringReplace(text,"<high>",ShortToString(0xD83D));
   StringReplace(text,"<low>",ShortToString(0xDE00));
   return(text);
  }
//+------------------------------------------------------------------+
double Value(const CJsonReader &reader,const int node)
  {
   string text=reader.Text(node);
   double zero=0.0;
   double most=DBL_MAX;
   if(text=="inf")
      return(most*10.0);
   if(text=="-inf")
      return(-most*10.0);
   if(text=="nan")
      return(most*10.0*zero);
   if(text=="most")
      return(most);
   return(reader.Number(node));
  }
//+------------------------------------------------------------------+
void Call(const CJsonReader &reader,const int node,CJsonWriter &writer)
  {
   int name=reader.First(node);
   int one=reader.Next(name);
   int two=reader.Next(one);
   int three=reader.Next(two);
   string method=reader.Text(name);
   if(method=="BeginObject")
      writer.BeginObject();
   else if(method=="EndObject")
      writer.EndObject();
   else if(method=="BeginArray")
      writer.BeginArray();
   else if(method=="EndArray")
      writer.EndArray();
   else if(method=="Key")
      writer.Key(Argument(reader,one));
   else if(method=="Text")
      writer.Text(Argument(reader,one));
   else if(method=="Long")
      writer.Long(reader.Long(one));
   else if(method=="Ulong")
      writer.Ulong(reader.Ulong(one));
   else if(method=="Bool")
      writer.Bool(reader.IsTrue(one));
   else if(method=="Null")
      writer.Null();
   else if(method=="Number")
      writer.Number(Value(reader,one),(int)reader.Long(two));
   else if(method=="RawJson")
      writer.RawJson(Argument(reader,one));
   else if(method=="TextAt")
      writer.TextAt(Argument(reader,one),Argument(reader,two));
   else if(method=="LongAt")
      writer.LongAt(Argument(reader,one),reader.Long(two));
   else if(method=="UlongAt")
      writer.UlongAt(Argument(reader,one),reader.Ulong(two));
   else if(method=="BoolAt")
      writer.BoolAt(Argument(reader,one),reader.IsTrue(two));
   else if(method=="NullAt")
      writer.NullAt(Argument(reader,one));
   else if(method=="NumberAt")
      writer.NumberAt(Argument(reader,one),Value(reader,two),(int)reader.Long(three));
   else if(method=="RawAt")
      writer.RawAt(Argument(reader,one),Argument(reader,two));
   else if(method=="Clear")
      writer.Clear();
  }
//+------------------------------------------------------------------+
//| Script program start function                                     |
//+------------------------------------------------------------------+
void OnStart()
  {
   uchar all[];
   int size=RecordsRead(InpIn,all);
   int out=FileOpen(InpOut,FILE_WRITE|FILE_BIN);
   CJsonReader reader;
   CJsonWriter writer;
   int position=0;
   for(int count=RecordLength(all,0,size); count>=0 && !IsStopped(); count=RecordLength(all,position,size))
     {
      string answer="!"+reader.Error();
      if(reader.Parse(all,position+4,count))
        {
         writer.Clear();
         for(int call=reader.First(reader.Root()); call>=0; call=reader.Next(call))
            Call(reader,call,writer);
         answer=(writer.Failed() ? "failed " : "fine ")+writer.ToString();
         uchar bytes[];
         int length=writer.ToBytes(bytes);
         if("fine "+(length>0 ? CharArrayToString(bytes,0,length,CP_UTF8) : "")!=answer && answer!="failed ")
            answer="!bytes and text differ";
        }
      RecordWrite(out,answer);
      position+=4+count;
     }
   FileClose(out);
  }
//+------------------------------------------------------------------+
