#include "../runtime.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *, std::size_t) __attribute__((weak));

namespace mql
{
namespace
{
constexpr int kUnloaded = 70;
}

void critical(const std::string &what)
{
  std::fflush(nullptr);
  std::fprintf(stderr, "critical error: %s\n", what.c_str());
  std::fflush(stderr);
  if (LLVMFuzzerTestOneInput != nullptr)
    std::abort();
  _exit(kUnloaded);
}

void critical_at(const char *what, const char *file, int line)
{
  critical(std::string(what) + " in " + file + ":" + std::to_string(line));
}

bool flag(const char *name, bool otherwise)
{
  const char *value = std::getenv(name);
  if (value == nullptr)
    return otherwise;
  return *value != '\0' && std::string(value) != "0";
}

std::string setting(const char *name, const std::string &otherwise)
{
  const char *value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

const std::string &data_folder()
{
  static const std::string folder = setting("MQL_FOLDER", ".");
  return folder;
}

const std::string &common_folder()
{
  static const std::string folder = setting("MQL_COMMON_FOLDER", data_folder() + "/Common");
  return folder;
}
}
