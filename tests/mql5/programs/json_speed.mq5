//+------------------------------------------------------------------+
//| json_speed.mq5 - microseconds to read a document, and to read it  |
//| and write it again, on average                                    |
//+------------------------------------------------------------------+
#property copyright "QuantMind"
#property version   "1.0"

#include "json_copy.mqh"

input string InpIn="json.in";               // records to read
input int    InpTimes=100;                  // times that each is read

//+------------------------------------------------------------------+
//| Script program start function                                     |
//+------------------------------------------------------------------+
void OnStart()
  {
   uchar all[];
   int size=RecordsRead(InpIn,all);
   CJsonReader reader;
   CJsonWriter writer;
   reader.SetLimits(32,1048576,16777216);
   int position=0;
   for(int count=RecordLength(all,0,size); count>=0 && !IsStopped(); count=RecordLength(all,position,size))
     {
      ulong begun=GetMicrosecondCount();
      for(int i=0; i<InpTimes; i++)
         reader.Parse(all,position+4,count);
      ulong read=GetMicrosecondCount();
      for(int i=0; i<InpTimes; i++)
        {
         writer.Clear();
         JsonCopy(reader,writer);
        }
      ulong written=GetMicrosecondCount();
      PrintFormat("%d %I64u %I64u",count,(read-begun)/InpTimes,(written-read)/InpTimes);
      position+=4+count;
     }
  }
//+------------------------------------------------------------------+
