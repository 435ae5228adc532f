#include "../globals.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "../constants.hpp"
#include "../times.hpp"

namespace mql
{
namespace
{
constexpr int kMostLetters = 63;

struct variable
{
  double value;
  long time;
};
using variables = std::map<std::string, variable>;

std::string file_name()
{
  return data_folder() + "/globals.txt";
}

// All of them, under a lock as long as this lives: each is read anew, since other programs write too.
class Held
{
public:
  Held()
  {
    std::filesystem::create_directories(data_folder());
    lock_ = ::open((file_name() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    ::flock(lock_, LOCK_EX);
    std::ifstream file(file_name());
    std::string name;
    variable one{};
    std::string value;
    while (file >> value >> one.time && file.get() && std::getline(file, name))
    {
      one.value = std::strtod(value.c_str(), nullptr);
      all[name] = one;
    }
  }
  ~Held()
  {
    ::close(lock_);
  }
  Held(const Held &) = delete;
  Held &operator=(const Held &) = delete;

  bool write()
  {
    const std::string next = file_name() + ".new";
    std::FILE *file = std::fopen(next.c_str(), "w");
    if (file == nullptr)
      return false;
    for (const auto &[name, one] : all)
      std::fprintf(file, "%a %ld %s\n", one.value, one.time, name.c_str());
    return std::fclose(file) == 0 && std::rename(next.c_str(), file_name().c_str()) == 0;
  }

  variables::iterator find(const string &name)
  {
    const auto found = all.find(to_utf8(name));
    if (found == all.end())
      set_error(ERR_GLOBALVARIABLE_NOT_FOUND);
    return found;
  }

  variables all;

private:
  int lock_;
};

bool is_name(const string &name)
{
  const std::size_t size = name.letters().size();
  return size > 0 && size <= kMostLetters && name.letters().find_first_of(u"\r\n") == std::u16string::npos;
}
}

bool GlobalVariableCheck(const string name)
{
  return Held().all.count(to_utf8(name)) > 0;
}

bool GlobalVariableGet(const string name, double &value)
{
  Held held;
  const auto found = held.find(name);
  if (found == held.all.end())
    return false;
  value = found->second.value;
  found->second.time = TimeLocal();
  return held.write();
}

double GlobalVariableGet(const string name)
{
  double value = 0.0;
  GlobalVariableGet(name, value);
  return value;
}

datetime GlobalVariableSet(const string name, double value)
{
  Held held;
  if (!is_name(name))
  {
    set_error(ERR_INVALID_PARAMETER);
    return 0;
  }
  const datetime now = TimeLocal();
  held.all[to_utf8(name)] = variable{value, now};
  if (held.write())
    return now;
  set_error(ERR_GLOBALVARIABLE_CANNOTWRITE);
  return 0;
}

bool GlobalVariableSetOnCondition(const string name, double value, double only_if)
{
  Held held;
  const auto found = held.find(name);
  if (found == held.all.end() || found->second.value != only_if)
    return false;
  found->second = variable{value, TimeLocal()};
  return held.write();
}

bool GlobalVariableTemp(const string name)
{
  if (GlobalVariableCheck(name))
  {
    set_error(ERR_GLOBALVARIABLE_EXISTS);
    return false;
  }
  return GlobalVariableSet(name, 0.0) != 0;
}

bool GlobalVariableDel(const string name)
{
  Held held;
  const auto found = held.find(name);
  if (found == held.all.end())
    return false;
  held.all.erase(found);
  return held.write();
}

datetime GlobalVariableTime(const string name)
{
  Held held;
  const auto found = held.find(name);
  return found == held.all.end() ? 0 : found->second.time;
}

string GlobalVariableName(int at)
{
  Held held;
  if (at < 0 || at >= int(held.all.size()))
  {
    set_error(ERR_GLOBALVARIABLE_NOT_FOUND);
    return null;
  }
  return from_utf8(std::next(held.all.begin(), at)->first);
}

int GlobalVariablesTotal()
{
  return int(Held().all.size());
}

int GlobalVariablesDeleteAll(const string prefix, datetime before)
{
  Held held;
  const std::string begins = to_utf8(prefix);
  const auto goes = [&](const auto &each) { return each.first.compare(0, begins.size(), begins) == 0 && (before == 0 || each.second.time < before); };
  const int count = int(std::erase_if(held.all, goes));
  held.write();
  return count;
}

void GlobalVariablesFlush()
{
}
}
