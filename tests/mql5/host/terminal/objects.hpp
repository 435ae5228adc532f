// Objects on the chart.
#pragma once

#include "charts.hpp"
#include "enums/objects.hpp"
#include "link/board.hpp"

#include <ctime>

namespace mql
{
namespace terminal
{
inline Object *object_of(long chart, const string &name)
{
  Object *found = is_chart(chart) ? g_board.find(plain(name)) : nullptr;
  if (found == nullptr)
    fail(ERR_OBJECT_NOT_FOUND);
  return found;
}

inline void put_points(Object &)
{
}

template <class... Rest> void put_points(Object &object, datetime time, double price, Rest... rest)
{
  object.points.push_back({long(time), price});
  put_points(object, rest...);
}

inline Object::Point *point_of(Object &object, int index)
{
  if (index >= 0 && index < int(object.points.size()))
    return &object.points[index];
  fail(ERR_OBJECT_WRONG_PROPERTY);
  return nullptr;
}

// What is not set.
template <class Map> typename Map::mapped_type kept(const Map &map, const std::string &name)
{
  const auto at = map.find(name);
  return at == map.end() ? typename Map::mapped_type() : at->second;
}
}

// Where an object of the name is, its points are moved.
template <class... Points>
bool ObjectCreate(
    long chart, const string &name, ENUM_OBJECT kind, int window, datetime time, double price, Points... points)
{
  if (!terminal::is_chart(chart))
    return false;
  if (terminal::none(name))
    return terminal::fail(ERR_INVALID_PARAMETER);
  auto *object = terminal::g_board.create(terminal::plain(name), kind, window);
  if (object != nullptr)
    object->created = std::time(nullptr);
  else
    object = terminal::g_board.find(terminal::plain(name));
  object->points.clear();
  terminal::put_points(*object, time, price, points...);
  return true;
}

inline bool ObjectDelete(long chart, const string &name)
{
  if (!terminal::is_chart(chart))
    return false;
  return terminal::g_board.remove(terminal::plain(name)) || terminal::fail(ERR_OBJECT_NOT_FOUND);
}

inline int ObjectsDeleteAll(long chart, int window = -1, int kind = -1)
{
  return terminal::is_chart(chart) ? terminal::g_board.remove_all("", window, kind) : -1;
}

inline int ObjectsDeleteAll(long chart, const string &prefix, int window = -1, int kind = -1)
{
  return terminal::is_chart(chart) ? terminal::g_board.remove_all(terminal::plain(prefix), window, kind) : -1;
}

// The window that it is in; below 0: there is none of the name.
inline int ObjectFind(long chart, const string &name)
{
  const auto *object = terminal::object_of(chart, name);
  return object == nullptr ? -1 : object->window;
}

inline int ObjectsTotal(long chart, int window = -1, int kind = -1)
{
  return terminal::is_chart(chart) ? int(terminal::g_board.of(window, kind).size()) : 0;
}

inline string ObjectName(long chart, int index, int window = -1, int kind = -1)
{
  if (!terminal::is_chart(chart))
    return string();
  const auto found = terminal::g_board.of(window, kind);
  if (index >= 0 && index < int(found.size()))
    return terminal::shown(found[index]->name);
  terminal::fail(ERR_OBJECT_NOT_FOUND);
  return string();
}

inline bool ObjectMove(long chart, const string &name, int index, datetime time, double price)
{
  auto *object = terminal::object_of(chart, name);
  auto *point = object == nullptr ? nullptr : terminal::point_of(*object, index);
  if (point == nullptr)
    return false;
  *point = {long(time), price};
  return true;
}

inline bool ObjectSetInteger(
    long chart, const string &name, ENUM_OBJECT_PROPERTY_INTEGER property, int modifier, long value)
{
  auto *object = terminal::object_of(chart, name);
  if (object == nullptr)
    return false;
  if (property == OBJPROP_TYPE || property == OBJPROP_CREATETIME)
    return terminal::fail(ERR_OBJECT_WRONG_PROPERTY);
  if (property == OBJPROP_TIME)
  {
    auto *point = terminal::point_of(*object, modifier);
    if (point == nullptr)
      return false;
    point->time = value;
    return true;
  }
  object->integers[terminal::property_name(OBJECT_INTEGER_FIELDS[property], modifier)] = value;
  return true;
}

inline bool ObjectSetInteger(long chart, const string &name, ENUM_OBJECT_PROPERTY_INTEGER property, long value)
{
  return ObjectSetInteger(chart, name, property, 0, value);
}

inline bool ObjectSetInteger(
    long chart, const string &name, ENUM_OBJECT_PROPERTY_INTEGER property, int modifier, color value)
{
  return ObjectSetInteger(chart, name, property, modifier, long(value));
}

inline bool ObjectSetInteger(long chart, const string &name, ENUM_OBJECT_PROPERTY_INTEGER property, color value)
{
  return ObjectSetInteger(chart, name, property, 0, long(value));
}

inline bool ObjectSetDouble(
    long chart, const string &name, ENUM_OBJECT_PROPERTY_DOUBLE property, int modifier, double value)
{
  auto *object = terminal::object_of(chart, name);
  if (object == nullptr)
    return false;
  if (property == OBJPROP_PRICE)
  {
    auto *point = terminal::point_of(*object, modifier);
    if (point == nullptr)
      return false;
    point->price = value;
    return true;
  }
  object->numbers[terminal::property_name(OBJECT_DOUBLE_FIELDS[property], modifier)] = value;
  return true;
}

inline bool ObjectSetDouble(long chart, const string &name, ENUM_OBJECT_PROPERTY_DOUBLE property, double value)
{
  return ObjectSetDouble(chart, name, property, 0, value);
}

inline bool ObjectSetString(
    long chart, const string &name, ENUM_OBJECT_PROPERTY_STRING property, int modifier, const string &value)
{
  auto *object = terminal::object_of(chart, name);
  if (object == nullptr)
    return false;
  if (property == OBJPROP_NAME)
    return terminal::g_board.rename(*object, terminal::plain(value)) || terminal::fail(ERR_OBJECT_WRONG_PROPERTY);
  object->texts[terminal::property_name(OBJECT_STRING_FIELDS[property], modifier)] = terminal::plain(value);
  return true;
}

inline bool ObjectSetString(
    long chart, const string &name, ENUM_OBJECT_PROPERTY_STRING property, const string &value)
{
  return ObjectSetString(chart, name, property, 0, value);
}

inline bool ObjectGetInteger(
    long chart, const string &name, ENUM_OBJECT_PROPERTY_INTEGER property, int modifier, long &value)
{
  auto *object = terminal::object_of(chart, name);
  value = 0;
  if (object == nullptr)
    return false;
  if (property == OBJPROP_TIME)
  {
    const auto *point = terminal::point_of(*object, modifier);
    value = point == nullptr ? 0 : point->time;
    return point != nullptr;
  }
  if (property == OBJPROP_TYPE)
    value = object->kind;
  else if (property == OBJPROP_CREATETIME)
    value = object->created;
  else
    value = terminal::kept(object->integers, terminal::property_name(OBJECT_INTEGER_FIELDS[property], modifier));
  return true;
}

inline bool ObjectGetDouble(
    long chart, const string &name, ENUM_OBJECT_PROPERTY_DOUBLE property, int modifier, double &value)
{
  auto *object = terminal::object_of(chart, name);
  value = 0;
  if (object == nullptr)
    return false;
  if (property == OBJPROP_PRICE)
  {
    const auto *point = terminal::point_of(*object, modifier);
    value = point == nullptr ? 0 : point->price;
    return point != nullptr;
  }
  value = terminal::kept(object->numbers, terminal::property_name(OBJECT_DOUBLE_FIELDS[property], modifier));
  return true;
}

inline bool ObjectGetString(
    long chart, const string &name, ENUM_OBJECT_PROPERTY_STRING property, int modifier, string &value)
{
  auto *object = terminal::object_of(chart, name);
  value = string();
  if (object == nullptr)
    return false;
  const auto key = terminal::property_name(OBJECT_STRING_FIELDS[property], modifier);
  value = property == OBJPROP_NAME ? name : terminal::shown(terminal::kept(object->texts, key));
  return true;
}

inline long ObjectGetInteger(
    long chart, const string &name, ENUM_OBJECT_PROPERTY_INTEGER property, int modifier = 0)
{
  long value = 0;
  ObjectGetInteger(chart, name, property, modifier, value);
  return value;
}

inline double ObjectGetDouble(long chart, const string &name, ENUM_OBJECT_PROPERTY_DOUBLE property, int modifier = 0)
{
  double value = 0;
  ObjectGetDouble(chart, name, property, modifier, value);
  return value;
}

inline string ObjectGetString(long chart, const string &name, ENUM_OBJECT_PROPERTY_STRING property, int modifier = 0)
{
  string value;
  ObjectGetString(chart, name, property, modifier, value);
  return value;
}
}
