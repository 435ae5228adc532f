//+------------------------------------------------------------------+
//| Result.mqh                                             QuantMind  |
//| What the gateway answered to a command, and that it did not.      |
//| docs/protocol.md, section 2, says what each field means.          |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_RESULT_MQH
#define QUANTMIND_RESULT_MQH

#include <QuantMind/Json.mqh>

enum ENUM_QM_STATUS
  {
   QM_NO_ANSWER=0,       // no answer, and nothing can have been traded by it
   QM_SUCCESS=1,
   QM_REJECTED=2,        // the risk governor said no: Reasons
   QM_ERROR=3,           // the command was wrong, or the broker refused: code and message
   QM_UNKNOWN=4          // an order went out or may have, and its fate is not known: never send it again
  };

//+------------------------------------------------------------------+
//| One reason of the governor                                        |
//+------------------------------------------------------------------+
class CQuantMindReason
  {
public:
   string            rule;
   string            message;
   string            limit;               // as it was written, empty: none
   string            value;
   bool              observed;            // it refuses nothing, since the gateway only observes
                     CQuantMindReason(void) { observed=false; }
  };

//+------------------------------------------------------------------+
//| An answer. Numbers that it did not have are 0, texts empty         |
//+------------------------------------------------------------------+
class CQuantMindResult
  {
private:
   CQuantMindReason  m_reasons[];
   int               m_reason_count;
   ulong             m_received_at;

   void              TakeReasons(const CJsonReader &json,const int list)
     {
      m_reason_count=0;
      int count=json.Count(list);
      if(json.Type(list)!=JSON_ARRAY || count<1)
         return;
      ArrayResize(m_reasons,count);
      for(int node=json.First(list); node>=0 && m_reason_count<count; node=json.Next(node))
        {
         m_reasons[m_reason_count].rule=json.TextOf(node,"rule");
         m_reasons[m_reason_count].message=json.TextOf(node,"message");
         m_reasons[m_reason_count].limit=Written(json,node,"limit");
         m_reasons[m_reason_count].value=Written(json,node,"value");
         m_reasons[m_reason_count].observed=json.IsTrueOf(node,"observed");
         m_reason_count++;
        }
     }
   string            Written(const CJsonReader &json,const int node,const string key) const
     {
      int found=json.Find(node,key);
      if(json.Type(found)==JSON_STRING)
         return(json.Text(found));
      return(json.Type(found)==JSON_NUMBER ? json.Raw(found) : "");
     }

public:
   ENUM_QM_STATUS    status;
   bool              approved;            // literally true in an answer of status success to this very question
   string            request_id;
   string            code;
   string            message;
   double            risk_multiplier;
   double            approved_volume;
   double            max_volume;
   string            approval_id;
   string            order_id;
   double            valid_until;         // Unix seconds of the gateway's clock
   long              valid_for_ms;
   bool              pending;
   ulong             ticket;
   ulong             order;
   double            price;
   double            volume;
   double            sl;
   double            tp;
   double            profit;
   int               retcode;
   string            retcode_text;
   double            reserved;
   string            trading_state;
   string            cause;
   double            next_heartbeat_s;
   bool              has_floor;           // the account has a floor: equity must stay above it
   double            floor_now;
   double            next_floor;
   double            next_reset;          // Unix seconds
   double            timestamp;           // Unix seconds of the gateway's clock
   string            raw;                 // the answer as it came

                     CQuantMindResult(void) { Clear(); }
   void              Clear(void)
     {
      status=QM_NO_ANSWER;
      approved=false;
      request_id="";
      code="";
      message="";
      risk_multiplier=0.0;
      approved_volume=0.0;
      max_volume=0.0;
      approval_id="";
      order_id="";
      valid_until=0.0;
      valid_for_ms=0;
      pending=false;
      ticket=0;
      order=0;
      price=0.0;
      volume=0.0;
      sl=0.0;
      tp=0.0;
      profit=0.0;
      retcode=0;
      retcode_text="";
      reserved=0.0;
      trading_state="";
      cause="";
      next_heartbeat_s=0.0;
      has_floor=false;
      floor_now=0.0;
      next_floor=0.0;
      next_reset=0.0;
      timestamp=0.0;
      raw="";
      m_reason_count=0;
      m_received_at=0;
     }
   //--- a failure on our side
   void              Say(const ENUM_QM_STATUS what,const string why_code,const string why)
     {
      status=what;
      approved=false;
      code=why_code;
      message=why;
     }
   //--- read an answer; false: it is none to this question, and nothing of it is taken
   bool              Take(const CJsonReader &json,const string asked_id)
     {
      Clear();
      int root=json.Root();
      if(json.Type(root)!=JSON_OBJECT)
        {
         message="the answer is no JSON object";
         return(false);
        }
      string said=json.TextOf(root,"status");
      string id=json.TextOf(root,"request_id");
      if(asked_id!="" && id!=asked_id)
        {
         message="the answer is for the request '"+id+"', and this one is '"+asked_id+"'";
         return(false);
        }
      if(said=="success")
         status=QM_SUCCESS;
      else if(said=="rejected")
         status=QM_REJECTED;
      else if(said=="error")
         status=QM_ERROR;
      else if(said=="unknown")
         status=QM_UNKNOWN;
      else
        {
         message="the answer has the status '"+said+"', which this version does not know";
         return(false);
        }
      request_id=id;
      approved=(status==QM_SUCCESS && json.IsTrueOf(root,"approved"));
      code=json.TextOf(root,"code");
      message=json.TextOf(root,"message");
      risk_multiplier=json.NumberOf(root,"risk_multiplier");
      approved_volume=json.NumberOf(root,"approved_volume");
      max_volume=json.NumberOf(root,"max_volume");
      approval_id=json.TextOf(root,"approval_id");
      order_id=json.TextOf(root,"order_id");
      valid_until=json.NumberOf(root,"valid_until");
      valid_for_ms=(long)json.NumberOf(root,"valid_for_ms");
      pending=json.IsTrueOf(root,"pending");
      ticket=json.UlongOf(root,"ticket");
      order=json.UlongOf(root,"order");
      price=json.NumberOf(root,"price");
      volume=json.NumberOf(root,"volume");
      sl=json.NumberOf(root,"sl");
      tp=json.NumberOf(root,"tp");
      profit=json.NumberOf(root,"profit");
      retcode=(int)json.LongOf(root,"retcode");
      retcode_text=json.TextOf(root,"retcode_text");
      reserved=json.NumberOf(root,"reserved");
      trading_state=json.TextOf(root,"trading_state");
      cause=json.TextOf(root,"cause");
      next_heartbeat_s=json.NumberOf(root,"next_heartbeat_s");
      has_floor=(json.Type(json.Find(root,"floor"))==JSON_NUMBER);
      floor_now=json.NumberOf(root,"floor");
      next_floor=json.NumberOf(root,"next_floor");
      next_reset=json.NumberOf(root,"next_reset");
      timestamp=json.NumberOf(root,"timestamp");
      raw=json.Raw(root);
      TakeReasons(json,json.Find(root,"reasons"));
      m_received_at=GetTickCount64();
      return(true);
     }
   int               Reasons(void) const         { return(m_reason_count); }
   string            ReasonRule(const int i) const    { return(i>=0 && i<m_reason_count ? m_reasons[i].rule : ""); }
   string            ReasonMessage(const int i) const { return(i>=0 && i<m_reason_count ? m_reasons[i].message : ""); }
   string            ReasonLimit(const int i) const   { return(i>=0 && i<m_reason_count ? m_reasons[i].limit : ""); }
   string            ReasonValue(const int i) const   { return(i>=0 && i<m_reason_count ? m_reasons[i].value : ""); }
   bool              ReasonObserved(const int i) const { return(i>=0 && i<m_reason_count && m_reasons[i].observed); }
   //--- an approval holds for a moment only: trade while this is true
   bool              StillValid(void) const
     {
      return(approved && valid_for_ms>0 && GetTickCount64()-m_received_at<(ulong)valid_for_ms);
     }
   //--- in one line, for a log or a chart
   string            Describe(void) const
     {
      string text="";
      switch(status)
        {
         case QM_SUCCESS:
            text=(approved ? "approved" : "done");
            break;
         case QM_REJECTED:
            text="refused";
            break;
         case QM_ERROR:
            text="error "+code;
            break;
         case QM_UNKNOWN:
            text="unknown";
            break;
         default:
            text="no answer";
            break;
        }
      if(message!="")
         text+=": "+message;
      for(int i=0; i<m_reason_count; i++)
         text+=(i==0 ? ": " : "; ")+m_reasons[i].rule+" "+m_reasons[i].message;
      return(text);
     }
  };

#endif
