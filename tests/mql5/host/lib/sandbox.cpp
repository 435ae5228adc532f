#include "sandbox.hpp"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "../constants.hpp"

namespace mql
{
namespace
{
// What Windows does not allow in names. Device names are left out: nobody calls a file so by mistake.
bool is_named_well(const std::string &part)
{
  const bool strange = std::any_of(part.begin(), part.end(), [](char letter) { return uchar(letter) < 32 || std::string_view("<>:\"|").find(letter) != std::string_view::npos; });
  return !part.empty() && part != ".." && part != "." && part.back() != ' ' && part.back() != '.' && !strange;
}
}

std::string sandboxed(const string &name, bool common)
{
  constexpr int kMostLetters = 240;
  std::string path = to_utf8(name);
  std::replace(path.begin(), path.end(), '\\', '/');
  if (path.size() > kMostLetters)
  {
    set_error(ERR_TOO_LONG_FILENAME);
    return "";
  }
  std::string whole = common ? common_folder() + "/Files" : data_folder() + "/MQL5/Files";
  std::istringstream parts(path);
  std::string part;
  bool good = !path.empty() && path.front() != '/' && path.back() != '/';
  while (good && std::getline(parts, part, '/'))
  {
    good = is_named_well(part);
    whole += "/" + part;
  }
  if (good)
    return whole;
  set_error(ERR_WRONG_FILENAME);
  return "";
}

bool make_folders_of(const std::string &path)
{
  std::error_code failed;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), failed);
  return !failed;
}
}
