// Pointers to objects. A terminal knows of each whether its object lives: here those that were made by new are known.
#pragma once

#include "constants.hpp"
#include "runtime.hpp"

namespace mql
{
namespace detail
{
void made(const void *object);
void unmade(const void *object);
ENUM_POINTER_TYPE kind_of(const void *object);
}

// Around each `new`.
template <class T>
T *made(T *object)
{
  detail::made(object);
  return object;
}

template <class T>
ENUM_POINTER_TYPE CheckPointer(const T *pointer)
{
  return detail::kind_of(pointer);
}
template <class T>
  requires std::is_class_v<T>
ENUM_POINTER_TYPE CheckPointer(const T &object)
{
  return detail::kind_of(&object);
}
inline ENUM_POINTER_TYPE CheckPointer(null_t)
{
  return POINTER_INVALID;
}

template <class T>
  requires std::is_class_v<T>
T *GetPointer(T &object)
{
  return &object;
}
template <class T>
T *GetPointer(T *pointer)
{
  return pointer;
}

// `delete`. What new did not make can't be deleted; NULL may be.
template <class T>
void unmade(T *object, const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
  if (object == nullptr)
    return;
  if (detail::kind_of(object) != POINTER_DYNAMIC)
    critical_at("delete of an invalid pointer", file, line);
  detail::unmade(object);
  delete object;
}

// Before each `.` behind what may be a pointer: the object itself.
template <class T>
T &at(T *pointer, const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
  if (detail::kind_of(pointer) == POINTER_INVALID)
    critical_at("invalid pointer access", file, line);
  return *pointer;
}
template <class T>
  requires(!std::is_pointer_v<std::remove_cvref_t<T>>)
T &&at(T &&object)
{
  return static_cast<T &&>(object);
}
}
