//+------------------------------------------------------------------+
//| json_echo.mq5 - each document of a file, read and written again   |
//|                                                                   |
//| An answer begins with +, or it is - and why it can't be read      |
//+------------------------------------------------------------------+
#property copyright "QuantMind"
#property version   "1.0"

#include "json_copy.mqh"

input string InpIn="json.in";               // records to read
input string InpOut="json.out";             // records that are written
input int    InpDepth=32;                   // limit of depth
input int    InpNodes=65536;                // limit of values
input int    InpBytes=4194304;              // limit of bytes

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
   reader.SetLimits(InpDepth,InpNodes,InpBytes);
   int position=0;
   for(int count=RecordLength(all,0,size); count>=0 && !IsStopped(); count=RecordLength(all,position,size))
     {
      if(reader.Parse(all,position+4,count))
        {
         writer.Clear();
         JsonCopy(reader,writer);
         RecordWrite(out,writer.Failed() ? "!" : "+"+writer.ToString());
        }
      else
         RecordWrite(out,"-"+reader.Error());
      position+=4+count;
     }
   FileClose(out);
  }
//+------------------------------------------------------------------+
