#include "../text.hpp"

#include <algorithm>

#include "../constants.hpp"
#include "../convert.hpp"

namespace mql
{
struct string::shared
{
  long owners;
  std::u16string letters;
};

string::string(const char16_t *letters) : shared_(new shared{1, letters})
{
}

string::string(std::u16string letters) : shared_(new shared{1, std::move(letters)})
{
}

string::string(const string &other) noexcept : shared_(other.shared_)
{
  if (shared_ != nullptr)
    shared_->owners++;
}

string::~string()
{
  let_go();
}

string &string::operator=(const string &other) noexcept
{
  if (other.shared_ != nullptr)
    other.shared_->owners++;
  let_go();
  shared_ = other.shared_;
  return *this;
}

string &string::operator=(string &&other) noexcept
{
  std::swap(shared_, other.shared_);
  return *this;
}

void string::let_go() noexcept
{
  if (shared_ != nullptr && --shared_->owners == 0)
    delete shared_;
  shared_ = nullptr;
}

const std::u16string &string::letters() const
{
  static const std::u16string none;
  return shared_ == nullptr ? none : shared_->letters;
}

std::u16string &string::own()
{
  if (shared_ == nullptr)
    shared_ = new shared{1, {}};
  else if (shared_->owners > 1)
  {
    shared *mine = new shared{1, shared_->letters};
    let_go();
    shared_ = mine;
  }
  return shared_->letters;
}

ushort string::operator[](index at) const
{
  if (at.value < 0 || at.value >= long(letters().size()))
    critical_at("string index out of range", at.file, at.line);
  return letters()[std::size_t(at.value)];
}

string &string::operator+=(const string &other)
{
  if (this == &other)
  {
    const std::u16string twice = letters() + letters();
    own() = twice;
    return *this;
  }
  own() += other.letters();
  return *this;
}

string operator+(const string &a, const string &b)
{
  std::u16string letters;
  letters.reserve(a.letters().size() + b.letters().size());
  letters += a.letters();
  letters += b.letters();
  return string(std::move(letters));
}

string operator+(string &&a, const string &b)
{
  a += b;
  return std::move(a);
}

bool operator==(const string &a, const string &b)
{
  return a.is_null() == b.is_null() && a.letters() == b.letters();
}

bool operator<(const string &a, const string &b)
{
  return a.letters() < b.letters();
}

string::string(bool value) : string(value ? u"true" : u"false")
{
}
string::string(char value) : string(long(value))
{
}
string::string(uchar value) : string(ulong(value))
{
}
string::string(short value) : string(long(value))
{
}
string::string(ushort value) : string(ulong(value))
{
}
string::string(int value) : string(long(value))
{
}
string::string(uint value) : string(ulong(value))
{
}
string::string(long value) : string(from_utf8(std::to_string(value)))
{
}
string::string(ulong value) : string(from_utf8(std::to_string(value)))
{
}
string::string(float value) : string(printed_number(double(value), 6))
{
}
string::string(double value) : string(printed_number(value, 16))
{
}
string::string(datetime value) : string(TimeToString(value, TIME_DATE | TIME_SECONDS))
{
}
string::string(color value) : string(ColorToString(value, false))
{
}

namespace
{
constexpr char32_t kUnknown = 0xFFFD;

void put(std::u16string &letters, char32_t code)
{
  if (code > 0xFFFF)
  {
    letters += char16_t(0xD800 + ((code - 0x10000) >> 10));
    letters += char16_t(0xDC00 + ((code - 0x10000) & 0x3FF));
  }
  else
    letters += char16_t(code);
}

// How many bytes a sequence that begins so has by its first byte, 0 if none begins so.
int length_of(uchar lead)
{
  if (lead < 0x80)
    return 1;
  if (lead >= 0xC2 && lead <= 0xDF)
    return 2;
  if (lead >= 0xE0 && lead <= 0xEF)
    return 3;
  return lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
}

// Overlong forms, surrogates and what lies beyond Unicode show in the second byte.
bool second_fits(uchar lead, uchar second)
{
  const uchar low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const uchar high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  return second >= low && second <= high;
}

// Bytes at the front that belong together, whether they are a whole sequence or the broken beginning of one.
int run_of(std::string_view bytes, int length)
{
  int run = 1;
  while (run < length && run < int(bytes.size()))
  {
    const uchar next = uchar(bytes[std::size_t(run)]);
    if (run == 1 ? !second_fits(uchar(bytes[0]), next) : (next & 0xC0) != 0x80)
      break;
    run++;
  }
  return run;
}
}

string from_utf8(std::string_view bytes)
{
  static constexpr uchar kLeadBits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  std::u16string letters;
  letters.reserve(bytes.size());
  while (!bytes.empty())
  {
    const int length = length_of(uchar(bytes[0]));
    const int run = length == 0 ? 1 : run_of(bytes, length);
    char32_t code = kUnknown;
    if (length != 0 && run == length)
    {
      code = uchar(bytes[0]) & kLeadBits[length];
      for (int at = 1; at < length; at++)
        code = (code << 6) | (uchar(bytes[std::size_t(at)]) & 0x3F);
    }
    put(letters, code);
    bytes.remove_prefix(std::size_t(run));
  }
  return string(std::move(letters));
}

std::string to_utf8(std::u16string_view letters)
{
  std::string bytes;
  bytes.reserve(letters.size());
  for (std::size_t at = 0; at < letters.size(); at++)
  {
    char32_t code = letters[at];
    if (code >= 0xD800 && code <= 0xDFFF)
    {
      const char32_t next = at + 1 < letters.size() ? letters[at + 1] : 0;
      const bool pair = code < 0xDC00 && next >= 0xDC00 && next <= 0xDFFF;
      code = pair ? 0x10000 + ((code - 0xD800) << 10) + (next - 0xDC00) : kUnknown;
      at += pair ? 1 : 0;
    }
    if (code < 0x80)
      bytes += char(code);
    else if (code < 0x800)
      bytes += {char(0xC0 | (code >> 6)), char(0x80 | (code & 0x3F))};
    else if (code < 0x10000)
      bytes += {char(0xE0 | (code >> 12)), char(0x80 | ((code >> 6) & 0x3F)), char(0x80 | (code & 0x3F))};
    else
      bytes += {char(0xF0 | (code >> 18)), char(0x80 | ((code >> 12) & 0x3F)), char(0x80 | ((code >> 6) & 0x3F)), char(0x80 | (code & 0x3F))};
  }
  return bytes;
}

std::string to_utf8(const string &text)
{
  return to_utf8(text.letters());
}

string from_codepage(std::string_view bytes, uint codepage)
{
  if (codepage == CP_UTF8)
    return from_utf8(bytes);
  std::u16string letters;
  for (char byte : bytes)
    letters += char16_t(uchar(byte));
  return string(std::move(letters));
}

std::string to_codepage(const string &text, uint codepage)
{
  if (codepage == CP_UTF8)
    return to_utf8(text);
  std::string bytes;
  for (char16_t letter : text.letters())
    bytes += letter < 0x100 ? char(letter) : '?';
  return bytes;
}
}
