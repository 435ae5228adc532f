//+------------------------------------------------------------------+
//| Symbols.mqh                                            QuantMind  |
//| Which symbols are followed: the gateway's names and the broker's, |
//| what each is, and the grids of its prices and volumes.            |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_BRIDGE_SYMBOLS_MQH
#define QUANTMIND_BRIDGE_SYMBOLS_MQH

#include <QuantMind/Json.mqh>

#define QM_MOST_SYMBOLS      512
#define QM_GRID_TOLERANCE    0.000001
#define QM_UNKNOWN_DIGITS    8

//+------------------------------------------------------------------+
//| What a symbol is, by the broker's name                            |
//+------------------------------------------------------------------+
class CBridgeSpec
  {
public:
   string            ours;
   string            theirs;
   int               digits;
   double            point;
   double            tick_size;
   double            volume_min;
   double            volume_max;
   double            volume_step;
   long              stops_level;         // points
   long              freeze_level;        // points
   ENUM_SYMBOL_TRADE_MODE trade_mode;
   ENUM_SYMBOL_TRADE_EXECUTION execution;
   long              filling;             // mask of SYMBOL_FILLING_FOK and SYMBOL_FILLING_IOC
   long              expiration;          // mask

                     CBridgeSpec(void)
     {
      digits=0;
      point=0.0;
      tick_size=0.0;
      volume_min=0.0;
      volume_max=0.0;
      volume_step=0.0;
      stops_level=0;
      freeze_level=0;
      trade_mode=SYMBOL_TRADE_MODE_DISABLED;
      execution=SYMBOL_TRADE_EXECUTION_MARKET;
      filling=0;
      expiration=0;
     }
   //--- false: the terminal does not know it, or says what makes no sense
   bool              Read(const string our_name,const string terminal_name)
     {
      ours=our_name;
      theirs=terminal_name;
      digits=(int)SymbolInfoInteger(theirs,SYMBOL_DIGITS);
      point=SymbolInfoDouble(theirs,SYMBOL_POINT);
      tick_size=SymbolInfoDouble(theirs,SYMBOL_TRADE_TICK_SIZE);
      if(tick_size<=0.0)
         tick_size=point;
      volume_min=SymbolInfoDouble(theirs,SYMBOL_VOLUME_MIN);
      volume_step=SymbolInfoDouble(theirs,SYMBOL_VOLUME_STEP);
      volume_max=MathMax(volume_min,SymbolInfoDouble(theirs,SYMBOL_VOLUME_MAX));
      stops_level=SymbolInfoInteger(theirs,SYMBOL_TRADE_STOPS_LEVEL);
      freeze_level=SymbolInfoInteger(theirs,SYMBOL_TRADE_FREEZE_LEVEL);
      trade_mode=(ENUM_SYMBOL_TRADE_MODE)SymbolInfoInteger(theirs,SYMBOL_TRADE_MODE);
      execution=(ENUM_SYMBOL_TRADE_EXECUTION)SymbolInfoInteger(theirs,SYMBOL_TRADE_EXEMODE);
      filling=SymbolInfoInteger(theirs,SYMBOL_FILLING_MODE);
      expiration=SymbolInfoInteger(theirs,SYMBOL_EXPIRATION_MODE);
      return(point>0.0 && tick_size>0.0 && volume_min>0.0 && volume_step>0.0
             && SymbolInfoString(theirs,SYMBOL_CURRENCY_PROFIT)!="");
     }
   //--- the last price; false: there is none that anybody could trade on
   bool              Price(double &bid,double &ask) const
     {
      MqlTick tick;
      ZeroMemory(tick);
      bid=0.0;
      ask=0.0;
      if(!SymbolInfoTick(theirs,tick) || tick.bid<=0.0 || tick.ask<tick.bid)
         return(false);
      bid=NormalizeDouble(tick.bid,digits);
      ask=NormalizeDouble(tick.ask,digits);
      return(true);
     }
   bool              OnPriceGrid(const double price) const
     {
      double ticks=price/tick_size;
      return(MathAbs(ticks-MathRound(ticks))<QM_GRID_TOLERANCE*MathMax(1.0,MathAbs(ticks)*0.001));
     }
   bool              OnVolumeGrid(const double volume) const
     {
      double steps=volume/volume_step;
      return(volume>=volume_min-QM_GRID_TOLERANCE*volume_step && volume<=volume_max+QM_GRID_TOLERANCE*volume_step
             && MathAbs(steps-MathRound(steps))<QM_GRID_TOLERANCE*100.0);
     }
   //--- the largest tradable volume that is not above it; 0: there is none
   double            FloorVolume(const double volume) const
     {
      double capped=MathMin(volume,volume_max);
      double floored=NormalizeDouble(MathFloor(capped/volume_step+QM_GRID_TOLERANCE*100.0)*volume_step,QM_UNKNOWN_DIGITS);
      return(floored>=volume_min-QM_GRID_TOLERANCE*volume_step ? floored : 0.0);
     }
   //--- the filling mode of a market order; -1: none that is known. SYMBOL_FILLING_MODE is a mask, and says nothing of
   //--- RETURN, which all but market execution have
   int               Filling(const int wanted) const
     {
      bool fok=((filling&SYMBOL_FILLING_FOK)!=0);
      bool ioc=((filling&SYMBOL_FILLING_IOC)!=0);
      bool back=(execution!=SYMBOL_TRADE_EXECUTION_MARKET);
      if(!fok && !ioc && !back)
         fok=true;
      if(wanted>=0)
        {
         bool has=((wanted==ORDER_FILLING_FOK && fok) || (wanted==ORDER_FILLING_IOC && ioc) || (wanted==ORDER_FILLING_RETURN && back));
         return(has ? wanted : -1);
        }
      if(fok)
         return(ORDER_FILLING_FOK);
      if(ioc)
         return(ORDER_FILLING_IOC);
      return(back ? (int)ORDER_FILLING_RETURN : -1);
     }
   string            ModeName(void) const
     {
      switch(trade_mode)
        {
         case SYMBOL_TRADE_MODE_FULL:
            return("full");
         case SYMBOL_TRADE_MODE_LONGONLY:
            return("long_only");
         case SYMBOL_TRADE_MODE_SHORTONLY:
            return("short_only");
         case SYMBOL_TRADE_MODE_CLOSEONLY:
            return("close_only");
        }
      return("disabled");
     }
   string            ExecutionName(void) const
     {
      switch(execution)
        {
         case SYMBOL_TRADE_EXECUTION_REQUEST:
            return("request");
         case SYMBOL_TRADE_EXECUTION_INSTANT:
            return("instant");
         case SYMBOL_TRADE_EXECUTION_EXCHANGE:
            return("exchange");
        }
      return("market");
     }
   //--- as the gateway reads it
   void              Write(CJsonWriter &json) const
     {
      string profit=SymbolInfoString(theirs,SYMBOL_CURRENCY_PROFIT);
      string base=SymbolInfoString(theirs,SYMBOL_CURRENCY_BASE);
      string margin=SymbolInfoString(theirs,SYMBOL_CURRENCY_MARGIN);
      bool   in_points=(SymbolInfoInteger(theirs,SYMBOL_SWAP_MODE)==SYMBOL_SWAP_MODE_POINTS);
      if(base=="")
         base=profit;
      if(margin=="")
         margin=base;
      json.BeginObject();
      json.TextAt("name",ours);
      json.LongAt("digits",digits);
      json.NumberAt("tick_size",tick_size,12);
      json.NumberAt("contract_size",SymbolInfoDouble(theirs,SYMBOL_TRADE_CONTRACT_SIZE),8);
      json.NumberAt("volume_min",volume_min,8);
      json.NumberAt("volume_max",volume_max,8);
      json.NumberAt("volume_step",volume_step,8);
      json.LongAt("stops_level",MathMax(0,stops_level));
      json.LongAt("freeze_level",MathMax(0,freeze_level));
      json.TextAt("currency_base",base);
      json.TextAt("currency_profit",profit);
      json.TextAt("currency_margin",margin);
      json.TextAt("description",StringSubstr(SymbolInfoString(theirs,SYMBOL_DESCRIPTION),0,128));
      json.TextAt("trade_mode",ModeName());
      json.TextAt("execution",ExecutionName());
      json.Key("fillings");
      json.BeginArray();
      if(Filling(ORDER_FILLING_FOK)>=0)
         json.Text("fok");
      if(Filling(ORDER_FILLING_IOC)>=0)
         json.Text("ioc");
      if(Filling(ORDER_FILLING_RETURN)>=0)
         json.Text("return");
      json.EndArray();
      json.NumberAt("swap_long",in_points ? SymbolInfoDouble(theirs,SYMBOL_SWAP_LONG) : 0.0,4);
      json.NumberAt("swap_short",in_points ? SymbolInfoDouble(theirs,SYMBOL_SWAP_SHORT) : 0.0,4);
      json.EndObject();
     }
  };

