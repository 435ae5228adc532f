//+------------------------------------------------------------------+
//| ServerTime.mqh                                         QuantMind  |
//| What a terminal calls a time is the wall clock of its server,     |
//| written as if it were UTC. How far it is ahead now is measured;   |
//| other days go by a rule that agrees with that.                    |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_SERVERTIME_MQH
#define QUANTMIND_SERVERTIME_MQH

#define QM_HALF_HOUR_S     1800
#define QM_LEAST_OFFSET_S  (-43200)
#define QM_MOST_OFFSET_S   50400
#define QM_AGREEING        3           // measurements in a row that say another offset change it
#define QM_OFFSET_AUTO     (-1000000)     // seconds: measure it

enum ENUM_QM_ZONE
  {
   QM_ZONE_NEW_YORK=0,   // midnight at New York's 17:00: GMT+2, and +3 in New York's summer
   QM_ZONE_ATHENS=1,     // GMT+2, and +3 in Europe's summer
   QM_ZONE_FIXED=2       // always what was measured, or what the input says
  };

//+------------------------------------------------------------------+
//| The first Sunday on or after a day of a month, 00:00              |
//+------------------------------------------------------------------+
long QMSundayFrom(const int year,const int month,const int day)
  {
   MqlDateTime parts;
   ZeroMemory(parts);
   parts.year=year;
   parts.mon=month;
   parts.day=day;
   long at=(long)StructToTime(parts);
   int weekday=(int)((at/86400+4)%7);        // 1970-01-01 was a Thursday; Sunday is 0
   return(at+((7-weekday)%7)*86400);
  }
//+------------------------------------------------------------------+
//| How far the clocks of a zone are ahead of UTC, in seconds         |
//+------------------------------------------------------------------+
long QMZoneOffset(const ENUM_QM_ZONE zone,const long fixed_s,const long utc_s)
  {
   if(zone==QM_ZONE_FIXED)
      return(fixed_s);
   MqlDateTime parts;
   TimeToStruct((datetime)utc_s,parts);
   long begins=0;
   long ends=0;
   if(zone==QM_ZONE_NEW_YORK)
     {
      //--- second Sunday of March, 02:00 EST, to the first of November, 02:00 EDT (since 2007)
      begins=QMSundayFrom(parts.year,3,8)+7*3600;
      ends=QMSundayFrom(parts.year,11,1)+6*3600;
     }
   else
     {
      //--- last Sunday of March to the last of October, 01:00 UTC (since 1996)
      begins=QMSundayFrom(parts.year,3,25)+3600;
      ends=QMSundayFrom(parts.year,10,25)+3600;
     }
   return(utc_s>=begins && utc_s<ends ? 10800 : 7200);
  }

//+------------------------------------------------------------------+
//| Between the server's clock and UTC                                |
//+------------------------------------------------------------------+
class CBridgeTime
  {
private:
   long              m_said_s;            // by the input; QM_OFFSET_AUTO: none
   ENUM_QM_ZONE      m_zone;
   long              m_measured_s;
   long              m_other_s;           // another offset that the last measurements say
   int               m_other_times;       // how many of them; -1: there was none yet
   bool              m_athens_once;       // New York's rule was contradicted by a measurement

   long              OffsetAt(const long utc_s) const
     {
      return(QMZoneOffset(m_zone,m_said_s!=QM_OFFSET_AUTO ? m_said_s : m_measured_s,utc_s));
     }

public:
                     CBridgeTime(void)
     {
      m_said_s=QM_OFFSET_AUTO;
      m_zone=QM_ZONE_NEW_YORK;
      m_measured_s=7200;
      m_athens_once=false;
      m_other_s=0;
      m_other_times=-1;
     }
   //--- hours that the server is ahead of UTC, all the year; less than -24: it is measured
   void              Configure(const double ahead_h)
     {
      m_said_s=(ahead_h<-24.0 ? QM_OFFSET_AUTO : (long)MathRound(ahead_h*3600.0));
      m_zone=(m_said_s!=QM_OFFSET_AUTO ? QM_ZONE_FIXED : QM_ZONE_NEW_YORK);
      m_athens_once=false;
      m_other_times=-1;
     }
   //--- what the terminal itself reckons the server's clock to be, against this computer's UTC
   void              Measure(void)
     {
      if(m_said_s!=QM_OFFSET_AUTO)
         return;
      long utc=(long)TimeGMT();
      long ahead=(long)TimeTradeServer()-utc;
      long offset=(long)MathRound((double)ahead/QM_HALF_HOUR_S)*QM_HALF_HOUR_S;
      if(offset<QM_LEAST_OFFSET_S || offset>QM_MOST_OFFSET_S)
         return;
      //--- the first one counts until there is a better one; after that several must agree
      if(m_other_times>=0 && offset!=m_measured_s)
        {
         m_other_times=(offset==m_other_s ? m_other_times+1 : 1);
         m_other_s=offset;
         if(m_other_times<QM_AGREEING)
            return;
        }
      m_other_times=0;
      m_measured_s=offset;
      bool new_york=(QMZoneOffset(QM_ZONE_NEW_YORK,0,utc)==offset);
      bool athens=(QMZoneOffset(QM_ZONE_ATHENS,0,utc)==offset);
      if(athens && !new_york)
         m_athens_once=true;
      if(new_york && !athens)
         m_athens_once=false;
      if(athens && (m_athens_once || !new_york))
         m_zone=QM_ZONE_ATHENS;
      else if(new_york)
         m_zone=QM_ZONE_NEW_YORK;
      else
         m_zone=QM_ZONE_FIXED;
     }
   long              OffsetNow(void) const       { return(OffsetAt((long)TimeGMT())); }
   //--- of the hour that autumn has twice it is the first one
   long              ToUtcMsc(const long server_msc) const
     {
      long server_s=server_msc/1000;
      long before=OffsetAt(server_s-QM_MOST_OFFSET_S);
      long after=OffsetAt(server_s-QM_LEAST_OFFSET_S);
      long larger=MathMax(before,after);
      long smaller=MathMin(before,after);
      long offset=before;
      if(OffsetAt(server_s-larger)==larger)
         offset=larger;
      else if(OffsetAt(server_s-smaller)==smaller)
         offset=smaller;
      return(server_msc-offset*1000);
     }
   datetime          FromUtc(const double utc_s) const
     {
      long whole=(long)MathFloor(utc_s);
      return((datetime)(whole+OffsetAt(whole)));
     }
   string            Describe(void) const
     {
      long minutes=OffsetNow()/60;
      string text=StringFormat("UTC%s%02d:%02d, ",minutes<0 ? "-" : "+",(int)(MathAbs(minutes)/60),(int)(MathAbs(minutes)%60));
      text+=(m_said_s!=QM_OFFSET_AUTO ? "configured" : "measured");
      if(m_zone==QM_ZONE_NEW_YORK)
         return(text+", other days by New York's close");
      if(m_zone==QM_ZONE_ATHENS)
         return(text+", other days by Athens");
      return(text+", other days by the same");
     }
  };

#endif
