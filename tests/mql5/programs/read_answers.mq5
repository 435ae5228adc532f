//+------------------------------------------------------------------+
//| Reads answers, one a line, and says what CQuantMindResult has     |
//+------------------------------------------------------------------+
#include <QuantMind/Result.mqh>

void OnStart()
  {
   uchar            bytes[];
   CJsonReader      json;
   CQuantMindResult result;
   int handle=FileOpen("answers.txt",FILE_READ|FILE_BIN);
   if(handle==INVALID_HANDLE)
     {
      Print("FAIL no file");
      return;
     }
   int size=(int)FileReadArray(handle,bytes,0,WHOLE_ARRAY);
   FileClose(handle);
   int start=0;
   for(int i=0; i<size; i++)
     {
      if(bytes[i]!='\n')
         continue;
      bool read=json.Parse(bytes,start,i-start);
      string id=(read ? json.TextOf(json.Root(),"request_id") : "");
      bool taken=(read && result.Take(json,id));
      start=i+1;
      if(!taken)
        {
         Print("none");
         continue;
        }
      CJsonWriter out;
      out.BeginObject();
      out.LongAt("status",result.status);
      out.BoolAt("approved",result.approved);
      out.NumberAt("risk_multiplier",result.risk_multiplier,10);
      out.NumberAt("approved_volume",result.approved_volume,10);
      out.NumberAt("max_volume",result.max_volume,10);
      out.TextAt("approval_id",result.approval_id);
      out.TextAt("order_id",result.order_id);
      out.UlongAt("ticket",result.ticket);
      out.UlongAt("order",result.order);
      out.NumberAt("price",result.price,10);
      out.NumberAt("volume",result.volume,10);
      out.NumberAt("sl",result.sl,10);
      out.NumberAt("tp",result.tp,10);
      out.NumberAt("profit",result.profit,10);
      out.LongAt("retcode",result.retcode);
      out.TextAt("code",result.code);
      out.TextAt("message",result.message);
      out.TextAt("trading_state",result.trading_state);
      out.Key("rules");
      out.BeginArray();
      for(int k=0; k<result.Reasons(); k++)
         out.Text(result.ReasonRule(k));
      out.EndArray();
      out.EndObject();
      Print(out.ToString());
     }
   Print("done");
  }
