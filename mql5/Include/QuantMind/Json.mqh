//+------------------------------------------------------------------+
//| Json.mqh                                               QuantMind  |
//| JSON by RFC 8259, read and written. Strict: what is not exactly   |
//| JSON, or could be read in two ways, is refused.                   |
//+------------------------------------------------------------------+
#ifndef QUANTMIND_JSON_MQH
#define QUANTMIND_JSON_MQH

#define QM_JSON_DEPTH          32
#define QM_JSON_NODES          65536
#define QM_JSON_BYTES          4194304
#define QM_JSON_NUMBER         64          // characters of one number
#define QM_JSON_FEW            32          // members up to which each key is compared with each
#define QM_JSON_ALIKE          64          // keys with one hash, beyond which it is an attack
#define QM_JSON_WRITER_DEPTH   64
#define QM_JSON_EXACT          9007199254740992      // 2^53

enum ENUM_JSON_TYPE
  {
   JSON_ABSENT=0,
   JSON_NULL=1,
   JSON_BOOL=2,
   JSON_NUMBER=3,
   JSON_STRING=4,
   JSON_ARRAY=5,
   JSON_OBJECT=6
  };

enum ENUM_QM_JSON_EXPECT
  {
   QM_JSON_VALUE=0,
   QM_JSON_VALUE_OR_END=1,
   QM_JSON_KEY=2,
   QM_JSON_KEY_OR_END=3,
   QM_JSON_COMMA_OR_END=4,
   QM_JSON_NOTHING=5
  };

//+------------------------------------------------------------------+
//| Positions are those of the reader's own copy of the document      |
//+------------------------------------------------------------------+
struct SQuantMindJsonNode
  {
   ENUM_JSON_TYPE    type;
   int               begin;         // the value as it was written
   int               end;
   int               text_begin;    // a string's decoded bytes
   int               text_end;
   int               key_begin;     // a member's key, decoded
   int               key_end;
   uint              key_hash;
   int               parent;
   int               first;
   int               last;
   int               next;
   int               count;
  };

//+------------------------------------------------------------------+
//| Writes one code point as UTF-8 at a position; returns the next    |
//+------------------------------------------------------------------+
int QMJsonPut(const uint code,uchar &bytes[],const int position)
  {
   if(code<0x80)
     {
      bytes[position]=(uchar)code;
      return(position+1);
     }
   if(code<0x800)
     {
      bytes[position]=(uchar)(0xC0|(code>>6));
      bytes[position+1]=(uchar)(0x80|(code&0x3F));
      return(position+2);
     }
   if(code<0x10000)
     {
      bytes[position]=(uchar)(0xE0|(code>>12));
      bytes[position+1]=(uchar)(0x80|((code>>6)&0x3F));
      bytes[position+2]=(uchar)(0x80|(code&0x3F));
      return(position+3);
     }
   bytes[position]=(uchar)(0xF0|(code>>18));
   bytes[position+1]=(uchar)(0x80|((code>>12)&0x3F));
   bytes[position+2]=(uchar)(0x80|((code>>6)&0x3F));
   bytes[position+3]=(uchar)(0x80|(code&0x3F));
   return(position+4);
  }
//+------------------------------------------------------------------+
//| Appends a text as UTF-8 behind bytes[used-1]; returns the position|
//| of the first lone surrogate, which becomes U+FFFD, or -1          |
//+------------------------------------------------------------------+
int QMJsonEncode(const string text,uchar &bytes[],int &used)
  {
   int lone=-1;
   int size=StringLen(text);
   if(ArraySize(bytes)<used+3*size)
      ArrayResize(bytes,2*used+3*size+64);
   for(int i=0; i<size; i++)
     {
      uint c=StringGetCharacter(text,i);
      if(c>=0xD800 && c<=0xDFFF)
        {
         uint low=0;
         if(c<0xDC00 && i+1<size)
            low=StringGetCharacter(text,i+1);
         if(low>=0xDC00 && low<=0xDFFF)
           {
            c=0x10000+((c-0xD800)<<10)+(low-0xDC00);
            i++;
           }
         else
           {
            if(lone<0)
               lone=used;
            c=0xFFFD;
           }
        }
      used=QMJsonPut(c,bytes,used);
     }
   return(lone);
  }
