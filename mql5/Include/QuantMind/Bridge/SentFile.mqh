//+------------------------------------------------------------------+
//| SentFile.mqh                                           QuantMind  |
//| What was sent to the trade server, and what came of it, by the    |
//| gateway's tag. MetaTrader 5 has no client order id, and what      |
//| changes or cancels leaves no trace with a tag: so a line is       |
//| written before each request goes out and one when it is answered. |
//| After a crash of the terminal the file says what may have got     |
//| through; what stands in it is never sent again.                   |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_SENTFILE_MQH
#define QUANTMIND_SENTFILE_MQH

#include <QuantMind/Bytes.mqh>
#include <QuantMind/Json.mqh>

#define QM_SENT_KEEP_S      604800      // a week: an order that waits longer is looked up at the broker
#define QM_SENT_MOST        5000
#define QM_SENT_REWRITE     4194304     // bytes

enum ENUM_QM_SENT
  {
   QM_SENT_OPEN=0,       // no answer was written down
   QM_SENT_PLACED=1,
   QM_SENT_REFUSED=2
  };

//+------------------------------------------------------------------+
//| One request                                                       |
//+------------------------------------------------------------------+
class CBridgeSent
  {
public:
   string            tag;
   long              at;                  // when it went out, Unix seconds
   ulong             began_ms;            // the same by the clock that only runs on, or when the file was read
   bool              of_this_run;
   MqlTradeRequest   request;
   ENUM_QM_SENT      outcome;
   string            placed;              // JSON of what was placed
   uint              retcode;             // of a refusal

                     CBridgeSent(void)
     {
      at=0;
      began_ms=0;
      of_this_run=false;
      outcome=QM_SENT_OPEN;
      retcode=0;
      ZeroMemory(request);
     }
   void              CopyFrom(const CBridgeSent &other)
     {
      tag=other.tag;
      at=other.at;
      began_ms=other.began_ms;
      of_this_run=other.of_this_run;
      request=other.request;
      outcome=other.outcome;
      placed=other.placed;
      retcode=other.retcode;
     }
  };

