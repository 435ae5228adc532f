//+------------------------------------------------------------------+
//| text_fuzz.mqh - what must hold for a text that is made of bytes   |
//+------------------------------------------------------------------+

//+------------------------------------------------------------------+
//| An empty answer says that all of it held                          |
//+------------------------------------------------------------------+
string FuzzText(const uchar &bytes[],const int size)
  {
   string text=CharArrayToString(bytes,0,size,CP_UTF8);
   uchar again[];
   int count=StringToCharArray(text,again,0,WHOLE_ARRAY,CP_UTF8);
   if(count<1 || again[count-1]!=0)
      return("a text without its zero");
   if(CharArrayToString(again,0,count,CP_UTF8)!=text)
      return("a text that is not the same when it comes back");
   for(int i=0; i<count-1; i++)
      if(again[i]==0)
         return("a zero within a text");
   string parts[];
   string joined="";
   int found=StringSplit(text,'/',parts);
   for(int i=0; i<found; i++)
      joined+=(i>0 ? "/" : "")+parts[i];
   if(joined!=text)
      return("parts that do not make the whole");
   string changed=text;
   int replaced=StringReplace(changed,"ab","ba");
   if(replaced<0 || StringLen(changed)!=StringLen(text))
      return("a replacement of another length");
   if(StringSubstr(text,0,3)+StringSubstr(text,3)!=text)
      return("two pieces that do not make the whole");
   StringTrimLeft(changed);
   StringTrimRight(changed);
   if(StringLen(changed)>StringLen(text))
      return("a longer text without its blanks");
   return("");
  }
//+------------------------------------------------------------------+
