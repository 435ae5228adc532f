// Structures as bytes, and emptying things.
#pragma once

#include "arrays.hpp"

namespace mql
{
template <class S>
concept simple = std::is_trivially_copyable_v<S>;

template <simple S, writable A>
  requires bytes<A>
bool StructToCharArray(const S &from, A &&to, uint start = 0)
{
  if (to.size() < long(start + sizeof(S)) && !to.resize(long(start + sizeof(S))))
    return false;
  std::memcpy(to.data() + start, &from, sizeof(S));
  return true;
}

template <simple S, bytes A>
bool CharArrayToStruct(S &to, const A &from, uint start = 0)
{
  if (from.size() < long(start + sizeof(S)))
    return false;
  std::memcpy(static_cast<void *>(&to), from.data() + start, sizeof(S));
  return true;
}

// Structures lose what they have, texts become NULL. Objects with virtual methods can't be emptied so.
template <class T>
  requires(!std::is_polymorphic_v<std::remove_cvref_t<T>>)
void ZeroMemory(T &&value)
{
  if constexpr (readable<T>)
    for (long at = 0; at < value.size(); at++)
      ZeroMemory(value.data()[at]);
  else if constexpr (simple<std::remove_cvref_t<T>>)
    std::memset(static_cast<void *>(&value), 0, sizeof(value));
  else
    value = std::remove_cvref_t<T>{};
}
}
