//+------------------------------------------------------------------+
//| functions.mq5 - the functions of texts, arrays, numbers and times |
//+------------------------------------------------------------------+
#property copyright "QuantMind"
#property version   "1.0"

#include "expect.mqh"

struct SMixed
  {
   string            name;
   double            value;
   int               rows[3];
  };
//+------------------------------------------------------------------+
//| Texts                                                             |
//+------------------------------------------------------------------+
void Texts(void)
  {
   string text="one,two,,three";
   string parts[];
   ExpectLong(StringSplit(text,',',parts),4,"parts");
   ExpectText(parts[2],"","an empty part");
   ExpectText(parts[3],"three","the last part");
   ExpectLong(StringSplit("",',',parts),0,"parts of nothing");
   ExpectLong(StringSplit("alone",',',parts),1,"one part");
   ExpectLong(StringFind(text,"two"),4,"a place");
   ExpectLong(StringFind(text,"two",5),-1,"no place");
   ExpectLong(StringFind(text,""),-1,"nothing to be found");
   ExpectText(StringSubstr(text,4,3),"two","a piece");
   ExpectText(StringSubstr(text,8),",three","the rest");
   ExpectText(StringSubstr(text,99),"","behind the end");
   ExpectLong(StringReplace(text,",","--"),3,"replacements");
   ExpectText(text,"one--two----three","the text after them");
   ExpectLong(StringReplace(text,"","x"),-1,"nothing to be replaced");
   text=" \t padded \r\n";
   ExpectLong(StringTrimLeft(text),3,"blanks on the left");
   ExpectLong(StringTrimRight(text),3,"blanks on the right");
   ExpectText(text,"padded","no blanks");
   text="MiXeD ÄÖ";
   StringToLower(text);
   ExpectText(text,"mixed äö","small letters");
   StringToUpper(text);
   ExpectText(text,"MIXED ÄÖ","large letters");
   ExpectLong(StringGetCharacter("abc",1),'b',"a letter");
   ResetLastError();
   ExpectLong(StringGetCharacter("abc",3),0,"behind the last");
   ExpectLong(GetLastError(),5041,"with an error");
   text="abc";
   string kept=text;
   Expect(StringSetCharacter(text,1,'X'),"a letter set");
   ExpectText(text,"aXc","is set");
   ExpectText(kept,"abc","in this text alone");
   StringSetCharacter(text,2,0);
   ExpectText(text,"aX","zero ends a text");
   ExpectLong(StringCompare("a","B"),1,"compared");
   ExpectLong(StringCompare("a","B",false),-1,"without case");
   ExpectLong(StringCompare("a","A",false),0,"alike");
   text="a";
   StringAdd(text,"b");
   text+="c";
   ExpectLong(StringConcatenate(text,text,1,true,"x"),9,"joined");
   ExpectText(text,"abc1truex","to one text");
   StringInit(text,3,'z');
   ExpectText(text,"zzz","filled");
   StringFill(text,'y');
   ExpectText(text,"yyy","filled again");
   ExpectLong(StringLen("Gr\x00FC\x00DFe \xD83D\xDE00"),8,"letters of two units count twice");
   string self="ab";
   self+=self;
   ExpectText(self,"abab","a text and itself");
   Expect("a"<"b" && "b">"a" && "a"<="a","order");
  }
//+------------------------------------------------------------------+
//| Texts as bytes                                                    |
//+------------------------------------------------------------------+
void Bytes(void)
  {
   uchar bytes[];
   ExpectLong(StringToCharArray("h\x00E9\x20AC",bytes,0,WHOLE_ARRAY,CP_UTF8),7,"UTF-8, with a zero");
   ExpectLong(ArraySize(bytes),7,"the array");
   ExpectText(CharArrayToString(bytes,0,WHOLE_ARRAY,CP_UTF8),"h\x00E9\x20AC","and back");
   ExpectLong(StringToCharArray("ab",bytes,0,WHOLE_ARRAY,CP_UTF8),3,"a shorter one");
   ExpectLong(ArraySize(bytes),7,"an array never shrinks");
   ExpectText(CharArrayToString(bytes,0,-1,CP_UTF8),"ab","a zero ends it");
   ExpectLong(StringToCharArray("abcdef",bytes,0,2),2,"some letters");
   ExpectText(CharArrayToString(bytes,0,2),"ab","without a zero");
   ExpectText(CharArrayToString(bytes,9),"","behind the end");
   uchar bad[]={0xFF,0x61,0xC3,0x28,0xED,0xA0,0x80,0x62};
   string shown=CharArrayToString(bad,0,8,CP_UTF8);
   ExpectLong(StringLen(shown),8,"what is no UTF-8");
   ExpectLong(StringGetCharacter(shown,0),0xFFFD,"is shown as such");
   ExpectLong(StringToCharArray("\x20AC",bytes,0,WHOLE_ARRAY,CP_ACP),2,"what the code page has not");
   ExpectLong(bytes[0],'?',"becomes a question mark");
   ushort units[];
   ExpectLong(StringToShortArray("ab",units),3,"units");
   ExpectText(ShortArrayToString(units),"ab","and back");
   ExpectText(ShortToString(0x20AC),"\x20AC","a letter by its number");
  }
