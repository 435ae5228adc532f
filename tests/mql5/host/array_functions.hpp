// The functions of the Array group.
#pragma once

#include <algorithm>

#include "arrays.hpp"

namespace mql
{
namespace detail
{
template <class T>
constexpr long items_within = 1;
template <class T, long N>
constexpr long items_within<fixed<T, N>> = N * items_within<T>;

template <class T>
int range_of(const T &, uint)
{
  return 0;
}
template <class T, long N>
int range_of(const fixed<T, N> &row, uint dimension)
{
  return dimension == 0 ? int(N) : range_of(row.items[0], dimension - 1);
}

// Copies to items that are there. Within one array the ranges may overlap.
template <class T, class F>
void copy_items(T *to, const F *from, long count)
{
  if constexpr (std::is_same_v<T, F> && std::is_trivially_copyable_v<T>)
    std::memmove(static_cast<void *>(to), static_cast<const void *>(from), std::size_t(count) * sizeof(T));
  else if (static_cast<const void *>(to) <= static_cast<const void *>(from))
    for (long at = 0; at < count; at++)
      to[at] = T(from[at]);
  else
    for (long at = count - 1; at >= 0; at--)
      to[at] = T(from[at]);
}

// The first item that is not less, or greater, than the others.
template <readable A, class Better>
int best_of(const A &from, int start, int count, Better better)
{
  const long end = count < 0 ? from.size() : std::min<long>(from.size(), long(start) + count);
  long best = -1;
  for (long at = std::max(0, start); at < end; at++)
    if (best < 0 || better(from[at], from[best]))
      best = at;
  return int(best);
}
}

template <readable A>
int ArraySize(const A &a)
{
  return int(a.size() * detail::items_within<item_of<A>>);
}

template <readable A>
int ArrayRange(const A &a, uint dimension)
{
  if (dimension == 0)
    return int(a.size());
  static const item_of<A> row{};
  return detail::range_of(row, dimension - 1);
}

template <writable A>
int ArrayResize(A &&a, int size, int reserve = 0)
{
  if (!a.is_dynamic() || !a.resize(size, reserve))
  {
    set_error(ERR_ARRAY_RESIZE_ERROR);
    return -1;
  }
  return ArraySize(a);
}

template <writable A>
void ArrayFree(A &&a)
{
  if constexpr (requires { a.clear(); })
    a.clear();
}

template <readable A>
bool ArrayIsDynamic(const A &a)
{
  return a.is_dynamic();
}
template <readable A>
bool ArrayIsSeries(const A &)
{
  return false;
}
template <readable A>
bool ArrayGetAsSeries(const A &a)
{
  return a.is_series();
}
template <writable A>
bool ArraySetAsSeries(A &&a, bool series)
{
  return a.set_series(series);
}

// Copies in the order in which items lie in memory, as a terminal does.
template <writable D, readable S>
int ArrayCopy(D &&to, const S &from, int to_start = 0, int from_start = 0, int count = WHOLE_ARRAY)
{
  if (to_start < 0 || from_start < 0 || from_start >= from.size())
  {
    set_error(ERR_INVALID_PARAMETER);
    return 0;
  }
  long wanted = from.size() - from_start;
  if (count >= 0 && count < wanted)
    wanted = count;
  if (to.size() < to_start + wanted && !to.resize(to_start + wanted))
    wanted = std::max(0L, to.size() - to_start);
  detail::copy_items(to.data() + to_start, from.data() + from_start, wanted);
  return int(wanted * detail::items_within<item_of<S>>);
}

template <readable A, readable B>
int ArrayCompare(const A &a, const B &b, int a_start = 0, int b_start = 0, int count = WHOLE_ARRAY)
{
  if (a_start < 0 || b_start < 0)
    return -2;
  const long a_end = count < 0 ? a.size() : std::min<long>(a.size(), long(a_start) + count);
  const long b_end = count < 0 ? b.size() : std::min<long>(b.size(), long(b_start) + count);
  for (long i = a_start, j = b_start; i < a_end && j < b_end; i++, j++)
  {
    if (a.data()[i] < b.data()[j])
      return -1;
    if (b.data()[j] < a.data()[i])
      return 1;
  }
  const long left = (a_end - a_start) - (b_end - b_start);
  return left < 0 ? -1 : left > 0 ? 1 : 0;
}

template <writable A, class V>
int ArrayInitialize(A &&a, V value)
{
  for (long at = 0; at < a.size(); at++)
    if constexpr (readable<item_of<A>>)
      ArrayInitialize(a.data()[at], value);
    else
      a.data()[at] = item_of<A>(value);
  return ArraySize(a);
}

template <writable A, class V>
void ArrayFill(A &&a, int start, int count, V value)
{
  for (long at = start; at < long(start) + count; at++)
    a[at] = item_of<A>(value);
}

template <writable A>
bool ArraySort(A &&a)
{
  if (a.is_series())
    std::sort(a.data(), a.data() + a.size(), [](const auto &x, const auto &y) { return y < x; });
  else
    std::sort(a.data(), a.data() + a.size());
  return true;
}

// The place of a value in a sorted array, or of one that is near it.
template <readable A, class V>
int ArrayBsearch(const A &a, V value)
{
  if (a.size() == 0)
    return -1;
  const auto found = std::lower_bound(a.data(), a.data() + a.size(), item_of<A>(value));
  return int(std::min<long>(found - a.data(), a.size() - 1));
}

template <writable A>
bool ArrayReverse(A &&a, uint start = 0, int count = WHOLE_ARRAY)
{
  if (long(start) > a.size())
    return false;
  const long end = count < 0 ? a.size() : std::min<long>(a.size(), long(start) + count);
  std::reverse(a.data() + start, a.data() + end);
  return true;
}

template <writable A>
bool ArrayRemove(A &&a, uint start, int count = WHOLE_ARRAY)
{
  if (long(start) >= a.size() || !a.is_dynamic())
  {
    set_error(ERR_INVALID_PARAMETER);
    return false;
  }
  const long end = count < 0 ? a.size() : std::min<long>(a.size(), long(start) + count);
  const long left = a.size() - (end - long(start));
  detail::copy_items(a.data() + start, a.data() + end, a.size() - end);
  return a.resize(left);
}

template <writable D, readable S>
bool ArrayInsert(D &&to, const S &from, uint to_start, uint from_start = 0, int count = WHOLE_ARRAY)
{
  const long before = to.size();
  if (long(to_start) > before || long(from_start) >= from.size() || !to.is_dynamic())
  {
    set_error(ERR_INVALID_PARAMETER);
    return false;
  }
  const long wanted = count < 0 ? from.size() - from_start : std::min<long>(from.size() - from_start, count);
  if (!to.resize(before + wanted))
    return false;
  detail::copy_items(to.data() + to_start + wanted, to.data() + to_start, before - long(to_start));
  detail::copy_items(to.data() + to_start, from.data() + from_start, wanted);
  return true;
}

template <class T>
bool ArraySwap(array<T> &a, array<T> &b)
{
  a.swap(b);
  return true;
}
template <class T>
bool ArraySwap(const view<T> &a, const view<T> &b)
{
  if (a.owner() == nullptr || b.owner() == nullptr)
    return false;
  a.owner()->swap(*b.owner());
  return true;
}
template <class T>
bool ArraySwap(array<T> &a, const view<T> &b)
{
  return ArraySwap(view<T>(a), b);
}
template <class T>
bool ArraySwap(const view<T> &a, array<T> &b)
{
  return ArraySwap(a, view<T>(b));
}

template <readable A>
int ArrayMaximum(const A &a, int start = 0, int count = WHOLE_ARRAY)
{
  return detail::best_of(a, start, count, [](const auto &x, const auto &y) { return y < x; });
}
template <readable A>
int ArrayMinimum(const A &a, int start = 0, int count = WHOLE_ARRAY)
{
  return detail::best_of(a, start, count, [](const auto &x, const auto &y) { return x < y; });
}
}
