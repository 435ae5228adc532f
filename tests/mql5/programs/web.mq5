//+------------------------------------------------------------------+
//| web.mq5 - one request, in the long form if it has a cookie        |
//+------------------------------------------------------------------+
#property copyright "QuantMind"
#property version   "1.0"

input string InpMethod="POST";
input string InpUrl="";
input string InpHeaders="Content-Type: text/plain";
input string InpBody="";
input string InpCookie="";
input int    InpTimeoutMs=1000;

//+------------------------------------------------------------------+
//| Script program start function                                     |
//+------------------------------------------------------------------+
void OnStart()
  {
   char data[];
   char result[];
   string headers="";
   int size=StringToCharArray(InpBody,data,0,WHOLE_ARRAY,CP_UTF8)-1;
   ArrayResize(data,size);
   ResetLastError();
   int status=0;
   if(InpCookie=="")
      status=WebRequest(InpMethod,InpUrl,InpHeaders,InpTimeoutMs,data,result,headers);
   else
      status=WebRequest(InpMethod,InpUrl,InpCookie,"http://from.here/",InpTimeoutMs,data,size,result,headers);
   Print("status ",status," error ",GetLastError()," bytes ",ArraySize(result));
   StringReplace(headers,"\r\n","|");
   Print("headers ",headers);
   Print("body ",CharArrayToString(result,0,WHOLE_ARRAY,CP_UTF8));
  }
//+------------------------------------------------------------------+
