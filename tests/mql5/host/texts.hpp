// The functions of the String group.
#pragma once

#include "arrays.hpp"
#include "text.hpp"

namespace mql
{
int StringLen(const string &text);
int StringBufferLen(const string &text);
int StringFind(const string &text, const string &what, int start = 0);
string StringSubstr(const string &text, int start, int length = -1);
// How many were replaced, or -1 for an empty search.
int StringReplace(string &text, const string &what, const string &by);
ushort StringGetCharacter(const string &text, int at);
bool StringSetCharacter(string &text, int at, ushort code);
int StringTrimLeft(string &text);
int StringTrimRight(string &text);
// Latin, Greek and Cyrillic letters; others stay.
bool StringToLower(string &text);
bool StringToUpper(string &text);
int StringCompare(const string &a, const string &b, bool case_sensitive = true);
bool StringAdd(string &text, const string &more);
bool StringFill(string &text, ushort code);
bool StringInit(string &text, int length = 0, ushort code = 0);
bool StringSetLength(string &text, uint length);
bool StringReserve(string &text, uint capacity);
int StringSplit(const string &text, ushort separator, const view<string> &parts);

template <class... Parts>
int StringConcatenate(string &text, const Parts &...parts)
{
  string all(u"");
  ((all += string(parts)), ...);
  text = all;
  return StringLen(text);
}
}