//+------------------------------------------------------------------+
//| Arrays                                                            |
//+------------------------------------------------------------------+
void Arrays(void)
  {
   int a[]={3,1,2};
   int b[];
   ExpectLong(ArrayCopy(b,a),3,"a copy");
   ArraySort(b);
   ExpectLong(b[0]*100+b[1]*10+b[2],123,"in order");
   ExpectLong(ArrayCopy(b,a,5,1,2),2,"a copy further on");
   ExpectLong(ArraySize(b),7,"the array grew");
   ExpectLong(ArrayCopy(a,b,2,0,3),1,"a fixed array takes what fits");
   ExpectLong(ArrayMaximum(b,0,3),2,"the largest");
   ExpectLong(ArrayMinimum(b,0,3),0,"the smallest");
   ExpectLong(ArrayBsearch(b,2),1,"a place in order");
   int c[];
   ArrayResize(c,5);
   ExpectLong(ArrayInitialize(c,7),5,"filled");
   ArrayFill(c,1,2,0);
   ExpectLong(c[0]+c[1]+c[2]+c[3],14,"a part filled");
   Expect(ArrayRemove(c,1,2),"items removed");
   ExpectLong(ArraySize(c),3,"fewer items");
   Expect(!ArrayRemove(c,3),"none there");
   int d[]={9,8};
   Expect(ArrayInsert(c,d,1),"items inserted");
   ExpectLong(c[0]*10000+c[1]*1000+c[2]*100+c[3]*10+c[4],79877,"in between");
   ArrayReverse(c,0,3);
   ExpectLong(c[0],8,"turned around");
   int e[];
   Expect(ArraySwap(c,e),"swapped");
   ExpectLong(ArraySize(e)-ArraySize(c),5,"one for the other");
   ExpectLong(ArrayCompare(a,a),0,"compared with itself");
   ExpectLong(ArrayCompare(d,a),1,"compared with less");
   string names[];
   ArrayResize(names,3);
   names[0]="c";
   names[1]="a";
   Expect(names[2]==NULL,"a text that was not set");
   names[2]="b";
   ArraySort(names);
   ExpectText(names[0]+names[1]+names[2],"abc","texts in order");
   ArrayCopy(names,names,1,0,2);
   ExpectText(names[0]+names[1]+names[2],"aab","copied within itself");
   ExpectLong(ArrayResize(names,-1),-1,"no such size");
   ExpectLong(GetLastError(),4007,"with an error");
   SMixed mixed;
   mixed.name="x";
   mixed.value=1.0;
   mixed.rows[1]=5;
   ZeroMemory(mixed);
   Expect(mixed.name==NULL && mixed.value==0.0 && mixed.rows[1]==0,"emptied");
   int table[2][3];
   ArrayInitialize(table,4);
   ExpectLong(table[1][2],4,"a table filled");
   ArrayFree(e);
   ExpectLong(ArraySize(e),0,"freed");
   Expect(ArrayIsDynamic(e) && !ArrayIsDynamic(a),"dynamic or not");
  }
//+------------------------------------------------------------------+
//| Numbers                                                           |
//+------------------------------------------------------------------+
void Numbers(void)
  {
   ExpectText(DoubleToString(1.0/3.0,4),"0.3333","places");
   ExpectText(DoubleToString(2.5),"2.50000000","eight places");
   ExpectText(DoubleToString(-0.5,0),"-0","no places");
   ExpectText(DoubleToString(1234.5,-3),"1.234e+03","an exponent");
   ExpectText(DoubleToString(1e300,2),DoubleToString(1e300,2),"a long one");
   ExpectText(IntegerToString(-12,6,'0'),"000-12","a width");
   ExpectText(IntegerToString(9223372036854775807),"9223372036854775807","a long");
   ExpectLong(StringToInteger(" 42x"),42,"a number at the beginning");
   ExpectLong(StringToInteger("x"),0,"no number");
   ExpectDouble(StringToDouble("-1.5e2 "),-150.0,"a real number");
   ExpectDouble(StringToDouble("inf"),0.0,"no number");
   ExpectDouble(NormalizeDouble(1.2345678,3),1.235,"rounded");
   ExpectLong(MathMax(3,4)+MathMin(3,4),7,"larger and smaller");
   ExpectLong(MathMax((long)5,3000000000),3000000000,"of two sizes");
   ExpectLong(MathAbs(-7),7,"without a sign");
   ExpectDouble(MathAbs(-7.5),7.5,"without a sign");
   ExpectDouble(MathFloor(-1.5)+MathCeil(1.2)+MathRound(2.5),3.0,"to whole numbers");
   ExpectDouble(MathPow(2.0,10.0)+MathSqrt(16.0)+MathMod(7.0,4.0),1031.0,"powers");
   Expect(!MathIsValidNumber(MathLog(-1.0)) && !MathIsValidNumber(DBL_MAX*2.0) && MathIsValidNumber(1.0),"valid numbers");
   MathSrand(1);
   int first=MathRand();
   MathSrand(1);
   Expect(first==MathRand() && first>=0 && first<=32767,"the same again");
   ExpectText(ColorToString(clrRed),"255,0,0","a color");
   ExpectText(ColorToString(clrRed,true),"clrRed","by its name");
   ExpectLong((uint)StringToColor("0,255,0"),0x00FF00,"a color of a text");
   ExpectLong(ColorToARGB(clrRed,128),0x80FF0000,"with an alpha");
  }
