//+------------------------------------------------------------------+
//| Feed.mqh                                               QuantMind  |
//| The ticks of the followed symbols in numbered batches, each kept  |
//| until the next one is asked for: none is lost, and none comes     |
//| twice, though several share a millisecond.                        |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_FEED_MQH
#define QUANTMIND_FEED_MQH

#include <QuantMind/Json.mqh>
#include <QuantMind/Bridge/ServerTime.mqh>
#include <QuantMind/Bridge/Symbols.mqh>

#define QM_TICKS_AT_ONCE     2000       // of a symbol in one call
#define QM_TICKS_OF_BATCH    8000       // of all symbols in one batch: the rest comes with the next
#define QM_ANYBODY_SPOKE_MS  10000      // so lately some symbol must have spoken for the silence of another to mean anything
#define QM_CONFIRMED_FOR_MS  60000      // for so long after its own last tick a quiet symbol is taken to be quiet
#define QM_CONFIRM_EVERY_MS  1000
#define QM_UNREADABLE_MS     60000      // then the ticks of a symbol are asked for again

//+------------------------------------------------------------------+
//| How far a symbol was read                                         |
//+------------------------------------------------------------------+
class CBridgeCursor
  {
public:
   string            theirs;
   bool              begun;
   long              msc;                 // the newest millisecond that was given out, server's
   int               taken;               // ticks of it that were
   bool              unreadable;          // its ticks can't be read: the last one has to do
   ulong             unreadable_at;       // since when, ms of the clock that only runs on
   bool              spoke;               // ever
   bool              spoke_now;           // in the batch that is being made
   ulong             spoke_at;            // ms of the clock that only runs on

                     CBridgeCursor(void) { Begin(""); }
   void              Begin(const string name)
     {
      theirs=name;
      begun=false;
      msc=0;
      taken=0;
      unreadable=false;
      unreadable_at=0;
      spoke=false;
      spoke_now=false;
      spoke_at=0;
     }
   void              CopyFrom(const CBridgeCursor &other)
     {
      theirs=other.theirs;
      begun=other.begun;
      msc=other.msc;
      taken=other.taken;
      unreadable=other.unreadable;
      unreadable_at=other.unreadable_at;
      spoke=other.spoke;
      spoke_at=other.spoke_at;
     }
  };

//+------------------------------------------------------------------+
//| Ticks of a batch, before they are written                         |
//+------------------------------------------------------------------+
class CBridgeTick
  {
public:
   long              msc;                 // server's
   int               symbol;
   double            bid;
   double            ask;
   double            last;
   double            volume;
                     CBridgeTick(void) { msc=0; symbol=0; bid=0.0; ask=0.0; last=0.0; volume=0.0; }
  };

