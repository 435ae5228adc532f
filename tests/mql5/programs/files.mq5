//+------------------------------------------------------------------+
//| files.mq5 - files, folders and global variables                   |
//+------------------------------------------------------------------+
#property copyright "QuantMind"
#property version   "1.0"

#include "expect.mqh"

input bool InpSecond=false;      // a run after another

//+------------------------------------------------------------------+
//| Binary files                                                      |
//+------------------------------------------------------------------+
void Binary(void)
  {
   uchar bytes[]={1,2,3,4,5};
   int file=FileOpen("box\\data.bin",FILE_WRITE|FILE_BIN);
   Expect(file!=INVALID_HANDLE,"a file in a folder");
   ExpectLong(FileWriteArray(file,bytes,1,3),3,"bytes written");
   ExpectLong(FileWriteInteger(file,0x01020304),4,"a number written");
   ExpectLong(FileWriteLong(file,-5),8,"a long written");
   ExpectLong(FileWriteDouble(file,1.5),8,"a double written");
   ExpectLong(FileSize(file),23,"the size");
   ResetLastError();
   uchar nothing[];
   ExpectLong(FileReadArray(file,nothing),0,"not open for reading");
   ExpectLong(GetLastError(),5010,"with an error");
   FileClose(file);
   file=FileOpen("box/data.bin",FILE_READ|FILE_WRITE|FILE_BIN);
   uchar found[];
   ExpectLong(FileReadArray(file,found,0,3),3,"bytes read");
   ExpectLong(found[0]*100+found[1]*10+found[2],234,"the same bytes");
   ExpectLong(FileReadInteger(file),0x01020304,"a number read");
   ExpectLong(FileReadLong(file),-5,"a long read");
   ExpectDouble(FileReadDouble(file),1.5,"a double read");
   Expect(FileIsEnding(file),"the end");
   Expect(FileSeek(file,-8,SEEK_END),"back");
   ExpectLong(FileTell(file),15,"the place");
   FileWriteDouble(file,2.5);
   FileSeek(file,15,SEEK_SET);
   ExpectDouble(FileReadDouble(file),2.5,"overwritten");
   FileSeek(file,0,SEEK_SET);
   ExpectLong(FileReadArray(file,found),23,"all of it");
   FileClose(file);
   ResetLastError();
   ExpectLong(FileSize(file),0,"closed");
   Expect(GetLastError()==5008,"with an error");
   Expect(FileSave("saved.bin",bytes),"saved");
   ExpectLong(FileLoad("saved.bin",found),5,"loaded");
  }
//+------------------------------------------------------------------+
//| Text files                                                        |
//+------------------------------------------------------------------+
void Lines(const int encoding,const uint codepage,const string what)
  {
   int file=FileOpen("lines.txt",FILE_WRITE|FILE_TXT|encoding,'\t',codepage);
   FileWrite(file,"first ",1," ",2.5);
   FileWriteString(file,"h\x00E9\r\n");
   FileClose(file);
   file=FileOpen("lines.txt",FILE_READ|FILE_WRITE|FILE_TXT|encoding,'\t',codepage);
   FileSeek(file,0,SEEK_END);
   FileWrite(file,"last");
   FileClose(file);
   file=FileOpen("lines.txt",FILE_READ|FILE_TXT|encoding,'\t',codepage);
   ExpectText(FileReadString(file),"first 1 2.5",what+", a line");
   ExpectText(FileReadString(file),"h\x00E9",what+", letters");
   Expect(!FileIsEnding(file),what+", not the end");
   ExpectText(FileReadString(file),"last",what+", the last line");
   Expect(FileIsEnding(file),what+", the end");
   FileClose(file);
  }
void Tables(void)
  {
   int file=FileOpen("table.csv",FILE_WRITE|FILE_CSV|FILE_ANSI,';');
   FileWrite(file,"name",1,2.5,true);
   FileWrite(file,"other",2);
   FileClose(file);
   file=FileOpen("table.csv",FILE_READ|FILE_CSV|FILE_ANSI,';');
   ExpectText(FileReadString(file),"name","a field");
   Expect(!FileIsLineEnding(file),"not the end of the line");
   ExpectDouble(FileReadNumber(file),1.0,"a number");
   ExpectDouble(FileReadNumber(file),2.5,"a real number");
   Expect(FileReadBool(file),"a bool");
   Expect(FileIsLineEnding(file),"the end of the line");
   string next=FileReadString(file);
   ExpectText(next+FileReadString(file),"other2","the next line");
   Expect(FileIsEnding(file),"the end of the table");
   FileClose(file);
  }