//+------------------------------------------------------------------+
//| FNV-1a                                                            |
//+------------------------------------------------------------------+
uint QMJsonHash(const uchar &bytes[],const int begin,const int end)
  {
   uint hash=0x811C9DC5;
   for(int i=begin; i<end; i++)
      hash=(hash^bytes[i])*16777619;
   return(hash);
  }
//+------------------------------------------------------------------+
//| A document, read as a whole. Nodes are numbers; -1 is no node, and|
//| may be asked like any other                                       |
//+------------------------------------------------------------------+
class CJsonReader
  {
private:
   int                m_max_depth;
   int                m_max_nodes;
   int                m_max_bytes;
   uchar              m_data[];     // the document; behind it, the strings that had escapes
   int                m_size;       // of the document
   int                m_used;
   int                m_position;
   SQuantMindJsonNode m_nodes[];
   int                m_count;
   string             m_error;

   bool              Fail(const int position,const string why)
     {
      m_error="byte "+IntegerToString(position)+": "+why;
      m_count=0;
      return(false);
     }
   bool              IsNode(const int node) const { return(node>=0 && node<m_count); }
   bool              IsDigitAt(const int position) const
     {
      return(position<m_size && m_data[position]>='0' && m_data[position]<='9');
     }
   string            Piece(const int begin,const int end) const
     {
      if(end<=begin)
         return("");
      return(CharArrayToString(m_data,begin,end-begin,CP_UTF8));
     }
   bool              SameKey(const int node,const uint hash,const uchar &bytes[],const int begin,const int end) const
     {
      if(m_nodes[node].key_hash!=hash)
         return(false);
      int key=m_nodes[node].key_begin;
      if(m_nodes[node].key_end-key!=end-begin)
         return(false);
      for(int i=begin; i<end; i++,key++)
        {
         if(m_data[key]!=bytes[i])
            return(false);
        }
      return(true);
     }
   bool              SameKeys(const int node,const int other) const
     {
      return(SameKey(node,m_nodes[other].key_hash,m_data,m_nodes[other].key_begin,m_nodes[other].key_end));
     }
   void              SkipSpace(void)
     {
      while(m_position<m_size)
        {
         uchar c=m_data[m_position];
         if(c!=' ' && c!='\n' && c!='\r' && c!='\t')
            return;
         m_position++;
        }
     }
   //--- the four digits of an escape, -1 if they are none
   int               HexAt(const int position) const
     {
      if(position+4>m_size)
         return(-1);
      int value=0;
      for(int i=0; i<4; i++)
        {
         int c=m_data[position+i];
         if(c>='0' && c<='9')
            value=value*16+c-'0';
         else if(c>='a' && c<='f')
            value=value*16+c-'a'+10;
         else if(c>='A' && c<='F')
            value=value*16+c-'A'+10;
         else
            return(-1);
        }
      return(value);
     }
   //--- bytes of the UTF-8 sequence at a position, 0 if it is none
   int               SequenceAt(const int position) const
     {
      int lead=m_data[position];
      int length=0;
      int low=0x80;
      int high=0xBF;
      if(lead<0x80)
         return(1);
      if(lead>=0xC2 && lead<=0xDF)
         length=2;
      else if(lead>=0xE0 && lead<=0xEF)
        {
         length=3;
         if(lead==0xE0)
            low=0xA0;                            // below: overlong
         if(lead==0xED)
            high=0x9F;                           // above: surrogates
        }
      else if(lead>=0xF0 && lead<=0xF4)
        {
         length=4;
         if(lead==0xF0)
            low=0x90;                            // below: overlong
         if(lead==0xF4)
            high=0x8F;                           // above: no Unicode
        }
      if(length==0 || position+length>m_size)
         return(0);
      if(m_data[position+1]<low || m_data[position+1]>high)
         return(0);
      for(int i=2; i<length; i++)
        {
         if((m_data[position+i]&0xC0)!=0x80)
            return(0);
        }
      return(length);
     }
   //--- what an escape at the current position stands for, -1 if it is none; moves behind it
   int               ReadEscape(void)
     {
      int start=m_position;
      int code=-1;
      if(start+1>=m_size)
        {
         Fail(start,"the document ends within a string");
         return(-1);
        }
      switch(m_data[start+1])
        {
         case '"':
         case '\\':
         case '/':
            code=m_data[start+1];
            break;
         case 'b':
            code=8;
            break;
         case 'f':
            code=12;
            break;
         case 'n':
            code=10;
            break;
         case 'r':
            code=13;
            break;
         case 't':
            code=9;
            break;
        }
      if(code>=0)
        {
         m_position+=2;
         return(code);
        }
      if(m_data[start+1]!='u')
        {
         Fail(start,"an escape that JSON does not know");
         return(-1);
        }
      code=HexAt(start+2);
      m_position+=6;
      if(code<0)
        {
         Fail(start,"\\u needs four hexadecimal digits");
         return(-1);
        }
      if(code==0)
        {
         Fail(start,"\\u0000 in a string: strings of MQL5 end at zero");
         return(-1);
        }
      if(code<0xD800 || code>0xDFFF)
         return(code);
      int low=-1;
      if(code<0xDC00 && start+7<m_size && m_data[start+6]=='\\' && m_data[start+7]=='u')
         low=HexAt(start+8);
      if(low<0xDC00 || low>0xDFFF)
        {
         Fail(start,"a lone surrogate");
         return(-1);
        }
      m_position+=6;
      return(0x10000+((code-0xD800)<<10)+(low-0xDC00));
     }
   //--- the string at the current position; begin and end are those of its decoded bytes
   bool              ReadString(int &begin,int &end)
     {
      int start=m_position;
      bool decoded=false;
      m_position++;
      begin=m_position;
      end=m_position;
      while(m_position<m_size)
        {
         int c=m_data[m_position];
         if(c=='"')
           {
            end=(decoded ? m_used : m_position);
            m_position++;
            return(true);
           }
         if(c<0x20)
            return(Fail(m_position,"a control character in a string"));
         if(c=='\\')
           {
            //--- what an escape stands for is shorter than itself: twice the document has room for all of them
            if(ArraySize(m_data)<2*m_size && ArrayResize(m_data,2*m_size)<0)
               return(Fail(m_position,"out of memory"));
            if(!decoded)
              {
               decoded=true;
               int plain_end=m_position;
               int plain=begin;
               begin=m_used;
               for(int i=plain; i<plain_end; i++)
                  m_data[m_used++]=m_data[i];
              }
            int code=ReadEscape();
            if(code<0)
               return(false);
            m_used=QMJsonPut((uint)code,m_data,m_used);
            continue;
           }
         int length=SequenceAt(m_position);
         if(length==0)
            return(Fail(m_position,"no UTF-8"));
         for(int i=0; i<length; i++,m_position++)
           {
            if(decoded)
               m_data[m_used++]=m_data[m_position];
           }
        }
      return(Fail(start,"a string without an end"));
     }
   bool              ReadNumber(void)
     {
      int start=m_position;
      if(m_data[m_position]=='-')
         m_position++;
      if(!IsDigitAt(m_position))
         return(Fail(start,"a minus without a number"));
      bool zero=(m_data[m_position]=='0');
      m_position++;
      if(zero && IsDigitAt(m_position))
         return(Fail(start,"a number with a leading zero"));
      while(IsDigitAt(m_position))
         m_position++;
      if(m_position<m_size && m_data[m_position]=='.')
        {
         m_position++;
         if(!IsDigitAt(m_position))
            return(Fail(start,"a number without digits behind its point"));
         while(IsDigitAt(m_position))
            m_position++;
        }
      if(m_position<m_size && (m_data[m_position]=='e' || m_data[m_position]=='E'))
        {
         m_position++;
         if(m_position<m_size && (m_data[m_position]=='+' || m_data[m_position]=='-'))
            m_position++;
         if(!IsDigitAt(m_position))
            return(Fail(start,"a number without digits in its exponent"));
         while(IsDigitAt(m_position))
            m_position++;
        }
      if(m_position-start>QM_JSON_NUMBER)
         return(Fail(start,"a number of more than "+IntegerToString(QM_JSON_NUMBER)+" characters"));
      return(true);
     }
   bool              ReadWord(const string word)
     {
      int length=StringLen(word);
      bool same=(m_position+length<=m_size);
      for(int i=0; same && i<length; i++)
         same=(m_data[m_position+i]==StringGetCharacter(word,i));
      if(!same)
         return(Fail(m_position,"no value"));
      m_position+=length;
      return(true);
     }
   //--- -1 if there are too many
   int               AddNode(const ENUM_JSON_TYPE type,const int parent)
     {
      if(m_count>=m_max_nodes)
        {
         Fail(m_position,"more than "+IntegerToString(m_max_nodes)+" values");
         return(-1);
        }
      if(m_count>=ArraySize(m_nodes) && ArrayResize(m_nodes,2*m_count+64)<0)
        {
         Fail(m_position,"out of memory");
         return(-1);
        }
      int node=m_count++;
      m_nodes[node].type=type;
      m_nodes[node].begin=m_position;
      m_nodes[node].end=m_position;
      m_nodes[node].text_begin=0;
      m_nodes[node].text_end=0;
      m_nodes[node].key_begin=0;
      m_nodes[node].key_end=0;
      m_nodes[node].key_hash=0;
      m_nodes[node].parent=parent;
      m_nodes[node].first=-1;
      m_nodes[node].last=-1;
      m_nodes[node].next=-1;
      m_nodes[node].count=0;
      if(parent>=0)
        {
         int last=m_nodes[parent].last;
         if(last<0)
            m_nodes[parent].first=node;
         else
            m_nodes[last].next=node;
         m_nodes[parent].last=node;
         m_nodes[parent].count++;
        }
      return(node);
     }
   bool              Twice(const int node)
     {
      string name="a key";
      if(m_nodes[node].key_end-m_nodes[node].key_begin<=QM_JSON_NUMBER)
         name="the key \""+Key(node)+"\"";
      return(Fail(m_nodes[node].begin,name+" twice in one object"));
     }
   //--- two members of one key: which of them is meant can't be known
   bool              CheckKeys(const int object)
     {
      int count=m_nodes[object].count;
      if(count<=QM_JSON_FEW)
        {
         for(int a=m_nodes[object].first; a>=0; a=m_nodes[a].next)
            for(int b=m_nodes[a].next; b>=0; b=m_nodes[b].next)
               if(SameKeys(a,b))
                  return(Twice(b));
         return(true);
        }
      long order[];
      if(ArrayResize(order,count)<0)
         return(Fail(m_position,"out of memory"));
      int used=0;
      for(int a=m_nodes[object].first; a>=0; a=m_nodes[a].next)
         order[used++]=(((long)m_nodes[a].key_hash)<<31)|a;
      ArraySort(order);
      for(int i=0; i<count; i++)
         for(int j=i+1; j<count && (order[i]>>31)==(order[j]>>31); j++)
           {
            int other=(int)(order[j]&0x7FFFFFFF);
            if(SameKeys((int)(order[i]&0x7FFFFFFF),other))
               return(Twice(other));
            if(j-i>QM_JSON_ALIKE)
               return(Fail(m_nodes[other].begin,"too many keys with one hash"));
           }
      return(true);
     }
   bool              ReadDocument(void)
     {
      ENUM_QM_JSON_EXPECT expect=QM_JSON_VALUE;
      int parent=-1;
      int depth=0;
      int key_begin=0;
      int key_end=0;
      uint key_hash=0;
      while(true)
        {
         SkipSpace();
         if(m_position>=m_size)
           {
            if(expect==QM_JSON_NOTHING)
               return(true);
            return(Fail(m_position,m_count==0 ? "no document" : "the document ends too early"));
           }
         if(expect==QM_JSON_NOTHING)
            return(Fail(m_position,"something behind the document"));
         uchar c=m_data[m_position];
         bool in_object=(parent>=0 && m_nodes[parent].type==JSON_OBJECT);
         //--- the end of an array or an object
         if(parent>=0 && c==(in_object ? '}' : ']') && expect!=QM_JSON_VALUE && expect!=QM_JSON_KEY)
           {
            m_position++;
            m_nodes[parent].end=m_position;
            if(in_object && !CheckKeys(parent))
               return(false);
            parent=m_nodes[parent].parent;
            depth--;
            expect=(parent<0 ? QM_JSON_NOTHING : QM_JSON_COMMA_OR_END);
            continue;
           }
         if(expect==QM_JSON_COMMA_OR_END)
           {
            if(c!=',')
               return(Fail(m_position,in_object ? "no comma and no end of the object" : "no comma and no end of the array"));
            m_position++;
            expect=(in_object ? QM_JSON_KEY : QM_JSON_VALUE);
            continue;
           }
         if(expect==QM_JSON_KEY || expect==QM_JSON_KEY_OR_END)
           {
            if(c!='"')
               return(Fail(m_position,"no key"));
            if(!ReadString(key_begin,key_end))
               return(false);
            key_hash=QMJsonHash(m_data,key_begin,key_end);
            SkipSpace();
            if(m_position>=m_size || m_data[m_position]!=':')
               return(Fail(m_position,"no colon behind a key"));
            m_position++;
            expect=QM_JSON_VALUE;
            continue;
           }
         //--- a value
         ENUM_JSON_TYPE type=JSON_NULL;
         if(c=='{')
            type=JSON_OBJECT;
         else if(c=='[')
            type=JSON_ARRAY;
         else if(c=='"')
            type=JSON_STRING;
         else if(c=='-' || (c>='0' && c<='9'))
            type=JSON_NUMBER;
         else if(c=='t' || c=='f')
            type=JSON_BOOL;
         int node=AddNode(type,parent);
         if(node<0)
            return(false);
         if(in_object)
           {
            m_nodes[node].key_begin=key_begin;
            m_nodes[node].key_end=key_end;
            m_nodes[node].key_hash=key_hash;
           }
         if(type==JSON_OBJECT || type==JSON_ARRAY)
           {
            depth++;
            if(depth>m_max_depth)
               return(Fail(m_position,"deeper than "+IntegerToString(m_max_depth)));
            m_position++;
            parent=node;
            expect=(type==JSON_OBJECT ? QM_JSON_KEY_OR_END : QM_JSON_VALUE_OR_END);
            continue;
           }
         bool good=false;
         if(type==JSON_STRING)
           {
            int text_begin=0;
            int text_end=0;
            good=ReadString(text_begin,text_end);
            m_nodes[node].text_begin=text_begin;
            m_nodes[node].text_end=text_end;
           }
         else if(type==JSON_NUMBER)
            good=ReadNumber();
         else
            good=ReadWord(c=='t' ? "true" : (c=='f' ? "false" : "null"));
         if(!good)
            return(false);
         m_nodes[node].end=m_position;
         expect=(parent<0 ? QM_JSON_NOTHING : QM_JSON_COMMA_OR_END);
        }
      return(false);
     }
   //--- an integer literal as its sign and its size; false if it is none, or beyond 2^64-1
   bool              Literal(const int node,bool &negative,ulong &size) const
     {
      negative=false;
      size=0;
      if(!IsNode(node) || m_nodes[node].type!=JSON_NUMBER)
         return(false);
      int position=m_nodes[node].begin;
      if(m_data[position]=='-')
        {
         negative=true;
         position++;
        }
      for(; position<m_nodes[node].end; position++)
        {
         if(!IsDigitAt(position))
            return(false);
         ulong digit=(ulong)(m_data[position]-'0');
         if(size>ULONG_MAX/10 || (size==ULONG_MAX/10 && digit>ULONG_MAX%10))
            return(false);
         size=size*10+digit;
        }
      return(true);
     }
   //--- up to 2^53 and 22 places both the digits and the power of ten are exact doubles, so that one division or
   //--- multiplication rounds as it should: no text is needed
   bool              FewDigits(const int node,double &value) const
     {
      int position=m_nodes[node].begin;
      int end=m_nodes[node].end;
      bool negative=(m_data[position]=='-');
      long digits=0;
      int places=0;
      bool behind=false;
      if(negative)
         position++;
      for(; position<end; position++)
        {
         if(m_data[position]=='.')
           {
            behind=true;
            continue;
           }
         if(!IsDigitAt(position))
            break;
         digits=digits*10+(m_data[position]-'0');
         if(digits>QM_JSON_EXACT)
            return(false);
         if(behind)
            places--;
        }
      if(position<end)
        {
         int exponent=0;
         bool below=false;
         for(position++; position<end; position++)
           {
            if(m_data[position]=='-')
               below=true;
            else if(m_data[position]!='+')
               exponent=exponent*10+(m_data[position]-'0');
            if(exponent>99)
               return(false);
           }
         places+=(below ? -exponent : exponent);
        }
      if(places<-22 || places>22)
         return(false);
      double power=1.0;
      int steps=(places<0 ? -places : places);
      for(int i=0; i<steps; i++)
         power*=10.0;
      value=(double)digits;
      if(places<0)
         value/=power;
      else
         value*=power;
      if(negative)
         value=-value;
      return(true);
     }

public:
                     CJsonReader(void)
     {
      m_max_depth=QM_JSON_DEPTH;
      m_max_nodes=QM_JSON_NODES;
      m_max_bytes=QM_JSON_BYTES;
      m_size=0;
      m_used=0;
      m_position=0;
      m_count=0;
      m_error="";
     }
   void              SetLimits(const int max_depth,const int max_nodes,const int max_bytes)
     {
      m_max_depth=max_depth;
      m_max_nodes=max_nodes;
      m_max_bytes=max_bytes;
     }
   //--- a document of count bytes, which are copied; false: Error() says why
   bool              Parse(const uchar &bytes[],const int start,const int count)
     {
      m_count=0;
      m_size=0;
      m_used=0;
      m_position=0;
      m_error="";
      if(start<0 || count<0 || count>ArraySize(bytes) || start>ArraySize(bytes)-count)
         return(Fail(0,"the array has no such bytes"));
      if(count==0)
         return(Fail(0,"no document"));
      if(count>m_max_bytes || count>INT_MAX/4)
         return(Fail(0,"more than "+IntegerToString(m_max_bytes)+" bytes"));
      if(ArraySize(m_data)<count && ArrayResize(m_data,count)<0)
         return(Fail(0,"out of memory"));
      ArrayCopy(m_data,bytes,0,start,count);
      m_size=count;
      m_used=count;
      return(ReadDocument());
     }
   bool              ParseText(const string text)
     {
      uchar bytes[];
      int used=0;
      int lone=QMJsonEncode(text,bytes,used);
      if(lone>=0)
         return(Fail(lone,"a lone surrogate"));
      return(Parse(bytes,0,used));
     }
   string            Error(void) const { return(m_error); }
   int               Root(void) const { return(m_count>0 ? 0 : -1); }

   ENUM_JSON_TYPE    Type(const int node) const { return(IsNode(node) ? m_nodes[node].type : JSON_ABSENT); }
   int               Count(const int node) const { return(IsNode(node) ? m_nodes[node].count : 0); }
   int               First(const int node) const { return(IsNode(node) ? m_nodes[node].first : -1); }
   int               Next(const int node) const { return(IsNode(node) ? m_nodes[node].next : -1); }
   int               Find(const int node,const string key) const
     {
      if(Type(node)!=JSON_OBJECT)
         return(-1);
      uchar bytes[];
      int used=0;
      if(QMJsonEncode(key,bytes,used)>=0)
         return(-1);
      uint hash=QMJsonHash(bytes,0,used);
      for(int child=m_nodes[node].first; child>=0; child=m_nodes[child].next)
        {
         if(SameKey(child,hash,bytes,0,used))
            return(child);
        }
      return(-1);
     }
   string            Key(const int node) const
     {
      return(IsNode(node) ? Piece(m_nodes[node].key_begin,m_nodes[node].key_end) : "");
     }
   bool              IsTrue(const int node) const { return(Type(node)==JSON_BOOL && m_data[m_nodes[node].begin]=='t'); }
   string            Text(const int node,const string fallback="") const
     {
      return(Type(node)==JSON_STRING ? Piece(m_nodes[node].text_begin,m_nodes[node].text_end) : fallback);
     }
   double            Number(const int node,const double fallback=0.0) const
     {
      if(Type(node)!=JSON_NUMBER)
         return(fallback);
      double value=0.0;
      if(!FewDigits(node,value))
         value=StringToDouble(Raw(node));
      return(MathIsValidNumber(value) ? value : fallback);
     }
   //--- 1.0 and 1e3 are numbers, but no integers
   long              Long(const int node,const long fallback=0) const
     {
      bool negative=false;
      ulong size=0;
      if(!Literal(node,negative,size))
         return(fallback);
      if(!negative)
         return(size<=(ulong)LONG_MAX ? (long)size : fallback);
      if(size==(ulong)LONG_MAX+1)
         return(LONG_MIN);
      return(size<=(ulong)LONG_MAX ? -((long)size) : fallback);
     }
   ulong             Ulong(const int node,const ulong fallback=0) const
     {
      bool negative=false;
      ulong size=0;
      if(!Literal(node,negative,size) || (negative && size>0))
         return(fallback);
      return(size);
     }
   bool              Integer(const int node) const
     {
      bool negative=false;
      ulong size=0;
      return(Literal(node,negative,size) && (!negative || size<=(ulong)LONG_MAX+1));
     }
   //--- the value as it was written
   string            Raw(const int node) const
     {
      return(IsNode(node) ? Piece(m_nodes[node].begin,m_nodes[node].end) : "");
     }

   string            TextOf(const int node,const string key,const string fallback="") const
     {
      return(Text(Find(node,key),fallback));
     }
   double            NumberOf(const int node,const string key,const double fallback=0.0) const
     {
      return(Number(Find(node,key),fallback));
     }
   long              LongOf(const int node,const string key,const long fallback=0) const
     {
      return(Long(Find(node,key),fallback));
     }
   ulong             UlongOf(const int node,const string key,const ulong fallback=0) const
     {
      return(Ulong(Find(node,key),fallback));
     }
   bool              IsTrueOf(const int node,const string key) const { return(IsTrue(Find(node,key))); }
   //--- there, and not null
   bool              HasOf(const int node,const string key) const { return(Type(Find(node,key))>JSON_NULL); }
  };

