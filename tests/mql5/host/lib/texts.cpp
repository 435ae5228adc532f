#include "../texts.hpp"

#include <algorithm>

namespace mql
{
namespace
{
bool is_between(char16_t letter, char16_t first, char16_t last)
{
  return letter >= first && letter <= last;
}

char16_t lower(char16_t letter)
{
  if (is_between(letter, u'A', u'Z') || (is_between(letter, u'\u00C0', u'\u00DE') && letter != u'\u00D7'))
    return char16_t(letter + 32);
  if (is_between(letter, u'\u0391', u'\u03A9') || is_between(letter, u'\u0410', u'\u042F'))
    return char16_t(letter + 32);
  if (is_between(letter, u'\u0400', u'\u040F'))
    return char16_t(letter + 80);
  return letter;
}

char16_t upper(char16_t letter)
{
  if (is_between(letter, u'a', u'z') || (is_between(letter, u'\u00E0', u'\u00FE') && letter != u'\u00F7'))
    return char16_t(letter - 32);
  if ((is_between(letter, u'\u03B1', u'\u03C9') && letter != u'\u03C2') || is_between(letter, u'\u0430', u'\u044F'))
    return char16_t(letter - 32);
  if (is_between(letter, u'\u0450', u'\u045F'))
    return char16_t(letter - 80);
  return letter;
}

// "Spaces, tabs and ends of lines", as the reference has it: what is at or below a space.
bool is_blank(char16_t letter)
{
  return letter <= u' ' || letter == u'\u00A0';
}

int sign(int value)
{
  return value < 0 ? -1 : value > 0 ? 1 : 0;
}
}

int StringLen(const string &text)
{
  return int(text.letters().size());
}

int StringBufferLen(const string &text)
{
  return int(text.letters().capacity());
}

int StringFind(const string &text, const string &what, int start)
{
  if (what.letters().empty())
    return -1;
  const std::size_t found = text.letters().find(what.letters(), std::size_t(start < 0 ? 0 : start));
  return found == std::u16string::npos ? -1 : int(found);
}

string StringSubstr(const string &text, int start, int length)
{
  if (start < 0 || start >= StringLen(text) || length == 0)
    return u"";
  return string(text.letters().substr(std::size_t(start), length < 0 ? std::u16string::npos : std::size_t(length)));
}

int StringReplace(string &text, const string &what, const string &by)
{
  const std::u16string wanted = what.letters();
  const std::u16string other = by.letters();
  if (wanted.empty())
  {
    set_error(ERR_WRONG_STRING_PARAMETER);
    return -1;
  }
  int count = 0;
  std::u16string made;
  std::size_t from = 0;
  const std::u16string &letters = text.letters();
  for (std::size_t at = letters.find(wanted); at != std::u16string::npos; at = letters.find(wanted, from))
  {
    made.append(letters, from, at - from);
    made += other;
    from = at + wanted.size();
    count++;
  }
  if (count == 0)
    return 0;
  made.append(letters, from);
  text = string(std::move(made));
  return count;
}

ushort StringGetCharacter(const string &text, int at)
{
  if (at < 0 || at >= StringLen(text))
  {
    set_error(ERR_STRINGPOS_OUTOFRANGE);
    return 0;
  }
  return text.letters()[std::size_t(at)];
}

bool StringSetCharacter(string &text, int at, ushort code)
{
  if (at < 0 || at > StringLen(text))
  {
    set_error(ERR_STRINGPOS_OUTOFRANGE);
    return false;
  }
  std::u16string &letters = text.own();
  if (code == 0)
    letters.resize(std::size_t(at));
  else if (at == int(letters.size()))
    letters += char16_t(code);
  else
    letters[std::size_t(at)] = char16_t(code);
  return true;
}

int StringTrimLeft(string &text)
{
  const std::u16string &letters = text.letters();
  const auto end = std::find_if_not(letters.begin(), letters.end(), is_blank);
  const int count = int(end - letters.begin());
  if (count > 0)
    text.own().erase(0, std::size_t(count));
  return count;
}

int StringTrimRight(string &text)
{
  const std::u16string &letters = text.letters();
  const auto end = std::find_if_not(letters.rbegin(), letters.rend(), is_blank);
  const int count = int(end - letters.rbegin());
  if (count > 0)
    text.own().resize(letters.size() - std::size_t(count));
  return count;
}

bool StringToLower(string &text)
{
  std::u16string &letters = text.own();
  std::transform(letters.begin(), letters.end(), letters.begin(), lower);
  return true;
}

bool StringToUpper(string &text)
{
  std::u16string &letters = text.own();
  std::transform(letters.begin(), letters.end(), letters.begin(), upper);
  return true;
}

int StringCompare(const string &a, const string &b, bool case_sensitive)
{
  if (case_sensitive)
    return sign(a.letters().compare(b.letters()));
  string small_a = a;
  string small_b = b;
  StringToLower(small_a);
  StringToLower(small_b);
  return sign(small_a.letters().compare(small_b.letters()));
}

bool StringAdd(string &text, const string &more)
{
  text += more;
  return true;
}

bool StringFill(string &text, ushort code)
{
  std::u16string &letters = text.own();
  if (code == 0)
    letters.clear();
  else
    std::fill(letters.begin(), letters.end(), char16_t(code));
  return true;
}

bool StringInit(string &text, int length, ushort code)
{
  if (length < 0)
    return false;
  text = code == 0 ? string(u"") : string(std::u16string(std::size_t(length), char16_t(code)));
  return true;
}

bool StringSetLength(string &text, uint length)
{
  text.own().resize(length, u' ');
  return true;
}

bool StringReserve(string &text, uint capacity)
{
  text.own().reserve(capacity);
  return true;
}

int StringSplit(const string &text, ushort separator, const view<string> &parts)
{
  const std::u16string &letters = text.letters();
  std::size_t from = 0;
  int count = 0;
  if (text.is_null())
  {
    set_error(ERR_NOTINITIALIZED_STRING);
    return -1;
  }
  parts.resize(0);
  // An empty text has no parts.
  while (!letters.empty())
  {
    const std::size_t end = letters.find(char16_t(separator), from);
    const bool last = end == std::u16string::npos;
    if (!parts.resize(count + 1))
      return -1;
    parts.data()[count++] = string(letters.substr(from, last ? end : end - from));
    if (last)
      break;
    from = end + 1;
  }
  return count;
}
}
