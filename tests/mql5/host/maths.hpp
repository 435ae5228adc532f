// The functions of the Math group, under their long and their short names.
#pragma once

#include <cmath>

#include "types.hpp"

namespace mql
{
template <class A, class B>
auto MathMax(A a, B b)
{
  if constexpr (std::is_same_v<A, B>)
    return a < b ? b : a;
  else
  {
    using both = std::common_type_t<decltype(plain(a)), decltype(plain(b))>;
    return both(a) < both(b) ? both(b) : both(a);
  }
}
template <class A, class B>
auto MathMin(A a, B b)
{
  if constexpr (std::is_same_v<A, B>)
    return b < a ? b : a;
  else
  {
    using both = std::common_type_t<decltype(plain(a)), decltype(plain(b))>;
    return both(b) < both(a) ? both(b) : both(a);
  }
}
template <class T>
auto MathAbs(T value)
{
  using whole = decltype(plain(value) + 0);
  return whole(value) < 0 ? whole(-whole(value)) : whole(value);
}
template <class A, class B>
auto fmax(A a, B b)
{
  return MathMax(a, b);
}
template <class A, class B>
auto fmin(A a, B b)
{
  return MathMin(a, b);
}
template <class T>
auto fabs(T value)
{
  return MathAbs(value);
}

#define MQL_OF_ONE(NAME, SHORT, CALL)                                                                                                                          \
  inline double NAME(double value)                                                                                                                             \
  {                                                                                                                                                            \
    return std::CALL(value);                                                                                                                                   \
  }                                                                                                                                                            \
  inline double SHORT(double value)                                                                                                                            \
  {                                                                                                                                                            \
    return std::CALL(value);                                                                                                                                   \
  }
MQL_OF_ONE(MathArccos, acos, acos)
MQL_OF_ONE(MathArcsin, asin, asin)
MQL_OF_ONE(MathArctan, atan, atan)
MQL_OF_ONE(MathArccosh, acosh, acosh)
MQL_OF_ONE(MathArcsinh, asinh, asinh)
MQL_OF_ONE(MathArctanh, atanh, atanh)
MQL_OF_ONE(MathCeil, ceil, ceil)
MQL_OF_ONE(MathCos, cos, cos)
MQL_OF_ONE(MathCosh, cosh, cosh)
MQL_OF_ONE(MathExp, exp, exp)
MQL_OF_ONE(MathExpm1, expm1, expm1)
MQL_OF_ONE(MathFloor, floor, floor)
MQL_OF_ONE(MathLog, log, log)
MQL_OF_ONE(MathLog10, log10, log10)
MQL_OF_ONE(MathLog1p, log1p, log1p)
MQL_OF_ONE(MathRound, round, round)
MQL_OF_ONE(MathSin, sin, sin)
MQL_OF_ONE(MathSinh, sinh, sinh)
MQL_OF_ONE(MathSqrt, sqrt, sqrt)
MQL_OF_ONE(MathTan, tan, tan)
MQL_OF_ONE(MathTanh, tanh, tanh)
#undef MQL_OF_ONE

inline double MathPow(double base, double exponent)
{
  return std::pow(base, exponent);
}
inline double pow(double base, double exponent)
{
  return std::pow(base, exponent);
}
inline double MathMod(double value, double by)
{
  return std::fmod(value, by);
}
inline double fmod(double value, double by)
{
  return std::fmod(value, by);
}
inline double MathArctan2(double y, double x)
{
  return std::atan2(y, x);
}
inline double atan2(double y, double x)
{
  return std::atan2(y, x);
}
inline bool MathIsValidNumber(double value)
{
  return std::isfinite(value);
}

// 0 to 32767. The sequence is this host's own.
int MathRand();
void MathSrand(int seed);
inline int rand()
{
  return MathRand();
}
inline void srand(int seed)
{
  MathSrand(seed);
}

inline ushort MathSwap(ushort value)
{
  return __builtin_bswap16(value);
}
inline uint MathSwap(uint value)
{
  return __builtin_bswap32(value);
}
inline ulong MathSwap(ulong value)
{
  return __builtin_bswap64(value);
}
}