//+------------------------------------------------------------------+
//| Reads ticks when it is asked for them                             |
//+------------------------------------------------------------------+
class CBridgeFeed
  {
private:
   CBridgeCursor     m_cursors[];
   int               m_count;
   CBridgeTick       m_ticks[];
   int               m_tick_count;
   int               m_next[];            // of each cursor: its next tick in m_ticks while they are merged
   int               m_end[];
   long              m_number;
   string            m_last;              // the last batch as it was given
   int               m_crossed;
   ulong             m_confirmed_at;
   long              m_fresh_msc;         // ticks from here on are of now, server's milliseconds
   CJsonWriter       m_writer;

   int               CursorOf(const string theirs) const
     {
      for(int i=0; i<m_count; i++)
         if(m_cursors[i].theirs==theirs)
            return(i);
      return(-1);
     }
   void              Give(const int symbol,const MqlTick &tick,const int digits)
     {
      double bid=NormalizeDouble(tick.bid,digits);
      double ask=NormalizeDouble(tick.ask,digits);
      if(!MathIsValidNumber(bid) || !MathIsValidNumber(ask) || bid<=0.0 || ask<bid)
        {
         m_crossed++;
         return;
        }
      if(ArraySize(m_ticks)<=m_tick_count)
         ArrayResize(m_ticks,m_tick_count+512,1024);
      m_ticks[m_tick_count].msc=tick.time_msc;
      m_ticks[m_tick_count].symbol=symbol;
      m_ticks[m_tick_count].bid=bid;
      m_ticks[m_tick_count].ask=ask;
      m_ticks[m_tick_count].last=MathMax(0.0,NormalizeDouble(tick.last,digits));
      m_ticks[m_tick_count].volume=MathMax(0.0,tick.volume_real);
      m_tick_count++;
     }
   //--- what a tick tells of how far it was read
   void              Passed(const int i,const long msc)
     {
      if(m_cursors[i].begun && m_cursors[i].msc==msc)
        {
         m_cursors[i].taken++;
         return;
        }
      m_cursors[i].begun=true;
      m_cursors[i].msc=msc;
      m_cursors[i].taken=1;
     }
   void              ReadLast(const int i,const int digits)
     {
      MqlTick tick;
      ZeroMemory(tick);
      if(!SymbolInfoTick(m_cursors[i].theirs,tick) || tick.time_msc<=0)
         return;
      if(m_cursors[i].begun && tick.time_msc<=m_cursors[i].msc)
         return;
      Passed(i,tick.time_msc);
      Spoke(i,tick.time_msc);
      Give(i,tick,digits);
     }
   //--- a tick that is old already, as the last one of a symbol whose market is closed, confirms nothing
   void              Spoke(const int i,const long msc)
     {
      m_cursors[i].spoke_now=true;
      if(msc<m_fresh_msc)
         return;
      m_cursors[i].spoke=true;
      m_cursors[i].spoke_at=GetTickCount64();
     }
   //--- read on from the last tick that was given out
   void              ReadOn(const int i,const int digits)
     {
      MqlTick ticks[];
      int     wanted=QM_TICKS_AT_ONCE;
      while(m_tick_count<QM_TICKS_OF_BATCH)
        {
         long from=m_cursors[i].msc;
         ResetLastError();
         int got=CopyTicks(m_cursors[i].theirs,ticks,COPY_TICKS_ALL,(ulong)from,(uint)wanted);
         if(got<0)
           {
            Print("feed: the ticks of ",m_cursors[i].theirs," can't be read (error ",IntegerToString(GetLastError()),"): its last one only, for a minute");
            m_cursors[i].unreadable=true;
            m_cursors[i].unreadable_at=GetTickCount64();
            ReadLast(i,digits);
            return;
           }
         int skip=m_cursors[i].taken;
         bool any=false;
         for(int k=0; k<got; k++)
           {
            if(ticks[k].time_msc<from)
               continue;
            if(ticks[k].time_msc==from && skip>0)
              {
               skip--;
               continue;
              }
            if(ticks[k].time_msc<m_cursors[i].msc)
               continue;
            Passed(i,ticks[k].time_msc);
            Spoke(i,ticks[k].time_msc);
            Give(i,ticks[k],digits);
            any=true;
           }
         if(got<wanted)
            return;
         //--- a millisecond with more ticks than one call gives is read again by a larger call
         wanted=(any ? QM_TICKS_AT_ONCE : wanted*2);
        }
     }
   void              WriteTick(const CBridgeTick &tick,const CBridgeSymbols &symbols,const CBridgeTime &clock)
     {
      int digits=0;
      string symbol=symbols.OursOf(m_cursors[tick.symbol].theirs,digits);
      m_writer.BeginObject();
      m_writer.TextAt("symbol",symbol);
      m_writer.NumberAt("bid",tick.bid,digits);
      m_writer.NumberAt("ask",tick.ask,digits);
      m_writer.LongAt("time_msc",clock.ToUtcMsc(tick.msc));
      if(tick.last>0.0)
         m_writer.NumberAt("last",tick.last,digits);
      if(tick.volume>0.0)
         m_writer.NumberAt("volume",tick.volume,8);
      m_writer.EndObject();
     }
   //--- the ticks of each symbol stand together in order of time: the earliest of all that come next is written first
   void              WriteMerged(const CBridgeSymbols &symbols,const CBridgeTime &clock)
     {
      while(true)
        {
         int best=-1;
         for(int i=0; i<m_count; i++)
            if(m_next[i]<m_end[i] && (best<0 || m_ticks[m_next[i]].msc<m_ticks[m_next[best]].msc))
               best=i;
         if(best<0)
            return;
         WriteTick(m_ticks[m_next[best]],symbols,clock);
         m_next[best]++;
        }
     }
   //--- a price that was not said again still holds as long as the terminal is connected, other symbols speak, and its
   //--- own last tick is not old
   void              WriteConfirmed(const CBridgeSymbols &symbols)
     {
      ulong now=GetTickCount64();
      ulong newest=0;
      int   digits=0;
      for(int i=0; i<m_count; i++)
         if(m_cursors[i].spoke)
            newest=MathMax(newest,m_cursors[i].spoke_at);
      if(now-m_confirmed_at<QM_CONFIRM_EVERY_MS || newest==0 || now-newest>QM_ANYBODY_SPOKE_MS
         || TerminalInfoInteger(TERMINAL_CONNECTED)==0)
         return;
      m_confirmed_at=now;
      for(int i=0; i<m_count; i++)
         if(m_cursors[i].spoke && !m_cursors[i].spoke_now && now-m_cursors[i].spoke_at<=QM_CONFIRMED_FOR_MS)
            m_writer.Text(symbols.OursOf(m_cursors[i].theirs,digits));
     }

public:
                     CBridgeFeed(void)
     {
      m_count=0;
      m_tick_count=0;
      m_number=0;
      m_last="";
      m_crossed=0;
      m_confirmed_at=0;
      m_fresh_msc=0;
     }
   //--- of another server: nothing that was read counts there
   void              Forget(void)
     {
      m_count=0;
      m_number=0;
      m_last="";
     }
   //--- the symbols may be others now; what was read of those that stay goes on
   void              Follow(const CBridgeSymbols &symbols)
     {
      CBridgeCursor old[];
      ArrayResize(old,m_count);
      for(int i=0; i<m_count; i++)
         old[i].CopyFrom(m_cursors[i]);
      int before=m_count;
      m_count=symbols.Count();
      ArrayResize(m_cursors,m_count);
      ArrayResize(m_next,m_count);
      ArrayResize(m_end,m_count);
      for(int i=0; i<m_count; i++)
        {
         m_cursors[i].Begin(symbols.Theirs(i));
         for(int k=0; k<before; k++)
            if(old[k].theirs==symbols.Theirs(i))
               m_cursors[i].CopyFrom(old[k]);
        }
     }
   //--- ask the terminal for the prices of this symbol once more
   void              BeginAgain(const string theirs)
     {
      int i=CursorOf(theirs);
      if(i<0)
         return;
      SymbolSelect(theirs,true);
      m_cursors[i].unreadable=false;
     }
   //--- the batch after that of this number, as JSON. The last one is given again to whoever does not have it
   string            After(const long number,const CBridgeSymbols &symbols,const CBridgeTime &clock)
     {
      if(m_number>0 && number>=0 && number==m_number-1)
         return(m_last);
      m_tick_count=0;
      m_crossed=0;
      m_fresh_msc=(long)clock.FromUtc((double)TimeGMT())*1000-QM_CONFIRMED_FOR_MS;
      for(int i=0; i<m_count; i++)
        {
         int digits=0;
         symbols.OursOf(m_cursors[i].theirs,digits);
         m_cursors[i].spoke_now=false;
         m_next[i]=m_tick_count;
         if(m_cursors[i].unreadable && GetTickCount64()-m_cursors[i].unreadable_at>=QM_UNREADABLE_MS)
            m_cursors[i].unreadable=false;
         if(!m_cursors[i].begun || m_cursors[i].unreadable)
            ReadLast(i,digits);
         else
            ReadOn(i,digits);
         m_end[i]=m_tick_count;
        }
      m_number++;
      m_writer.Clear();
      m_writer.BeginObject();
      m_writer.LongAt("number",m_number);
      m_writer.Key("ticks");
      m_writer.BeginArray();
      WriteMerged(symbols,clock);
      m_writer.EndArray();
      m_writer.LongAt("crossed",m_crossed);
      m_writer.Key("confirmed");
      m_writer.BeginArray();
      WriteConfirmed(symbols);
      m_writer.EndArray();
      m_writer.EndObject();
      m_last=m_writer.ToString();
      return(m_last);
     }
  };

#endif
