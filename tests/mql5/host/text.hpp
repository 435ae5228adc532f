// string: UTF-16 as in the terminal. NULL is a text of its own, other than "". Copies share their letters.
#pragma once

#include <string>
#include <string_view>

#include "runtime.hpp"
#include "types.hpp"

namespace mql
{
// A position, and where in the sources it was written.
struct index
{
  long value;
  const char *file;
  int line;

  template <class T>
    requires(std::is_integral_v<T> || std::is_enum_v<T>)
  index(T at, const char *from = __builtin_FILE(), int on = __builtin_LINE()) : value(long(at)), file(from), line(on)
  {
  }
};

class string
{
public:
  string() noexcept = default;
  string(null_t) noexcept
  {
  }
  string(const char16_t *letters);
  explicit string(std::u16string letters);
  string(const string &other) noexcept;
  string(string &&other) noexcept : shared_(other.shared_)
  {
    other.shared_ = nullptr;
  }
  ~string();
  string &operator=(const string &other) noexcept;
  string &operator=(string &&other) noexcept;

  // Casts, as in (string)5: what Print would say.
  explicit string(bool value);
  explicit string(char value);
  explicit string(uchar value);
  explicit string(short value);
  explicit string(ushort value);
  explicit string(int value);
  explicit string(uint value);
  explicit string(long value);
  explicit string(ulong value);
  explicit string(float value);
  explicit string(double value);
  explicit string(datetime value);
  explicit string(color value);
  template <class E>
    requires std::is_enum_v<E>
  explicit string(E value) : string(long(value))
  {
  }

  bool is_null() const
  {
    return shared_ == nullptr;
  }
  const std::u16string &letters() const;
  // The letters of this text alone, to be changed; no longer NULL.
  std::u16string &own();

  ushort operator[](index at) const;
  string &operator+=(const string &other);

private:
  struct shared;
  void let_go() noexcept;

  shared *shared_ = nullptr;
};

string operator+(const string &a, const string &b);
string operator+(string &&a, const string &b);
bool operator==(const string &a, const string &b);
bool operator<(const string &a, const string &b);
inline bool operator!=(const string &a, const string &b)
{
  return !(a == b);
}
inline bool operator>(const string &a, const string &b)
{
  return b < a;
}
inline bool operator<=(const string &a, const string &b)
{
  return !(b < a);
}
inline bool operator>=(const string &a, const string &b)
{
  return !(a < b);
}
inline bool operator==(const string &a, null_t)
{
  return a.is_null();
}
inline bool operator!=(const string &a, null_t)
{
  return !a.is_null();
}

// MQL5 makes a text of a number by itself and warns (181). Here it has to be said: IntegerToString, DoubleToString.
template <class T>
  requires(number<T> || meaning<T> || std::is_enum_v<T>)
string operator+(const string &, T) = delete;
template <class T>
  requires(number<T> || meaning<T> || std::is_enum_v<T>)
string operator+(T, const string &) = delete;

string from_utf8(std::string_view bytes);
std::string to_utf8(const string &text);
std::string to_utf8(std::u16string_view letters);
// Windows code pages other than UTF-8 are not here: ISO 8859-1 stands for all of them, and ? for what it has not.
string from_codepage(std::string_view bytes, uint codepage);
std::string to_codepage(const string &text, uint codepage);
}