//+------------------------------------------------------------------+
//| A document, written from front to back                            |
//+------------------------------------------------------------------+
class CJsonWriter
  {
private:
   uchar             m_bytes[];
   int               m_used;
   bool              m_failed;
   bool              m_done;                                // the one value of the document is complete
   bool              m_keyed;                               // a key waits for its value
   int               m_depth;
   bool              m_object[QM_JSON_WRITER_DEPTH];        // else an array
   bool              m_filled[QM_JSON_WRITER_DEPTH];
   int               m_first_key[QM_JSON_WRITER_DEPTH];     // of an object's keys in the three arrays below
   int               m_keys;
   uint              m_key_hash[];
   int               m_key_begin[];
   int               m_key_end[];

   void              Put(const int value)
     {
      if(m_used>=ArraySize(m_bytes))
         ArrayResize(m_bytes,2*m_used+256);
      m_bytes[m_used++]=(uchar)value;
     }
   void              PutText(const string text) { QMJsonEncode(text,m_bytes,m_used); }
   void              PutQuoted(const string text)
     {
      uchar plain[];
      int size=0;
      QMJsonEncode(text,plain,size);
      Put('"');
      for(int i=0; i<size; i++)
        {
         int c=plain[i];
         int letter=0;
         if(c=='"' || c=='\\')
            letter=c;
         else if(c==8)
            letter='b';
         else if(c==9)
            letter='t';
         else if(c==10)
            letter='n';
         else if(c==12)
            letter='f';
         else if(c==13)
            letter='r';
         if(letter!=0)
           {
            Put('\\');
            Put(letter);
           }
         else if(c<0x20)
           {
            PutText("\\u00");
            Put('0'+c/16);
            Put(c%16<10 ? '0'+c%16 : 'a'+c%16-10);
           }
         else
            Put(c);
        }
      Put('"');
     }
   //--- false where no value may be
   bool              BeforeValue(void)
     {
      if(m_done || (m_depth>0 && m_object[m_depth-1] && !m_keyed))
        {
         m_failed=true;
         return(false);
        }
      if(m_depth>0 && !m_object[m_depth-1])
        {
         if(m_filled[m_depth-1])
            Put(',');
         m_filled[m_depth-1]=true;
        }
      m_keyed=false;
      return(true);
     }
   void              AfterValue(void)
     {
      if(m_depth==0)
         m_done=true;
     }
   void              Begin(const bool object)
     {
      if(m_depth>=QM_JSON_WRITER_DEPTH)
        {
         m_failed=true;
         return;
        }
      if(!BeforeValue())
         return;
      Put(object ? '{' : '[');
      m_object[m_depth]=object;
      m_filled[m_depth]=false;
      m_first_key[m_depth]=m_keys;
      m_depth++;
     }
   void              End(const bool object)
     {
      if(m_depth==0 || m_object[m_depth-1]!=object || m_keyed)
        {
         m_failed=true;
         return;
        }
      m_depth--;
      m_keys=m_first_key[m_depth];
      Put(object ? '}' : ']');
      AfterValue();
     }
   void              Plain(const string text)
     {
      if(!BeforeValue())
         return;
      PutText(text);
      AfterValue();
     }
   //--- whether the open object has this key already; remembers it. Each with each: what is written has few keys
   bool              IsKnown(const int begin,const int end)
     {
      uint hash=QMJsonHash(m_bytes,begin,end);
      for(int i=m_first_key[m_depth-1]; i<m_keys; i++)
        {
         if(m_key_hash[i]!=hash || m_key_end[i]-m_key_begin[i]!=end-begin)
            continue;
         bool same=true;
         for(int j=0; same && j<end-begin; j++)
            same=(m_bytes[m_key_begin[i]+j]==m_bytes[begin+j]);
         if(same)
            return(true);
        }
      if(m_keys>=ArraySize(m_key_hash))
        {
         int size=2*m_keys+32;
         ArrayResize(m_key_hash,size);
         ArrayResize(m_key_begin,size);
         ArrayResize(m_key_end,size);
        }
      m_key_hash[m_keys]=hash;
      m_key_begin[m_keys]=begin;
      m_key_end[m_keys]=end;
      m_keys++;
      return(false);
     }

public:
                     CJsonWriter(void) { Clear(); }
   void              Clear(void)
     {
      m_used=0;
      m_failed=false;
      m_done=false;
      m_keyed=false;
      m_depth=0;
      m_keys=0;
     }
   void              BeginObject(void) { Begin(true); }
   void              EndObject(void)   { End(true); }
   void              BeginArray(void)  { Begin(false); }
   void              EndArray(void)    { End(false); }
   void              Key(const string key)
     {
      if(m_depth==0 || !m_object[m_depth-1] || m_keyed)
        {
         m_failed=true;
         return;
        }
      if(m_filled[m_depth-1])
         Put(',');
      m_filled[m_depth-1]=true;
      int begin=m_used;
      PutQuoted(key);
      if(IsKnown(begin,m_used))
         m_failed=true;
      Put(':');
      m_keyed=true;
     }
   void              Text(const string value)
     {
      if(!BeforeValue())
         return;
      PutQuoted(value);
      AfterValue();
     }
   void              Long(const long value)   { Plain(IntegerToString(value)); }
   void              Ulong(const ulong value)
     {
      //--- IntegerToString takes a long
      if(value<=(ulong)LONG_MAX)
         Plain(IntegerToString((long)value));
      else
         Plain(IntegerToString((long)(value/10))+IntegerToString((long)(value%10)));
     }
   void              Bool(const bool value)   { Plain(value ? "true" : "false"); }
   void              Null(void)               { Plain("null"); }
   //--- with at most so many digits behind the point, up to 16
   void              Number(const double value,const int digits)
     {
      string text="";
      if(MathIsValidNumber(value))
         text=DoubleToString(value,digits<0 ? 0 : (digits>16 ? 16 : digits));
      //--- DBL_MAX, which is EMPTY_VALUE, is no number that anyone means
      int size=StringLen(text);
      bool good=(size>0 && size<=QM_JSON_NUMBER);
      bool point=false;
      for(int i=0; good && i<size; i++)
        {
         ushort c=StringGetCharacter(text,i);
         if(c=='.')
            point=true;
         good=((c>='0' && c<='9') || c=='.' || (c=='-' && i==0));
        }
      if(!good)
        {
         m_failed=true;
         Plain("null");
         return;
        }
      if(point)
        {
         while(size>1 && StringGetCharacter(text,size-1)=='0')
            size--;
         if(StringGetCharacter(text,size-1)=='.')
            size--;
         text=StringSubstr(text,0,size);
        }
      Plain(text=="-0" ? "0" : text);
     }
   void              RawJson(const string json)
     {
      if(StringLen(json)==0)
         m_failed=true;
      Plain(json);
     }

   void              TextAt(const string key,const string value)
     {
      Key(key);
      Text(value);
     }
   void              LongAt(const string key,const long value)
     {
      Key(key);
      Long(value);
     }
   void              UlongAt(const string key,const ulong value)
     {
      Key(key);
      Ulong(value);
     }
   void              BoolAt(const string key,const bool value)
     {
      Key(key);
      Bool(value);
     }
   void              NullAt(const string key)
     {
      Key(key);
      Null();
     }
   void              NumberAt(const string key,const double value,const int digits)
     {
      Key(key);
      Number(value,digits);
     }
   void              RawAt(const string key,const string json)
     {
      Key(key);
      RawJson(json);
     }

   bool              Failed(void) const { return(m_failed); }
   //--- empty if it is no whole document
   string            ToString(void)
     {
      if(m_failed || !m_done)
         return("");
      return(CharArrayToString(m_bytes,0,m_used,CP_UTF8));
     }
   //--- UTF-8; the count, without a terminating zero. The array may be longer
   int               ToBytes(uchar &bytes[])
     {
      if(m_failed || !m_done)
         return(0);
      if(ArraySize(bytes)<m_used)
         ArrayResize(bytes,m_used);
      ArrayCopy(bytes,m_bytes,0,0,m_used);
      return(m_used);
     }
  };

#endif