//+------------------------------------------------------------------+
//| Who may have a file                                               |
//+------------------------------------------------------------------+
void Sharing(void)
  {
   int file=FileOpen("mine.bin",FILE_WRITE|FILE_BIN);
   ResetLastError();
   ExpectLong(FileOpen("mine.bin",FILE_READ|FILE_BIN),INVALID_HANDLE,"a file that is not shared");
   ExpectLong(GetLastError(),5004,"with an error");
   Expect(!FileDelete("mine.bin"),"an open file can't be deleted");
   FileClose(file);
   file=FileOpen("mine.bin",FILE_WRITE|FILE_BIN|FILE_SHARE_READ);
   int reader=FileOpen("mine.bin",FILE_READ|FILE_BIN|FILE_SHARE_WRITE);
   Expect(reader!=INVALID_HANDLE,"a shared file");
   FileClose(reader);
   FileClose(file);
  }
void Outside(const string name)
  {
   ResetLastError();
   ExpectLong(FileOpen(name,FILE_WRITE|FILE_BIN),INVALID_HANDLE,"outside: "+name);
   ExpectLong(GetLastError(),5002,"with an error: "+name);
  }
//+------------------------------------------------------------------+
//| Names                                                             |
//+------------------------------------------------------------------+
void Names(void)
  {
   ResetLastError();
   Expect(!FileIsExist("nowhere.bin") && GetLastError()==5019,"no such file");
   ExpectLong(FileOpen("nowhere.bin",FILE_READ|FILE_BIN),INVALID_HANDLE,"not opened");
   Expect(FileCopy("saved.bin",0,"copy.bin",FILE_COMMON),"a copy");
   Expect(FileIsExist("copy.bin",FILE_COMMON) && !FileIsExist("copy.bin"),"in the common folder");
   Expect(!FileCopy("saved.bin",0,"copy.bin",FILE_COMMON) && GetLastError()==5020,"not over another");
   Expect(FileMove("saved.bin",0,"copy.bin",FILE_COMMON|FILE_REWRITE),"moved over another");
   Expect(!FileIsExist("saved.bin"),"gone from where it was");
   Expect(FileDelete("copy.bin",FILE_COMMON) && !FileDelete("copy.bin",FILE_COMMON),"deleted once");
   Expect(FolderCreate("deep\\deeper"),"folders");
   ExpectLong(FileOpen("deep",FILE_READ|FILE_BIN),INVALID_HANDLE,"a folder is no file");
   ExpectLong(GetLastError(),5018,"with an error");
   string name="";
   string all="";
   long search=FileFindFirst("*.*",name);
   if(search!=INVALID_HANDLE)
     {
      do
         all+=name+" ";
      while(FileFindNext(search,name));
      FileFindClose(search);
     }
   ExpectText(all,"box\\ deep\\ lines.txt mine.bin table.csv ","what is there");
   search=FileFindFirst("box\\*.BIN",name);
   ExpectText(name,"data.bin","by its name");
   FileFindClose(search);
   ExpectLong(FileFindFirst("*.none",name),INVALID_HANDLE,"nothing found");
   Expect(FolderClean("box") && FolderDelete("box"),"a folder deleted");
  }
//+------------------------------------------------------------------+
//| Global variables                                                  |
//+------------------------------------------------------------------+
void Variables(void)
  {
   double value=0.0;
   if(InpSecond)
     {
      ExpectDouble(GlobalVariableGet("kept by all"),0.1,"what another run has set");
      GlobalVariableDel("kept by all");
      return;
     }
   Expect(!GlobalVariableCheck("a"),"none yet");
   ResetLastError();
   Expect(!GlobalVariableGet("a",value) && GetLastError()==4501,"not to be had");
   Expect(GlobalVariableSet("a",2.5)>0,"set");
   Expect(GlobalVariableGet("a",value) && value==2.5,"and had");
   Expect(!GlobalVariableSetOnCondition("a",3.0,1.0) && GlobalVariableSetOnCondition("a",3.0,2.5),"only if");
   ExpectDouble(GlobalVariableGet("a"),3.0,"changed");
   Expect(GlobalVariableTemp("b") && !GlobalVariableTemp("b"),"for this terminal");
   ExpectLong(GlobalVariablesTotal(),2,"how many");
   ExpectText(GlobalVariableName(1),"b","the second");
   ExpectLong(GlobalVariablesDeleteAll("a"),1,"by a prefix");
   Expect(GlobalVariableDel("b") && !GlobalVariableDel("b"),"deleted once");
   GlobalVariableSet("kept by all",0.1);
  }
//+------------------------------------------------------------------+
//| Script program start function                                     |
//+------------------------------------------------------------------+
void OnStart()
  {
   Variables();
   if(!InpSecond)
     {
      Binary();
      Lines(FILE_ANSI,CP_UTF8,"UTF-8");
      Lines(FILE_UNICODE,CP_ACP,"UTF-16");
      Lines(FILE_ANSI,CP_ACP,"a code page");
      Tables();
      Sharing();
      Outside("..\\other.bin");
      Outside("/etc/passwd");
      Outside("C:\\other.bin");
      Outside("a\\..\\..\\other.bin");
      Outside("");
      Names();
     }
   ExpectDone();
  }
//+------------------------------------------------------------------+
