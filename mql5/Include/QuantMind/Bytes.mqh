//+------------------------------------------------------------------+
//| Bytes.mqh                                              QuantMind  |
//| A queue of bytes: what came is appended, what was read is         |
//| consumed. Its size is bounded by whoever uses it.                 |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_BYTES_MQH
#define QUANTMIND_BYTES_MQH

#define QM_BYTES_RESERVE  4096
#define QM_BYTES_KEEP     1048576      // an empty queue that has grown beyond this gives its memory back

//+------------------------------------------------------------------+
//| UTF-8 of a text without a terminating zero; returns the count     |
//| (the array itself may be longer: it never shrinks)                |
//+------------------------------------------------------------------+
int QMTextToBytes(const string text,uchar &bytes[])
  {
   int count=StringToCharArray(text,bytes,0,WHOLE_ARRAY,CP_UTF8)-1;
   return(count<0 ? 0 : count);
  }
//+------------------------------------------------------------------+
//| A queue of bytes                                                  |
//+------------------------------------------------------------------+
class CQuantMindBytes
  {
private:
   uchar             m_data[];
   int               m_begin;
   int               m_end;

   //--- overlapping ranges: ArrayCopy within one array is not documented for them
   void              MoveToFront(void)
     {
      int size=m_end-m_begin;
      for(int i=0; i<size; i++)
         m_data[i]=m_data[m_begin+i];
      m_begin=0;
      m_end=size;
     }
   void              MakeRoom(const int count)
     {
      if(ArraySize(m_data)-m_end>=count)
         return;
      //--- only when at least half of it was read: so each byte is moved once at most
      if(m_begin>0 && m_begin>=m_end-m_begin)
         MoveToFront();
      if(ArraySize(m_data)-m_end<count)
         ArrayResize(m_data,m_end+count,QM_BYTES_RESERVE+m_end);
     }

public:
                     CQuantMindBytes(void) { m_begin=0; m_end=0; }
   int               Size(void) const            { return(m_end-m_begin); }
   uchar             At(const int index) const   { return(m_data[m_begin+index]); }

   void              Clear(void)
     {
      m_begin=0;
      m_end=0;
      if(ArraySize(m_data)>QM_BYTES_KEEP)
         ArrayFree(m_data);
     }
   void              Append(const uchar &source[],const int start,const int count)
     {
      if(count<=0)
         return;
      MakeRoom(count);
      ArrayCopy(m_data,source,m_end,start,count);
      m_end+=count;
     }
   void              AppendByte(const int value)
     {
      MakeRoom(1);
      m_data[m_end++]=(uchar)(value&0xFF);
     }
   //--- big-endian, as the network has it
   void              AppendNumber(const ulong value,const int bytes)
     {
      for(int shift=8*(bytes-1); shift>=0; shift-=8)
         AppendByte((int)((value>>shift)&0xFF));
     }
   void              AppendText(const string text)
     {
      uchar bytes[];
      int count=QMTextToBytes(text,bytes);
      Append(bytes,0,count);
     }
   ulong             NumberAt(const int index,const int bytes) const
     {
      ulong value=0;
      for(int i=0; i<bytes; i++)
         value=(value<<8)|m_data[m_begin+index+i];
      return(value);
     }
   //--- bytes that are no UTF-8, and what follows a zero, are not shown
   string            TextAt(const int index,const int count) const
     {
      if(count<=0)
         return("");
      return(CharArrayToString(m_data,m_begin+index,count,CP_UTF8));
     }
   void              CopyTo(uchar &target[],const int target_start,const int index,const int count) const
     {
      if(count>0)
         ArrayCopy(target,m_data,target_start,m_begin+index,count);
     }
   void              Consume(const int count)
     {
      m_begin+=count;
      if(m_begin>=m_end)
         Clear();
     }
  };

#endif