//+------------------------------------------------------------------+
//| Those that are followed                                           |
//+------------------------------------------------------------------+
class CBridgeSymbols
  {
private:
   CBridgeSpec       m_specs[];
   int               m_count;
   string            m_suffix;
   string            m_renamed_ours[];
   string            m_renamed_theirs[];

   bool              Has(const string ours) const
     {
      return(IndexOf(ours)>=0);
     }
   //--- a name that the gateway takes: letters, digits and . _ # & -
   bool              IsName(const string name) const
     {
      int size=StringLen(name);
      if(size<1 || size>31)
         return(false);
      for(int i=0; i<size; i++)
        {
         ushort c=StringGetCharacter(name,i);
         bool letter=((c>='A' && c<='Z') || (c>='a' && c<='z') || (c>='0' && c<='9'));
         if(!letter && c!='.' && c!='_' && c!='#' && c!='&' && c!='-')
            return(false);
        }
      return(true);
     }
   bool              Exists(const string theirs) const
     {
      bool custom=false;
      return(SymbolExist(theirs,custom));
     }
   string            RenamedTo(const string ours) const
     {
      for(int i=0; i<ArraySize(m_renamed_ours); i++)
         if(m_renamed_ours[i]==ours)
            return(m_renamed_theirs[i]);
      return("");
     }
   string            RenamedFrom(const string theirs) const
     {
      for(int i=0; i<ArraySize(m_renamed_theirs); i++)
         if(m_renamed_theirs[i]==theirs)
            return(m_renamed_ours[i]);
      return("");
     }
   //--- as it stands in SymbolNames, with the suffix, or as it is: nothing is guessed
   string            Resolved(const string ours) const
     {
      string said=RenamedTo(ours);
      if(said!="")
         return(said);
      if(m_suffix!="" && Exists(ours+m_suffix))
         return(ours+m_suffix);
      return(ours);
     }
   bool              Add(const string ours,const string theirs,string &error)
     {
      if(m_count>=QM_MOST_SYMBOLS)
        {
         error="more than "+IntegerToString(QM_MOST_SYMBOLS)+" symbols: list the ones to follow in the input Symbols";
         return(false);
        }
      if(!SymbolSelect(theirs,true))
        {
         error="the terminal has no symbol "+theirs+": correct the inputs Symbols, SymbolSuffix or SymbolNames";
         return(false);
        }
      if(ArraySize(m_specs)<=m_count)
         ArrayResize(m_specs,m_count+16);
      if(!m_specs[m_count].Read(ours,theirs))
        {
         error="the terminal's symbol "+theirs+" can't be used: its specification is not complete";
         return(false);
        }
      m_count++;
      return(true);
     }

public:
                     CBridgeSymbols(void) { m_count=0; m_suffix=""; }
   int               Count(void) const           { return(m_count); }
   string            Ours(const int i) const     { return(m_specs[i].ours); }
   string            Theirs(const int i) const   { return(m_specs[i].theirs); }
   int               IndexOf(const string ours) const
     {
      for(int i=0; i<m_count; i++)
         if(m_specs[i].ours==ours)
            return(i);
      return(-1);
     }
   //--- our name and the digits of a symbol of the terminal; of one that is not followed its own name
   string            OursOf(const string theirs,int &digits) const
     {
      for(int i=0; i<m_count; i++)
         if(m_specs[i].theirs==theirs)
           {
            digits=m_specs[i].digits;
            return(m_specs[i].ours);
           }
      digits=QM_UNKNOWN_DIGITS;
      return(theirs);
     }
   //--- the specification as it is now of a symbol by our name; of one that is not followed by the terminal's.
   //--- `followed_only`: nothing else. False: there is none
   bool              Find(const string name,const bool followed_only,CBridgeSpec &spec) const
     {
      int index=IndexOf(name);
      if(index>=0)
         return(spec.Read(name,m_specs[index].theirs));
      return(!followed_only && Exists(name) && spec.Read(name,name));
     }
   //--- whether the input SymbolNames can be read: OURS=THEIRS, with commas between them
   bool              AreNames(const string names,string &error)
     {
      string parts[];
      string pair[];
      ArrayResize(m_renamed_ours,0);
      ArrayResize(m_renamed_theirs,0);
      int count=StringSplit(names,',',parts);
      for(int i=0; i<count; i++)
        {
         StringTrimLeft(parts[i]);
         StringTrimRight(parts[i]);
         if(StringLen(parts[i])==0)
            continue;
         if(StringSplit(parts[i],'=',pair)!=2 || StringLen(pair[0])==0 || StringLen(pair[1])==0)
           {
            error="the input SymbolNames has '"+parts[i]+"': write EURUSD=EURUSDm, with commas between them";
            return(false);
           }
         int size=ArraySize(m_renamed_ours);
         ArrayResize(m_renamed_ours,size+1);
         ArrayResize(m_renamed_theirs,size+1);
         m_renamed_ours[size]=pair[0];
         m_renamed_theirs[size]=pair[1];
        }
      return(true);
     }
   void              Forget(void)                { m_count=0; }
   //--- `wanted`: names with commas between them, empty: the Market Watch; `names`: as AreNames. False: `error` says what
   //--- can't be used, and what to write
   bool              Choose(const string wanted,const string suffix,const string names,string &error)
     {
      string parts[];
      m_count=0;
      m_suffix=suffix;
      if(!AreNames(names,error))
         return(false);
      int count=StringSplit(wanted,',',parts);
      for(int i=0; i<count; i++)
        {
         StringTrimLeft(parts[i]);
         StringTrimRight(parts[i]);
         if(StringLen(parts[i])>0 && !Has(parts[i]) && !Add(parts[i],Resolved(parts[i]),error))
           {
            m_count=0;
            return(false);
           }
        }
      if(m_count>0)
         return(true);
      return(ChooseWatched(error));
     }
   bool              ChooseWatched(string &error)
     {
      int suffix_size=StringLen(m_suffix);
      for(int i=0; i<SymbolsTotal(true); i++)
        {
         string theirs=SymbolName(i,true);
         string ours=RenamedFrom(theirs);
         if(ours=="")
           {
            ours=theirs;
            int from=StringLen(theirs)-suffix_size;
            if(suffix_size>0 && from>0 && StringSubstr(theirs,from)==m_suffix)
               ours=StringSubstr(theirs,0,from);
           }
         //--- what can't be used is left out, and does not keep the others back
         if(m_count<QM_MOST_SYMBOLS && IsName(ours) && !Has(ours) && !Add(ours,theirs,error))
            Print("bridge: ",error);
        }
      error="";
      if(m_count==0)
         error="the Market Watch is empty: show symbols there, or list them in the input Symbols";
      return(m_count>0);
     }
   void              WriteNames(CJsonWriter &json) const
     {
      json.BeginArray();
      for(int i=0; i<m_count; i++)
         json.Text(m_specs[i].ours);
      json.EndArray();
     }
   //--- the answer to symbols_get
   void              Write(CJsonWriter &json)
     {
      json.BeginObject();
      json.Key("symbols");
      json.BeginArray();
      for(int i=0; i<m_count; i++)
         if(m_specs[i].Read(m_specs[i].ours,m_specs[i].theirs))
            m_specs[i].Write(json);
      json.EndArray();
      json.Key("terminal_names");
      json.BeginObject();
      for(int i=0; i<m_count; i++)
         if(m_specs[i].ours!=m_specs[i].theirs)
            json.TextAt(m_specs[i].ours,m_specs[i].theirs);
      json.EndObject();
      json.EndObject();
     }
  };

#endif
