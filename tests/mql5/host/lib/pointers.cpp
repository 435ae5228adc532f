#include "../pointers.hpp"

#include <unordered_map>

namespace mql::detail
{
namespace
{
// Whether an object that new made lives still. Addresses that are used again live again.
std::unordered_map<const void *, bool> &known()
{
  static std::unordered_map<const void *, bool> objects;
  return objects;
}
}

void made(const void *object)
{
  known()[object] = true;
}

void unmade(const void *object)
{
  known()[object] = false;
}

ENUM_POINTER_TYPE kind_of(const void *object)
{
  if (object == nullptr)
    return POINTER_INVALID;
  const auto found = known().find(object);
  if (found == known().end())
    return POINTER_AUTOMATIC;
  return found->second ? POINTER_DYNAMIC : POINTER_INVALID;
}
}
