// Numbers, times, colours and arrays of bytes to text, and back.
#pragma once

#include "arrays.hpp"
#include "constants.hpp"
#include "text.hpp"

namespace mql
{
// As Print has it: so many significant digits, and no zeros behind them.
string printed_number(double value, int digits);

string IntegerToString(long number, int length = 0, ushort fill = ' ');
string DoubleToString(double value, int digits = 8);
string TimeToString(datetime time, int parts = TIME_DATE | TIME_MINUTES);
string ColorToString(color value, bool by_name = false);
string ShortToString(ushort code);
string CharToString(uchar code);
long StringToInteger(const string &text);
double StringToDouble(const string &text);
// What is no time gives 0 and an error here; the documents do not say what a terminal makes of it.
datetime StringToTime(const string &text);
color StringToColor(const string &text);
uint ColorToARGB(color value, uchar alpha = 255);
double NormalizeDouble(double value, int digits);

template <bytes A>
string CharArrayToString(const A &from, int start = 0, int count = WHOLE_ARRAY, uint codepage = CP_ACP)
{
  const long size = from.size();
  if (start < 0 || start >= size)
    return u"";
  const long most = count < 0 || count > size - start ? size - start : count;
  const char *begin = reinterpret_cast<const char *>(from.data()) + start;
  return from_codepage(std::string_view(begin, strnlen(begin, std::size_t(most))), codepage);
}

// With count -1 the zero at the end is copied too; an array never shrinks. Returns how many were copied.
template <bytes A>
  requires writable<A>
int StringToCharArray(const string &text, A &&to, int start = 0, int count = WHOLE_ARRAY, uint codepage = CP_ACP)
{
  if (start < 0 || text.is_null())
    return 0;
  std::string from = to_codepage(text, codepage);
  long size = long(from.size()) + 1;
  if (count >= 0)
    size = count < long(from.size()) ? count : long(from.size());
  if (to.size() < start + size && !to.resize(start + size))
    size = to.size() > start ? to.size() - start : 0;
  if (size > 0)
    std::memcpy(to.data() + start, from.c_str(), std::size_t(size));
  return int(size);
}

template <readable A>
  requires(sizeof(item_of<A>) == 2)
string ShortArrayToString(const A &from, int start = 0, int count = WHOLE_ARRAY)
{
  std::u16string letters;
  for (long at = start; at >= 0 && at < from.size() && (count < 0 || at < start + count) && from.data()[at] != 0; at++)
    letters += char16_t(from.data()[at]);
  return string(std::move(letters));
}

template <writable A>
  requires(sizeof(item_of<A>) == 2)
int StringToShortArray(const string &text, A &&to, int start = 0, int count = WHOLE_ARRAY)
{
  const std::u16string &from = text.letters();
  long size = long(from.size()) + 1;
  if (count >= 0)
    size = count < long(from.size()) ? count : long(from.size());
  if (start < 0)
    return 0;
  if (to.size() < start + size && !to.resize(start + size))
    size = to.size() > start ? to.size() - start : 0;
  for (long at = 0; at < size; at++)
    to.data()[start + at] = item_of<A>(from.c_str()[at]);
  return int(size);
}
}
