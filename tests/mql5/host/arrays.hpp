// Arrays: `array` is dynamic and owns its items, `fixed` has them inside, `view` and `cview` are what functions take.
// A position outside ends the program, as a terminal unloads it.
#pragma once

#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>

#include "constants.hpp"
#include "runtime.hpp"
#include "text.hpp"

namespace mql
{
[[noreturn]] inline void out_of_range(const index &at)
{
  critical_at("array out of range", at.file, at.line);
}

template <class T>
class array
{
public:
  using item = T;

  array() = default;
  array(const array &) = delete;
  array &operator=(const array &) = delete;
  ~array()
  {
    clear();
  }

  T &operator[](index at)
  {
    return items_[place(at)];
  }
  const T &operator[](index at) const
  {
    return items_[place(at)];
  }

  long size() const
  {
    return size_;
  }
  bool is_dynamic() const
  {
    return true;
  }
  bool is_series() const
  {
    return series_;
  }
  bool set_series(bool series)
  {
    series_ = series;
    return true;
  }
  // In the order in which they lie in memory, whatever the series flag says.
  T *data()
  {
    return items_;
  }
  const T *data() const
  {
    return items_;
  }

  // Items move without being told, as in a terminal: their addresses change. New ones hold anything.
  bool resize(long size, long reserve = 0)
  {
    if (size < 0 || size > kMostItems)
      return false;
    for (long at = size; at < size_; at++)
      items_[at].~T();
    if (size > capacity_ && !grow(size + (reserve > 0 ? reserve : 0)))
      return false;
    for (long at = size_; at < size; at++)
      new (static_cast<void *>(items_ + at)) T;
    size_ = size;
    return true;
  }
  void clear()
  {
    resize(0);
    std::free(static_cast<void *>(items_));
    items_ = nullptr;
    capacity_ = 0;
  }
  void swap(array &other)
  {
    char kept[sizeof(array)];
    std::memcpy(kept, static_cast<void *>(this), sizeof(array));
    std::memcpy(static_cast<void *>(this), static_cast<void *>(&other), sizeof(array));
    std::memcpy(static_cast<void *>(&other), kept, sizeof(array));
  }

private:
  static constexpr long kMostItems = 2147483647;

  long place(const index &at) const
  {
    if (at.value < 0 || at.value >= size_)
      out_of_range(at);
    return series_ ? size_ - 1 - at.value : at.value;
  }
  bool grow(long capacity)
  {
    void *moved = std::realloc(static_cast<void *>(items_), std::size_t(capacity) * sizeof(T));
    if (moved == nullptr)
      return false;
    if constexpr (std::is_trivially_default_constructible_v<T>)
      std::memset(static_cast<char *>(moved) + capacity_ * long(sizeof(T)), 0x5A, std::size_t(capacity - capacity_) * sizeof(T));
    items_ = static_cast<T *>(moved);
    capacity_ = capacity;
    return true;
  }

  T *items_ = nullptr;
  long size_ = 0;
  long capacity_ = 0;
  bool series_ = false;
};

// T name[N]: an aggregate, so that a struct with one is as large as in MQL5 and can be copied.
template <class T, long N>
struct fixed
{
  using item = T;
  T items[N];

  T &operator[](index at)
  {
    return items[place(at)];
  }
  const T &operator[](index at) const
  {
    return items[place(at)];
  }
  long size() const
  {
    return N;
  }
  bool is_dynamic() const
  {
    return false;
  }
  bool is_series() const
  {
    return false;
  }
  bool set_series(bool)
  {
    return false;
  }
  T *data()
  {
    return items;
  }
  const T *data() const
  {
    return items;
  }
  // Its size stays; whether so many would have fitted.
  bool resize(long size, long = 0)
  {
    return size <= N;
  }

private:
  static long place(const index &at)
  {
    if (at.value < 0 || at.value >= N)
      out_of_range(at);
    return at.value;
  }
};

// `const T &name[]` of a function.
template <class T>
class cview
{
public:
  using item = T;

  cview(const array<T> &from) : owner_(&from)
  {
  }
  template <long N>
  cview(const fixed<T, N> &from) : data_(from.data()), size_(N)
  {
  }
  cview(const T *data, long size) : data_(data), size_(size)
  {
  }

  const T &operator[](index at) const
  {
    if (owner_ != nullptr)
      return (*owner_)[at];
    if (at.value < 0 || at.value >= size_)
      out_of_range(at);
    return data_[at.value];
  }
  long size() const
  {
    return owner_ != nullptr ? owner_->size() : size_;
  }
  bool is_dynamic() const
  {
    return owner_ != nullptr;
  }
  bool is_series() const
  {
    return owner_ != nullptr && owner_->is_series();
  }
  const T *data() const
  {
    return owner_ != nullptr ? owner_->data() : data_;
  }

private:
  const array<T> *owner_ = nullptr;
  const T *data_ = nullptr;
  long size_ = 0;
};

// `T &name[]` of a function.
template <class T>
class view
{
public:
  using item = T;

  view(array<T> &from) : owner_(&from)
  {
  }
  template <long N>
  view(fixed<T, N> &from) : data_(from.data()), size_(N)
  {
  }

  T &operator[](index at) const
  {
    if (owner_ != nullptr)
      return (*owner_)[at];
    if (at.value < 0 || at.value >= size_)
      out_of_range(at);
    return data_[at.value];
  }
  long size() const
  {
    return owner_ != nullptr ? owner_->size() : size_;
  }
  bool is_dynamic() const
  {
    return owner_ != nullptr;
  }
  bool is_series() const
  {
    return owner_ != nullptr && owner_->is_series();
  }
  bool set_series(bool series) const
  {
    return owner_ != nullptr && owner_->set_series(series);
  }
  T *data() const
  {
    return owner_ != nullptr ? owner_->data() : data_;
  }
  bool resize(long size, long reserve = 0) const
  {
    return owner_ != nullptr ? owner_->resize(size, reserve) : size <= size_;
  }
  void clear() const
  {
    if (owner_ != nullptr)
      owner_->clear();
  }
  array<T> *owner() const
  {
    return owner_;
  }
  operator cview<T>() const
  {
    return owner_ != nullptr ? cview<T>(*owner_) : cview<T>(data_, size_);
  }

private:
  array<T> *owner_ = nullptr;
  T *data_ = nullptr;
  long size_ = 0;
};

template <class A>
concept readable = requires(const std::remove_reference_t<A> &a) {
  typename std::remove_reference_t<A>::item;
  a.size();
  a.data();
  a.is_dynamic();
};
template <class A>
concept writable = readable<A> && requires(A &a) {
  a.resize(1L);
  { *a.data() } -> std::same_as<typename std::remove_reference_t<A>::item &>;
};
template <class A>
using item_of = typename std::remove_cvref_t<A>::item;
template <class A>
concept bytes = readable<A> && sizeof(item_of<A>) == 1 && std::is_integral_v<item_of<A>>;
}
