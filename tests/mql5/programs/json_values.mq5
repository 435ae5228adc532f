//+------------------------------------------------------------------+
//| json_values.mq5 - each member of each object of a file, as every  |
//| question of the reader answers it                                 |
//|                                                                   |
//| [key, type, count, text, number, long, ulong, integer, true, has, |
//| raw], a list of them for each document                            |
//+------------------------------------------------------------------+
#property copyright "QuantMind"
#property version   "1.0"

#include "json_copy.mqh"

input string InpIn="json.in";               // records to read
input string InpOut="json.out";             // records that are written

//+------------------------------------------------------------------+
//| One row, with fallbacks that can be seen                          |
//+------------------------------------------------------------------+
void Row(const CJsonReader &reader,const int node,const string key,CJsonWriter &writer)
  {
   int child=reader.Find(node,key);
   writer.BeginArray();
   writer.Text(key);
   writer.Long(reader.Type(child));
   writer.Long(reader.Count(child));
   writer.Text(reader.TextOf(node,key,"none"));
   writer.Text(StringFormat("%.17g",reader.NumberOf(node,key,-7.5)));
   writer.Long(reader.LongOf(node,key,-7));
   writer.Ulong(reader.UlongOf(node,key,7));
   writer.Bool(reader.Integer(child));
   writer.Bool(reader.IsTrueOf(node,key));
   writer.Bool(reader.HasOf(node,key));
   writer.Text(reader.Raw(child));
   writer.EndArray();
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
      writer.Clear();
      writer.BeginArray();
      if(reader.ParseText(CharArrayToString(all,position+4,count,CP_UTF8)))
        {
         int root=reader.Root();
         for(int child=reader.First(root); child>=0; child=reader.Next(child))
            Row(reader,root,reader.Key(child),writer);
         Row(reader,root,"nowhere",writer);
         Row(reader,-1,"nowhere",writer);
        }
      writer.EndArray();
      RecordWrite(out,writer.ToString());
      position+=4+count;
     }
   FileClose(out);
  }
//+------------------------------------------------------------------+
