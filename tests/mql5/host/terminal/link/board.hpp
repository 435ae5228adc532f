// A chart that is recorded: the objects on it, its properties, and its comment.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace mql::terminal
{
// One object, its properties by name. Those of a level or a point have its number: "levelvalue 1".
struct Object
{
  std::string name;
  int kind = 0;
  int window = 0;
  std::int64_t created = 0;
  struct Point
  {
    std::int64_t time;
    double price;
  };
  std::vector<Point> points;
  std::map<std::string, std::int64_t> integers;
  std::map<std::string, double> numbers;
  std::map<std::string, std::string> texts;
};

// How a property is kept: those without a modifier, and number 0 of those with one, by the bare name.
std::string property_name(const char *name, int modifier);

class Board
{
public:
  Object *find(const std::string &name);

  // A new one; null: an object of this name is there already.
  Object *create(const std::string &name, int kind, int window);

  // The objects in the order of their names, as a terminal lists them. -1: whatever window or kind.
  std::vector<Object *> of(int window, int kind);

  bool remove(const std::string &name);
  int remove_all(const std::string &prefix, int window, int kind);
  bool rename(Object &object, const std::string &name);

  // Write everything to a file, whole or not at all. Kinds are written by the names that `kind_name` has for them.
  void write(const std::string &file, const std::string &symbol, const char *(*kind_name)(int)) const;

  std::string comment;
  std::map<int, std::int64_t> properties;

private:
  std::map<std::string, Object> objects_;
};
}
