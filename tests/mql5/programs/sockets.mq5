//+------------------------------------------------------------------+
//| sockets.mq5 - one exchange with a server, and what is said of it  |
//+------------------------------------------------------------------+
#property copyright "QuantMind"
#property version   "1.0"

input string InpHost="127.0.0.1";
input uint   InpPort=0;
input string InpSend="hello";
input uint   InpMost=100;           // bytes that a read asks for
input uint   InpWaitMs=300;         // of a read
input int    InpReads=1;
input int    InpPauseMs=100;        // before it looks

//+------------------------------------------------------------------+
//| Script program start function                                     |
//+------------------------------------------------------------------+
void OnStart()
  {
   ResetLastError();
   int handle=SocketCreate();
   Print("created ",handle!=INVALID_HANDLE," ",GetLastError());
   if(handle==INVALID_HANDLE)
      return;
   ResetLastError();
   bool connected=SocketConnect(handle,InpHost,InpPort,1000);
   Print("connected ",connected," ",GetLastError());
   if(!connected)
      return;
   SocketTimeouts(handle,1000,1000);
   Print("readable ",SocketIsReadable(handle)," ",SocketIsReadable(handle)," writable ",SocketIsWritable(handle));
   uchar bytes[];
   int size=StringToCharArray(InpSend,bytes,0,WHOLE_ARRAY,CP_UTF8)-1;
   int sent=SocketSend(handle,bytes,size);
   Print("sent ",sent);
   Sleep(InpPauseMs);
   for(int i=0; i<InpReads; i++)
     {
      uchar answer[];
      ResetLastError();
      uint there=SocketIsReadable(handle);
      ulong begun=GetMicrosecondCount();
      int got=SocketRead(handle,answer,InpMost,InpWaitMs);
      bool waited=(GetMicrosecondCount()-begun>(ulong)InpWaitMs*900);
      Print("there ",there," got ",got," '",CharArrayToString(answer,0,got>0 ? got : 0,CP_UTF8),"' error ",GetLastError(),
            " waited ",waited," connected ",SocketIsConnected(handle));
     }
   bool closed=SocketClose(handle);
   bool again=SocketClose(handle);
   Print("closed ",closed," again ",again," ",GetLastError());
   ResetLastError();
   bool secret=SocketTlsHandshake(handle,"localhost");
   Print("tls ",secret," ",GetLastError());
   int many=0;
   while(SocketCreate()!=INVALID_HANDLE)
      many++;
   Print("at most ",many," ",GetLastError());
  }
//+------------------------------------------------------------------+
