//+------------------------------------------------------------------+
//| GovernedSample.mq5                                     QuantMind  |
//| An EA that trades by the leave of a QuantMind gateway. Its         |
//| signals are an example and no advice; what is worth copying is     |
//| how it asks, sizes, reports and stops.                            |
//+------------------------------------------------------------------+
#property copyright "The QuantMind authors"
#property link      "https://pypi.org/project/quantmind-gateway/"
#property version   "0.100"
#property description "Example: asks the gateway before each trade, and obeys it."

#include <QuantMind/Governed.mqh>

enum ENUM_QM_SIGNAL
  {
   QM_SIGNAL_CROSS=0,    // Two averages cross
   QM_SIGNAL_BUY=1,      // Always buy (to try the gateway)
   QM_SIGNAL_SELL=2      // Always sell (to try the gateway)
  };

input group "Gateway"
input string InpHost="127.0.0.1";          // Gateway host
input uint   InpPort=5555;                 // Command port
input uint   InpPushPort=5557;             // Push port (0: none)
input string InpToken="";                  // Token (only if the gateway trades, or asks for one)
input string InpBroker="";                 // The gateway's name for this account
input string InpEaName="GovernedSample";   // Name of this EA at the gateway
input bool   InpGatewayTrades=false;       // The gateway places the orders
input ENUM_QM_UNGOVERNED InpInTester=QM_TESTER_REFUSE;   // In the Strategy Tester
input group "Strategy"
input ENUM_QM_SIGNAL InpSignal=QM_SIGNAL_CROSS;          // Signal
input int    InpFast=10;                   // Bars of the fast average
input int    InpSlow=30;                   // Bars of the slow average
input double InpVolume=0.10;               // Lots at a multiplier of 1
input int    InpStopPoints=300;            // Stop loss, points (0: none)
input int    InpTakePoints=600;            // Take profit, points (0: none)
input int    InpTrailPoints=0;             // Trailing stop, points (0: none)
input int    InpHoldSeconds=0;             // Close after so many seconds (0: by the signal)
input long   InpMagic=20261;               // Magic number

CQuantMindGoverned g_governed;
datetime           g_bar=0;
ulong              g_asked_at=0;
ulong              g_closed_at=0;
int                g_wanted=0;            // the side of a signal that was not carried out yet
ulong              g_drawn_at=0;

#define QM_LABEL       "QuantMind."
#define QM_LABEL_MOST  63                // characters
#define QM_ASK_EVERY   1000              // milliseconds between two questions of a signal that lasts

//+------------------------------------------------------------------+
//| Begin and end                                                     |
//+------------------------------------------------------------------+
int OnInit()
  {
   if(InpVolume<=0.0 || InpFast<1 || InpSlow<=InpFast || InpEaName=="" || InpMagic<0)
     {
      Print("inputs: Volume must be above 0, the fast average have 1 bar or more and fewer than the slow one, the name not be empty, Magic not be negative");
      return(INIT_PARAMETERS_INCORRECT);
     }
   if(!g_governed.Begin(InpEaName,_Symbol,InpMagic,InpHost,InpPort,InpPushPort,InpToken,InpBroker,InpGatewayTrades,InpInTester))
      return(INIT_FAILED);
   if(g_governed.IsGoverned() && !EventSetMillisecondTimer(100))
      return(INIT_FAILED);
   Draw();
   return(INIT_SUCCEEDED);
  }
void OnDeinit(const int reason)
  {
   EventKillTimer();
   g_governed.End();
   ObjectsDeleteAll(0,QM_LABEL);
   ChartRedraw();
   Print(InpEaName,": ended, reason ",IntegerToString(reason));
  }
void OnTimer()
  {
   g_governed.Work();
   CloseOld();
   ulong now=GetTickCount64();
   if(now-g_drawn_at>=500)
     {
      g_drawn_at=now;
      Draw();
     }
  }
//+------------------------------------------------------------------+
//| Each tick: what is open, then what may be opened                  |
//+------------------------------------------------------------------+
void OnTick()
  {
   int signal=Signal();
   if(signal!=0)
      g_wanted=signal;                       // until it is done, or another one comes
   CloseOld();
   ulong now=GetTickCount64();
   ulong ticket=OwnTicket();
   if(ticket!=0)
     {
      bool buys=(PositionGetInteger(POSITION_TYPE)==POSITION_TYPE_BUY);
      if((g_wanted>0)==buys)
         g_wanted=0;
      if(g_wanted==0)
         Trail(ticket,buys);
      else if(now-g_closed_at>=QM_ASK_EVERY)
        {
         g_closed_at=now;
         g_governed.CloseTicket(ticket);
        }
      return;
     }
   if(g_wanted==0 || now-g_asked_at<QM_ASK_EVERY)
      return;
   g_asked_at=now;
   OpenBySignal(g_wanted>0);
  }
//+------------------------------------------------------------------+
//| 1 buy, -1 sell, 0 nothing                                         |
//+------------------------------------------------------------------+
int Signal(void)
  {
   if(InpSignal==QM_SIGNAL_BUY)
      return(1);
   if(InpSignal==QM_SIGNAL_SELL)
      return(-1);
   datetime bar=iTime(_Symbol,_Period,0);
   if(bar==g_bar || iBars(_Symbol,_Period)<InpSlow+2)
      return(0);
   g_bar=bar;
   double before=Average(InpFast,2)-Average(InpSlow,2);
   double now=Average(InpFast,1)-Average(InpSlow,1);
   if(before<=0.0 && now>0.0)
      return(1);
   if(before>=0.0 && now<0.0)
      return(-1);
   return(0);
  }
