//+------------------------------------------------------------------+
//| json_fuzz.mqh - what must hold for the JSON reader and the writer |
//| on any bytes. An empty answer says that it held                   |
//+------------------------------------------------------------------+
#ifndef JSON_FUZZ_MQH
#define JSON_FUZZ_MQH

#include "../programs/json_copy.mqh"

//+------------------------------------------------------------------+
//| Every question that may be asked of a node                        |
//+------------------------------------------------------------------+
string AskNode(const CJsonReader &reader,const int node,const int parent)
  {
   ENUM_JSON_TYPE type=reader.Type(node);
   string raw=reader.Raw(node);
   if(type==JSON_ABSENT || raw=="")
      return("a node that is none");
   int children=0;
   for(int child=reader.First(node); child>=0; child=reader.Next(child))
      children++;
   if(children!=reader.Count(node))
      return("Count() is not what First() and Next() give");
   if(children>0 && type!=JSON_ARRAY && type!=JSON_OBJECT)
      return("children of a value that has none");
   if(reader.Type(parent)==JSON_OBJECT && reader.Find(parent,reader.Key(node))!=node)
      return("a member that is not found by its key");
   if(!MathIsValidNumber(reader.Number(node)))
      return("a number that is none");
   if(type==JSON_NUMBER && reader.Number(node,1.0)!=reader.Number(node,2.0) && StringLen(raw)<20 && StringFind(raw,"e")<0
      && StringFind(raw,"E")<0)
      return("a small number that is not read");
   if(reader.Integer(node))
     {
      string text=(StringGetCharacter(raw,0)=='-' ? IntegerToString(reader.Long(node)) : "");
      if(text!="" && text!=raw && raw!="-0")
         return("a long that is not exact");
      if(text=="" && reader.Ulong(node,1)!=reader.Ulong(node,2))
         return("a ulong that is not read");
     }
   else if(reader.Long(node,3)!=3 || reader.Ulong(node,4)!=4)
      return("an integer that is none");
   if(type==JSON_STRING && reader.Text(node,"1")!=reader.Text(node,"2"))
      return("a string that is not read");
   if(type!=JSON_STRING && reader.Text(node,"none")!="none")
      return("a text of what is no string");
   return("");
  }
//+------------------------------------------------------------------+
//| Bytes that may be a document                                      |
//+------------------------------------------------------------------+
string FuzzReader(const uchar &data[],const int size)
  {
   CJsonReader reader;
   reader.SetLimits(32,4096,65536);
   if(!reader.Parse(data,0,size))
     {
      if(reader.Error()=="" || reader.Root()!=-1 || reader.Type(0)!=JSON_ABSENT)
         return("refused, but not quite");
      return("");
     }
   if(reader.Error()!="" || reader.Root()!=0)
      return("read, but not quite");
   int nodes=0;
   int parents[];
   ArrayResize(parents,64);
   int depth=0;
   int node=reader.Root();
   while(node>=0)
     {
      nodes++;
      if(nodes>4096 || depth>32)
         return("a tree without an end");
      string wrong=AskNode(reader,node,depth>0 ? parents[depth-1] : -1);
      if(wrong!="")
         return(wrong);
      parents[depth]=node;
      depth++;
      int next=reader.First(node);
      while(next<0 && depth>0)
        {
         depth--;
         next=reader.Next(parents[depth]);
        }
      node=next;
     }
   CJsonWriter writer;
   JsonCopy(reader,writer);
   string once=writer.ToString();
   if(writer.Failed() || once=="")
      return("what was read can't be written");
   CJsonReader again;
   if(!again.ParseText(once))
      return("what was written can't be read: "+again.Error());
   writer.Clear();
   JsonCopy(again,writer);
   if(writer.ToString()!=once)
      return("written twice, it is not the same");
   return("");
  }
//+------------------------------------------------------------------+
//| Bytes as calls of the writer: what it takes, the reader reads     |
//+------------------------------------------------------------------+
string FuzzWriter(const uchar &data[],const int size)
  {
   CJsonWriter writer;
   int position=0;
   while(position<size)
     {
      int call=data[position++];
      int count=call>>4;
      string text="";
      ulong number=0;
      for(int i=0; i<count && position+1<size; i++)
        {
         ushort c=(ushort)((data[position]<<8)|data[position+1]);
         position+=2;
         number=(number<<16)|c;
         //--- a zero would end the string
         if(c!=0)
            text+=ShortToString(c);
        }
      switch(call&0x0F)
        {
         case 0:
            writer.BeginObject();
            break;
         case 1:
            writer.EndObject();
            break;
         case 2:
            writer.BeginArray();
            break;
         case 3:
            writer.EndArray();
            break;
         case 4:
            writer.Key(text);
            break;
         case 5:
            writer.Text(text);
            break;
         case 6:
            writer.Long((long)number);
            break;
         case 7:
            writer.Ulong(number);
            break;
         case 8:
            writer.Bool(count>7);
            break;
         case 9:
            writer.Null();
            break;
         case 10:
            writer.Number((double)((long)number)/1048576.0,count-2);
            break;
         case 11:
            writer.TextAt(text,text);
            break;
         case 12:
            writer.UlongAt(text,number);
            break;
         case 13:
            writer.LongAt(text,(long)number);
            break;
         case 14:
            writer.NullAt(text);
            break;
         case 15:
            writer.NumberAt(text,(double)number,count);
            break;
        }
     }
   string once=writer.ToString();
   uchar bytes[];
   int length=writer.ToBytes(bytes);
   if(once=="")
      return(length==0 ? "" : "bytes without a text");
   CJsonReader reader;
   reader.SetLimits(64,65536,16777216);
   if(!reader.Parse(bytes,0,length))
      return("what was written can't be read: "+reader.Error());
   writer.Clear();
   JsonCopy(reader,writer);
   if(writer.ToString()!=once)
      return("read and written, it is not the same");
   return("");
  }

#endif
