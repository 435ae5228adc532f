//+------------------------------------------------------------------+
//| life.mq5 - an EA that says what happens to it                     |
//+------------------------------------------------------------------+
#property copyright "QuantMind"
#property version   "1.0"

input int  InpInit=INIT_SUCCEEDED;
input int  InpTimerMs=20;
input int  InpBusyMs=0;         // how long each timer's handler takes
input int  InpRemoveAfter=0;    // ticks of the timer until it asks to be removed
input bool InpHour=false;       // say when an hour has passed by the clock

int   g_timers=0;
ulong g_begun_us=0;
ulong g_begun_ms=0;
long  g_begun_s=0;
bool  g_said=false;

int OnInit()
  {
   g_begun_us=GetMicrosecondCount();
   g_begun_ms=GetTickCount64();
   g_begun_s=(long)TimeGMT();
   g_timers=0;
   Print("init, timer ",EventSetMillisecondTimer(InpTimerMs)," reason ",UninitializeReason());
   return(InpInit);
  }
void OnDeinit(const int reason)
  {
   ulong per=(g_timers>0 ? (GetMicrosecondCount()-g_begun_us)/(ulong)g_timers : 0);
   Print("deinit ",reason," ",UninitializeReason()," stopped ",IsStopped()," timers ",g_timers," each ",per," us");
  }
void OnChartEvent(const int id,const long &lparam,const double &dparam,const string &sparam)
  {
   Print("chart ",id," ",lparam," ",dparam," ",sparam);
  }
void OnTimer()
  {
   g_timers++;
   if(g_timers==1)
      Print("first");
   if(InpBusyMs>0)
      Sleep(InpBusyMs);
   if(InpHour && !g_said && (long)TimeGMT()-g_begun_s>=3600)
     {
      g_said=true;
      Print("an hour, and by the ticks ",GetTickCount64()-g_begun_ms>=7200000 ? "two" : "less");
     }
   if(g_timers==InpRemoveAfter)
      ExpertRemove();
   if(g_timers==2)
      EventChartCustom(0,7,-1,2.5,"told");
  }
//+------------------------------------------------------------------+