double Average(const int bars,const int shift)
  {
   double sum=0.0;
   for(int i=0; i<bars; i++)
      sum+=iClose(_Symbol,_Period,shift+i);
   return(sum/bars);
  }
//+------------------------------------------------------------------+
//| The position of this EA on this symbol, selected; 0: none          |
//+------------------------------------------------------------------+
ulong OwnTicket(void)
  {
   for(int i=PositionsTotal()-1; i>=0; i--)
     {
      ulong ticket=PositionGetTicket(i);
      if(ticket!=0 && PositionGetString(POSITION_SYMBOL)==_Symbol && PositionGetInteger(POSITION_MAGIC)==InpMagic)
         return(ticket);
     }
   return(0);
  }
//+------------------------------------------------------------------+
//| Trading                                                           |
//+------------------------------------------------------------------+
void OpenBySignal(const bool buys)
  {
   double bid=SymbolInfoDouble(_Symbol,SYMBOL_BID);
   double ask=SymbolInfoDouble(_Symbol,SYMBOL_ASK);
   double at=(buys ? bid : ask);              // what it would close at
   double sl=0.0;
   double tp=0.0;
   if(bid<=0.0 || ask<=0.0)
      return;
   if(InpStopPoints>0)
      sl=NormalizeDouble(buys ? at-InpStopPoints*_Point : at+InpStopPoints*_Point,_Digits);
   if(InpTakePoints>0)
      tp=NormalizeDouble(buys ? at+InpTakePoints*_Point : at-InpTakePoints*_Point,_Digits);
   g_governed.Open(buys,InpVolume,sl,tp);
  }
//--- by the position's own age, which a restart does not forget
void CloseOld(void)
  {
   ulong now=GetTickCount64();
   if(InpHoldSeconds<=0 || now-g_closed_at<QM_ASK_EVERY)
      return;
   ulong ticket=OwnTicket();
   if(ticket==0 || (long)TimeTradeServer()-PositionGetInteger(POSITION_TIME)<InpHoldSeconds)
      return;
   g_closed_at=now;
   g_governed.CloseTicket(ticket);
  }
//--- a stop follows the price, in steps of a tenth of its distance, and never back
void Trail(const ulong ticket,const bool buys)
  {
   if(InpTrailPoints<=0)
      return;
   double at=(buys ? SymbolInfoDouble(_Symbol,SYMBOL_BID) : SymbolInfoDouble(_Symbol,SYMBOL_ASK));
   double distance=InpTrailPoints*_Point;
   double wanted=NormalizeDouble(buys ? at-distance : at+distance,_Digits);
   double there=PositionGetDouble(POSITION_SL);
   double better=(buys ? wanted-there : there-wanted);
   if(at>0.0 && (there==0.0 || better>=distance/10.0))
      g_governed.MoveStop(ticket,wanted);
  }
//+------------------------------------------------------------------+
//| What the trader sees                                              |
//+------------------------------------------------------------------+
//--- a label shows 63 characters at most, and an empty one the word Label
void Label(const string name,const int line,const string text,const color shade)
  {
   OneLabel(name,2*line,StringLen(text)==0 ? " " : StringSubstr(text,0,QM_LABEL_MOST),shade);
   OneLabel(name+".more",2*line+1,StringLen(text)>QM_LABEL_MOST ? StringSubstr(text,QM_LABEL_MOST,QM_LABEL_MOST) : " ",shade);
  }
void OneLabel(const string name,const int line,const string text,const color shade)
  {
   string id=QM_LABEL+name;
   if(ObjectFind(0,id)<0)
     {
      ObjectCreate(0,id,OBJ_LABEL,0,0,0);
      ObjectSetInteger(0,id,OBJPROP_CORNER,CORNER_LEFT_UPPER);
      ObjectSetInteger(0,id,OBJPROP_XDISTANCE,12);
      ObjectSetInteger(0,id,OBJPROP_YDISTANCE,24+14*line);
      ObjectSetInteger(0,id,OBJPROP_FONTSIZE,10);
     }
   ObjectSetString(0,id,OBJPROP_TEXT,text);
   ObjectSetInteger(0,id,OBJPROP_COLOR,shade);
  }
void Draw(void)
  {
   string why="";
   double room=0.0;
   double at=0.0;
   bool   may=g_governed.MayOpen(why);
   string currency=AccountInfoString(ACCOUNT_CURRENCY);
   Label("state",0,InpEaName+": "+g_governed.TradingState()+", multiplier "+DoubleToString(g_governed.Multiplier(),2),may ? clrLimeGreen : clrOrange);
   if(g_governed.RoomLeft(room,at))
      Label("room",1,"room left today: "+DoubleToString(room,2)+" "+currency+" (floor "+DoubleToString(at,2)+", equity "
            +DoubleToString(AccountInfoDouble(ACCOUNT_EQUITY),2)+")",room>0.0 ? clrLimeGreen : clrRed);
   else
      Label("room",1,"room left today: no floor is known",clrGray);
   if(g_governed.NextReset()>0.0)
      Label("reset",2,"next day: floor "+DoubleToString(g_governed.NextFloor(),2)+" from "+TimeToString((datetime)g_governed.NextReset(),TIME_DATE|TIME_MINUTES)+" UTC",clrGray);
   Label("why",3,may ? "may open" : "opens nothing: "+why,may ? clrLimeGreen : clrOrange);
   Label("last",4,g_governed.LastNote(),clrGray);
   ChartRedraw();
  }
//+------------------------------------------------------------------+
