//+------------------------------------------------------------------+
//| json_copy.mqh - what the programs of these tests share            |
//+------------------------------------------------------------------+
#ifndef JSON_COPY_MQH
#define JSON_COPY_MQH

#include <QuantMind/Json.mqh>

//+------------------------------------------------------------------+
//| The same document, without a recursion                            |
//+------------------------------------------------------------------+
void JsonCopy(const CJsonReader &reader,CJsonWriter &writer)
  {
   int open[];
   int depth=0;
   int node=reader.Root();
   while(node>=0)
     {
      if(depth>0 && reader.Type(open[depth-1])==JSON_OBJECT)
         writer.Key(reader.Key(node));
      int next=reader.Next(node);
      switch(reader.Type(node))
        {
         case JSON_OBJECT:
         case JSON_ARRAY:
            if(reader.Type(node)==JSON_OBJECT)
               writer.BeginObject();
            else
               writer.BeginArray();
            if(ArraySize(open)<=depth)
               ArrayResize(open,2*depth+16);
            open[depth]=node;
            depth++;
            next=reader.First(node);
            break;
         case JSON_STRING:
            writer.Text(reader.Text(node,"no string"));
            break;
         case JSON_BOOL:
            writer.Bool(reader.IsTrue(node));
            break;
         case JSON_NUMBER:
            if(!reader.Integer(node))
               writer.RawJson(reader.Raw(node));
            else if(StringGetCharacter(reader.Raw(node),0)=='-')
               writer.Long(reader.Long(node,1));
            else
               writer.Ulong(reader.Ulong(node,1));
            break;
         default:
            writer.Null();
            break;
        }
      //--- where nothing follows, what is around it ends
      while(next<0 && depth>0)
        {
         depth--;
         if(reader.Type(open[depth])==JSON_OBJECT)
            writer.EndObject();
         else
            writer.EndArray();
         next=reader.Next(open[depth]);
        }
      node=next;
     }
  }
//+------------------------------------------------------------------+
//| Files of records: four bytes of length, big-endian, and the bytes |
//+------------------------------------------------------------------+
int RecordsRead(const string name,uchar &all[])
  {
   int file=FileOpen(name,FILE_READ|FILE_BIN);
   if(file==INVALID_HANDLE)
     {
      Print("no file ",name,", error ",GetLastError());
      return(0);
     }
   int size=(int)FileReadArray(file,all);
   FileClose(file);
   return(size);
  }
//+------------------------------------------------------------------+
//| The length of the record at a position, -1 if there is none       |
//+------------------------------------------------------------------+
int RecordLength(const uchar &all[],const int position,const int size)
  {
   if(position+4>size)
      return(-1);
   return((all[position]<<24)|(all[position+1]<<16)|(all[position+2]<<8)|all[position+3]);
  }
//+------------------------------------------------------------------+
//| Appends a record                                                  |
//+------------------------------------------------------------------+
void RecordWrite(const int file,const string text)
  {
   uchar bytes[];
   int length=0;
   QMJsonEncode(text,bytes,length);
   uchar head[];
   ArrayResize(head,4);
   for(int i=0; i<4; i++)
      head[i]=(uchar)((length>>(24-8*i))&0xFF);
   FileWriteArray(file,head,0,4);
   if(length>0)
      FileWriteArray(file,bytes,0,length);
  }

#endif
