#include "board.hpp"

#include "json.hpp"

#include <cstdio>
#include <fstream>

namespace mql::terminal
{
namespace
{
bool fits(const Object &object, int window, int kind)
{
  return (window < 0 || object.window == window) && (kind < 0 || object.kind == kind);
}

nlohmann::json shown(const Object &object, const char *(*kind_name)(int))
{
  nlohmann::json points = nlohmann::json::array();
  for (const Object::Point &point : object.points)
    points.push_back({{"time", point.time}, {"price", point.price}});
  nlohmann::json made = {
      {"name", object.name}, {"type", kind_name(object.kind)}, {"window", object.window}, {"points", points}};
  for (const auto &[name, value] : object.integers)
    made[name] = value;
  for (const auto &[name, value] : object.numbers)
    made[name] = value;
  for (const auto &[name, value] : object.texts)
    made[name] = value;
  return made;
}
}

std::string property_name(const char *name, int modifier)
{
  return modifier == 0 ? std::string(name) : std::string(name) + " " + std::to_string(modifier);
}

Object *Board::find(const std::string &name)
{
  const auto at = objects_.find(name);
  return at == objects_.end() ? nullptr : &at->second;
}

Object *Board::create(const std::string &name, int kind, int window)
{
  const auto [at, is_new] = objects_.try_emplace(name);
  if (!is_new)
    return nullptr;
  at->second.name = name;
  at->second.kind = kind;
  at->second.window = window;
  return &at->second;
}

std::vector<Object *> Board::of(int window, int kind)
{
  std::vector<Object *> found;
  for (auto &[name, object] : objects_)
    if (fits(object, window, kind))
      found.push_back(&object);
  return found;
}

bool Board::remove(const std::string &name)
{
  return objects_.erase(name) > 0;
}

int Board::remove_all(const std::string &prefix, int window, int kind)
{
  const auto goes = [&](const auto &each)
  { return each.first.compare(0, prefix.size(), prefix) == 0 && fits(each.second, window, kind); };
  return int(std::erase_if(objects_, goes));
}

bool Board::rename(Object &object, const std::string &name)
{
  if (name.empty() || objects_.count(name) > 0)
    return false;
  auto node = objects_.extract(object.name);
  node.key() = name;
  node.mapped().name = name;
  objects_.insert(std::move(node));
  return true;
}

void Board::write(const std::string &file, const std::string &symbol, const char *(*kind_name)(int)) const
{
  nlohmann::json objects = nlohmann::json::array();
  for (const auto &[name, object] : objects_)
    objects.push_back(shown(object, kind_name));
  const nlohmann::json all = {{"symbol", symbol}, {"comment", comment}, {"objects", objects}};
  const std::string beside = file + ".new";
  std::ofstream(beside) << all.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  std::rename(beside.c_str(), file.c_str());
}
}
