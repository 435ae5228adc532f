// The plain types of MQL5: integers of fixed size, NULL, datetime and color.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;

namespace mql
{
using ::uchar;
using ::uint;
using ::ulong;
using ::ushort;
static_assert(sizeof(long) == 8, "a long has 64 bits in MQL5");

template <class T>
concept number = std::is_arithmetic_v<T>;

// NULL: no pointer, no text, and zero where a number is wanted.
struct null_t
{
  template <class T>
  constexpr operator T *() const
  {
    return nullptr;
  }
  template <number T>
  constexpr operator T() const
  {
    return T(0);
  }
};
inline constexpr null_t null{};

template <class T>
constexpr bool operator==(T *pointer, null_t)
{
  return pointer == nullptr;
}

// A number with a meaning of its own: printed in another way, told apart by overloads, else like an integer. It becomes
// the integer below it by itself, and another type only by a cast, since a part could be lost.
template <class Self, class Whole>
struct meaningful
{
  Whole value;

  constexpr meaningful() = default;
  template <number T>
  constexpr meaningful(T from) : value(Whole(from))
  {
  }
  constexpr meaningful(null_t) : value(0)
  {
  }

  template <std::same_as<Whole> T>
  constexpr operator T() const
  {
    return value;
  }
  template <class T>
    requires((number<T> && !std::same_as<T, Whole>) || std::is_enum_v<T>)
  constexpr explicit operator T() const
  {
    return T(value);
  }

  constexpr Self &operator+=(Whole by)
  {
    value += by;
    return self();
  }
  constexpr Self &operator-=(Whole by)
  {
    value -= by;
    return self();
  }
  constexpr Self &operator++()
  {
    ++value;
    return self();
  }
  constexpr Self operator++(int)
  {
    Self before = self();
    ++value;
    return before;
  }

private:
  constexpr Self &self()
  {
    return static_cast<Self &>(*this);
  }
};

struct datetime : meaningful<datetime, long>
{
  using meaningful::meaningful;
};

struct color : meaningful<color, uint>
{
  using meaningful::meaningful;
};

template <class T>
concept meaning = std::is_same_v<T, datetime> || std::is_same_v<T, color>;

template <class T>
constexpr auto plain(T value)
{
  if constexpr (meaning<T>)
    return value.value;
  else
    return value;
}

// Reckoning with them gives plain numbers, as in MQL5.
#define MQL_RECKONS(OPERATOR)                                                                                                                                  \
  template <class A, class B>                                                                                                                                  \
    requires((meaning<A> && (number<B> || meaning<B>)) || (number<A> && meaning<B>))                                                                           \
  constexpr auto operator OPERATOR(A a, B b)                                                                                                                   \
  {                                                                                                                                                            \
    return plain(a) OPERATOR plain(b);                                                                                                                         \
  }
MQL_RECKONS(+)
MQL_RECKONS(-)
MQL_RECKONS(*)
MQL_RECKONS(/)
MQL_RECKONS(%)
MQL_RECKONS(<)
MQL_RECKONS(>)
MQL_RECKONS(<=)
MQL_RECKONS(>=)
MQL_RECKONS(==)
MQL_RECKONS(!=)
#undef MQL_RECKONS
}