//+------------------------------------------------------------------+
//| Formats                                                           |
//+------------------------------------------------------------------+
void Formats(void)
  {
   ExpectText(StringFormat("%d|%5d|%-5d|%05d|%+d",1,2,3,4,5),"1|    2|3    |00004|+5","whole numbers");
   ExpectText(StringFormat("%u %x %X %o",(uint)4294967295,255,255,8),"4294967295 ff FF 10","without a sign");
   ExpectText(StringFormat("%I64d %I64u",(long)-5,(ulong)18446744073709551615),"-5 18446744073709551615","of 64 bits");
   ExpectText(StringFormat("%.2f|%8.3f|%e|%g",1.005,2.5,12345.678,0.0001),"1.00|   2.500|1.234568e+04|0.0001","real numbers");
   ExpectText(StringFormat("%s|%5s|%-5s|%.2s","a","b","c","defg"),"a|    b|c    |de","texts");
   ExpectText(StringFormat("%c%c %% %*d",'o','k',4,7),"ok %    7","letters");
   string filler="";
   StringInit(filler,5000,'x');
   ExpectLong(StringLen(StringFormat("%s!",filler)),5001,"without a limit");
   ExpectText(StringFormat("%s","h\x00E9"),"h\x00E9","other letters");
  }
//+------------------------------------------------------------------+
//| Times                                                             |
//+------------------------------------------------------------------+
void Times(void)
  {
   datetime t=D'2024.02.29 23:59:58';
   ExpectText(TimeToString(t),"2024.02.29 23:59","a time");
   ExpectText(TimeToString(t,TIME_DATE),"2024.02.29","a date");
   ExpectText(TimeToString(t,TIME_SECONDS),"23:59:58","seconds");
   ExpectText(TimeToString(t,TIME_DATE|TIME_SECONDS),"2024.02.29 23:59:58","both");
   MqlDateTime parts;
   Expect(TimeToStruct(t,parts),"parts");
   ExpectLong(parts.day_of_week*1000+parts.day_of_year,4059,"days");
   parts.day+=1;
   ExpectText(TimeToString(StructToTime(parts)),"2024.03.01 23:59","the next day");
   ExpectLong((long)StringToTime("2024.02.29 23:59:58"),(long)t,"a time of a text");
   ExpectLong((long)StringToTime("2024.02.29"),(long)t-86398,"a date of a text");
   ResetLastError();
   ExpectLong((long)StringToTime("soon"),0,"no time");
   Expect(GetLastError()!=0,"with an error");
   Expect(MathAbs((long)TimeGMT()-(long)TimeLocal())<=2 && TimeGMTOffset()==0,"this computer's zone");
   ulong begun=GetMicrosecondCount();
   ulong ticks=GetTickCount64();
   Sleep(30);
   ulong passed=GetMicrosecondCount()-begun;
   Expect(passed>=30000 && passed<5000000,"a pause in microseconds");
   Expect(GetTickCount64()-ticks>=29,"and in milliseconds");
  }
//+------------------------------------------------------------------+
//| Errors                                                            |
//+------------------------------------------------------------------+
void Errors(void)
  {
   ResetLastError();
   ExpectLong(_LastError,0,"no error");
   SetUserError(7);
   ExpectLong(GetLastError(),65543,"an error of ours");
   ExpectLong(GetLastError(),65543,"which stays");
   Expect(!IsStopped() && !_StopFlag,"not stopped");
  }
//+------------------------------------------------------------------+
//| Script program start function                                     |
//+------------------------------------------------------------------+
void OnStart()
  {
   Texts();
   Bytes();
   Arrays();
   Numbers();
   Formats();
   Times();
   Errors();
   ExpectDone();
  }
//+------------------------------------------------------------------+
