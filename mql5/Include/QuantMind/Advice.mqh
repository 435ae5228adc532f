//+------------------------------------------------------------------+
//| Advice.mqh                                             QuantMind  |
//| What an error code of the terminal's network functions means, and |
//| which setting or which program is to be changed.                  |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_ADVICE_MQH
#define QUANTMIND_ADVICE_MQH

#define QM_NOT_ALLOWED    4014
#define QM_ADVICE_LIST    "Tools > Options > Expert Advisors > \"Allow WebRequest for listed URL\""

//+------------------------------------------------------------------+
//| Codes: MQL5 Reference, "Runtime errors". 4060, which older code    |
//| looks for, is one of MQL4                                         |
//+------------------------------------------------------------------+
string QMAdvice(const int code,const string address)
  {
   switch(code)
     {
      case 4014:
         return("the terminal does not let this program reach "+address+": add it under "+QM_ADVICE_LIST
                +"; indicators and the Strategy Tester can't use the network at all");
      case 5200:
         return("the address "+address+" is not a URL: write it as http://127.0.0.1:5005");
      case 5201:
         return("nobody answers at "+address+": start the gateway (quantmind run), or correct the address and the port");
      case 5202:
         return("no answer from "+address+" in time: the gateway is busy, or something else listens there");
      case 5203:
         return("the request to "+address+" failed: something else than the gateway may listen there");
      case 5270:
         return("the socket's handle is not valid any more");
      case 5271:
         return("this program has 128 sockets open, which is the most: close those that are not used");
      case 5272:
         return("nobody answers at "+address+": start the gateway (quantmind run), or correct the address and the port");
      case 5273:
         return("the connection to "+address+" was lost");
      case 5274:
         return("no TLS at "+address+": the gateway's ZeroMQ ports have none; use a tunnel");
      case 5275:
         return("the other side of "+address+" showed no certificate");
     }
   return("error "+IntegerToString(code)+" of the terminal at "+address);
  }

#endif