//+------------------------------------------------------------------+
//| The requests of the last week. One program writes it              |
//+------------------------------------------------------------------+
class CBridgeSentFile
  {
private:
   CBridgeSent       m_all[];
   int               m_count;
   string            m_name;
   int               m_handle;
   string            m_error;
   long              m_since;             // from then on it has everything, Unix seconds
   ulong             m_began_ms;
   CJsonReader       m_json;
   CJsonWriter       m_writer;

   bool              Failed(const string what)
     {
      m_error=what+" "+m_name+" (error "+IntegerToString(GetLastError())+")";
      return(false);
     }
   void              WriteRequest(const MqlTradeRequest &request)
     {
      m_writer.Key("what");
      m_writer.BeginObject();
      m_writer.LongAt("action",request.action);
      m_writer.UlongAt("magic",request.magic);
      m_writer.UlongAt("order",request.order);
      m_writer.TextAt("symbol",request.symbol);
      m_writer.NumberAt("volume",request.volume,8);
      m_writer.NumberAt("price",request.price,10);
      m_writer.NumberAt("sl",request.sl,10);
      m_writer.NumberAt("tp",request.tp,10);
      m_writer.LongAt("type",request.type);
      m_writer.LongAt("expiration",(long)request.expiration);
      m_writer.TextAt("comment",request.comment);
      m_writer.UlongAt("position",request.position);
      m_writer.UlongAt("position_by",request.position_by);
      m_writer.EndObject();
     }
   void              ReadRequest(const int node,MqlTradeRequest &request)
     {
      ZeroMemory(request);
      request.action=(ENUM_TRADE_REQUEST_ACTIONS)m_json.LongOf(node,"action");
      request.magic=m_json.UlongOf(node,"magic");
      request.order=m_json.UlongOf(node,"order");
      request.symbol=m_json.TextOf(node,"symbol");
      request.volume=m_json.NumberOf(node,"volume");
      request.price=m_json.NumberOf(node,"price");
      request.sl=m_json.NumberOf(node,"sl");
      request.tp=m_json.NumberOf(node,"tp");
      request.type=(ENUM_ORDER_TYPE)m_json.LongOf(node,"type");
      request.expiration=(datetime)m_json.LongOf(node,"expiration");
      request.comment=m_json.TextOf(node,"comment");
      request.position=m_json.UlongOf(node,"position");
      request.position_by=m_json.UlongOf(node,"position_by");
     }
   string            GoneOut(const CBridgeSent &one)
     {
      m_writer.Clear();
      m_writer.BeginObject();
      m_writer.TextAt("tag",one.tag);
      m_writer.LongAt("at",one.at);
      WriteRequest(one.request);
      m_writer.EndObject();
      return(m_writer.ToString());
     }
   string            CameBack(const CBridgeSent &one)
     {
      m_writer.Clear();
      m_writer.BeginObject();
      m_writer.TextAt("tag",one.tag);
      if(one.outcome==QM_SENT_PLACED)
         m_writer.RawAt("placed",one.placed);
      else
         m_writer.LongAt("refused",(long)one.retcode);
      m_writer.EndObject();
      return(m_writer.ToString());
     }
   int               NewOne(void)
     {
      if(ArraySize(m_all)<=m_count)
         ArrayResize(m_all,m_count+256);
      m_count++;
      return(m_count-1);
     }
   //--- a line behind the others; a line that was cut before it stays a line of its own
   bool              Append(const string line)
     {
      uchar bytes[];
      if(m_handle==INVALID_HANDLE)
         return(Failed("there is no file"));
      int size=QMTextToBytes("\n"+line+"\n",bytes);
      FileSeek(m_handle,0,SEEK_END);
      if(FileWriteArray(m_handle,bytes,0,size)!=(uint)size)
         return(Failed("can't write"));
      FileFlush(m_handle);
      if(FileSize(m_handle)>QM_SENT_REWRITE)
         return(Rewrite());
      return(true);
     }
   void              TakeLine(const uchar &bytes[],const int start,const int size)
     {
      //--- the end of one that a crash has cut is none
      if(size<=0 || !m_json.Parse(bytes,start,size))
         return;
      int root=m_json.Root();
      if(m_json.HasOf(root,"since"))
        {
         m_since=m_json.LongOf(root,"since");
         return;
        }
      string tag=m_json.TextOf(root,"tag");
      int what=m_json.Find(root,"what");
      if(tag=="")
         return;
      if(m_json.Type(what)==JSON_OBJECT)
        {
         int index=NewOne();
         m_all[index].tag=tag;
         m_all[index].at=m_json.LongOf(root,"at");
         m_all[index].began_ms=m_began_ms;
         m_all[index].of_this_run=false;
         m_all[index].outcome=QM_SENT_OPEN;
         ReadRequest(what,m_all[index].request);
         return;
        }
      int index=IndexOf(tag);
      if(index<0)
         return;
      int placed=m_json.Find(root,"placed");
      if(m_json.Type(placed)==JSON_OBJECT)
        {
         m_all[index].outcome=QM_SENT_PLACED;
         m_all[index].placed=m_json.Raw(placed);
        }
      else if(m_json.HasOf(root,"refused"))
        {
         m_all[index].outcome=QM_SENT_REFUSED;
         m_all[index].retcode=(uint)m_json.LongOf(root,"refused");
        }
     }
   bool              Load(void)
     {
      if(!FileIsExist(m_name,FILE_COMMON))
         return(true);
      int handle=FileOpen(m_name,FILE_READ|FILE_BIN|FILE_COMMON|FILE_SHARE_READ);
      if(handle==INVALID_HANDLE)
         return(Failed("can't read"));
      uchar bytes[];
      int size=(int)FileReadArray(handle,bytes,0,WHOLE_ARRAY);
      FileClose(handle);
      int start=0;
      for(int i=0; i<=size; i++)
         if(i==size || bytes[i]=='\n')
           {
            TakeLine(bytes,start,i-start);
            start=i+1;
           }
      return(true);
     }
   //--- forget what nobody asks for any more
   void              Prune(void)
     {
      long oldest=(long)TimeGMT()-QM_SENT_KEEP_S;
      int from=0;
      while(from<m_count && ((m_all[from].at<oldest && !m_all[from].of_this_run) || m_count-from>QM_SENT_MOST))
         from++;
      if(from==0)
         return;
      m_since=MathMax(m_since,oldest);
      if(from<m_count)
         m_since=MathMax(m_since,m_all[from].at);
      for(int i=from; i<m_count; i++)
         m_all[i-from].CopyFrom(m_all[i]);
      m_count-=from;
     }
   bool              Rewrite(void)
     {
      if(m_handle!=INVALID_HANDLE)
         FileClose(m_handle);
      m_handle=INVALID_HANDLE;
      Prune();
      string temporary=m_name+".new";
      int handle=FileOpen(temporary,FILE_WRITE|FILE_BIN|FILE_COMMON);
      if(handle==INVALID_HANDLE)
         return(Failed("can't write"));
      bool written=WriteLine(handle,"{\"since\":"+IntegerToString(m_since)+"}");
      for(int i=0; i<m_count && written; i++)
        {
         written=WriteLine(handle,GoneOut(m_all[i]));
         if(written && m_all[i].outcome!=QM_SENT_OPEN)
            written=WriteLine(handle,CameBack(m_all[i]));
        }
      FileFlush(handle);
      FileClose(handle);
      if(!written || !FileMove(temporary,FILE_COMMON,m_name,FILE_COMMON|FILE_REWRITE))
         return(Failed("can't write"));
      return(Reopen());
     }
   bool              WriteLine(const int handle,const string line)
     {
      uchar bytes[];
      int size=QMTextToBytes(line+"\n",bytes);
      return(FileWriteArray(handle,bytes,0,size)==(uint)size);
     }
   bool              Reopen(void)
     {
      m_handle=FileOpen(m_name,FILE_READ|FILE_WRITE|FILE_BIN|FILE_COMMON|FILE_SHARE_READ);
      return(m_handle!=INVALID_HANDLE || Failed("can't open"));
     }

public:
                     CBridgeSentFile(void)
     {
      m_count=0;
      m_handle=INVALID_HANDLE;
      m_since=0;
      m_began_ms=0;
     }
                    ~CBridgeSentFile(void) { Close(); }
   string            Error(void) const           { return(m_error); }
   //--- read what is there, in the folder that all terminals of this computer share. False: Error says why, and nothing
   //--- that adds risk may be sent
   bool              Open(const string name)
     {
      Close();
      m_name=name;
      m_count=0;
      m_began_ms=GetTickCount64();
      m_since=(long)TimeGMT();
      if(!Load())
         return(false);
      return(Rewrite());
     }
   void              Close(void)
     {
      if(m_handle!=INVALID_HANDLE)
         FileClose(m_handle);
      m_handle=INVALID_HANDLE;
     }
   //--- the newest request with this tag; -1: there is none
   int               IndexOf(const string tag) const
     {
      for(int i=m_count-1; i>=0; i--)
         if(m_all[i].tag==tag)
            return(i);
      return(-1);
     }
   void              Read(const int index,CBridgeSent &one) const { one.CopyFrom(m_all[index]); }
   //--- how long ago it went out at least, in seconds, though the clock was set back since
   double            AgeOf(const int index) const
     {
      double steady=(double)(GetTickCount64()-m_all[index].began_ms)/1000.0;
      if(m_all[index].of_this_run)
         return(steady);
      return(MathMax(steady,(double)((long)TimeGMT()-m_all[index].at)));
     }
   //--- how long it has everything at least, in seconds
   double            WholeFor(void) const
     {
      double steady=(double)(GetTickCount64()-m_began_ms)/1000.0;
      return(MathMax(steady,(double)((long)TimeGMT()-m_since)));
     }
   //--- a request goes out now. `whatever`: it goes though it can't be written, and is remembered until this program
   //--- ends. False: it must not go
   bool              Going(const string tag,const MqlTradeRequest &request,const bool whatever)
     {
      int index=NewOne();
      m_all[index].tag=tag;
      m_all[index].at=(long)TimeGMT();
      m_all[index].began_ms=GetTickCount64();
      m_all[index].of_this_run=true;
      m_all[index].request=request;
      m_all[index].outcome=QM_SENT_OPEN;
      m_all[index].placed="";
      m_all[index].retcode=0;
      if(Append(GoneOut(m_all[index])))
         return(true);
      //--- the file may have been locked for a moment: once more, whole
      if(Rewrite())
         return(true);
      if(!whatever)
         m_count--;
      else
         Print("fail.sent ",m_error,": it goes out since it takes risk away, and is remembered until this program ends");
      return(whatever);
     }
   //--- its answer has come. One that can't be written is looked up by whoever reads the file next
   void              Placed(const string tag,const string placed_json)
     {
      int index=IndexOf(tag);
      if(index<0)
         return;
      m_all[index].outcome=QM_SENT_PLACED;
      m_all[index].placed=placed_json;
      if(!Append(CameBack(m_all[index])))
         Print("fail.sent ",m_error);
     }
   void              Refused(const string tag,const uint retcode)
     {
      int index=IndexOf(tag);
      if(index<0)
         return;
      m_all[index].outcome=QM_SENT_REFUSED;
      m_all[index].retcode=retcode;
      if(!Append(CameBack(m_all[index])))
         Print("fail.sent ",m_error);
     }
  };

#endif
