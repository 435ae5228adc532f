// Names of files and folders: whether they are there, moving, copying, looking for them.
#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <vector>

#include "../times.hpp"
#include "file_table.hpp"
#include "sandbox.hpp"

namespace mql
{
namespace
{
namespace fs = std::filesystem;

struct search
{
  std::vector<std::string> names;
  std::size_t next = 0;
};

std::map<long, search> g_searches;
long g_next_search = 1;

bool no(int code)
{
  set_error(code);
  return false;
}

bool is_common(int flags)
{
  return (flags & FILE_COMMON) != 0;
}

// Both ends of a copy; whether it may be made.
bool both(const string &from, int from_flags, const string &to, int flags, std::string &source, std::string &target)
{
  source = sandboxed(from, is_common(from_flags));
  target = sandboxed(to, is_common(flags));
  if (source.empty() || target.empty())
    return false;
  if (!fs::is_regular_file(source))
    return no(fs::is_directory(source) ? ERR_FILE_IS_DIRECTORY : ERR_FILE_NOT_EXIST);
  if (fs::exists(target) && (flags & FILE_REWRITE) == 0)
    return no(ERR_FILE_CANNOT_REWRITE);
  if (is_open_anywhere(target))
    return no(ERR_FILE_CANNOT_REWRITE);
  make_folders_of(target);
  return true;
}

// Windows has names without regard to case; a file is found under the name that was written.
bool matches(const std::string &name, const std::string &filter)
{
  return ::fnmatch(filter == "*.*" ? "*" : filter.c_str(), name.c_str(), FNM_CASEFOLD) == 0;
}
}

bool FileIsExist(const string name, int flags)
{
  const std::string path = sandboxed(name, is_common(flags));
  if (path.empty())
    return false;
  if (fs::is_directory(path))
    return no(ERR_FILE_IS_DIRECTORY);
  return fs::is_regular_file(path) || no(ERR_FILE_NOT_EXIST);
}

bool FileDelete(const string name, int flags)
{
  const std::string path = sandboxed(name, is_common(flags));
  std::error_code wrong;
  if (path.empty())
    return false;
  if (!fs::is_regular_file(path))
    return no(ERR_FILE_NOT_EXIST);
  return (!is_open_anywhere(path) && fs::remove(path, wrong)) || no(ERR_CANNOT_DELETE_FILE);
}

bool FileCopy(const string from, int from_flags, const string to, int flags)
{
  std::string source, target;
  std::error_code wrong;
  return both(from, from_flags, to, flags, source, target) &&
         (fs::copy_file(source, target, fs::copy_options::overwrite_existing, wrong) || no(ERR_FILE_WRITEERROR));
}

bool FileMove(const string from, int from_flags, const string to, int flags)
{
  std::string source, target;
  std::error_code wrong;
  if (!both(from, from_flags, to, flags, source, target))
    return false;
  if (is_open_anywhere(source))
    return no(ERR_CANNOT_OPEN_FILE);
  fs::rename(source, target, wrong);
  return !wrong || no(ERR_FILE_WRITEERROR);
}

bool FolderCreate(const string name, int flags)
{
  const std::string path = sandboxed(name, is_common(flags));
  std::error_code wrong;
  if (path.empty())
    return false;
  fs::create_directories(path, wrong);
  return fs::is_directory(path) || no(ERR_WRONG_DIRECTORYNAME);
}

bool FolderDelete(const string name, int flags)
{
  const std::string path = sandboxed(name, is_common(flags));
  std::error_code wrong;
  if (path.empty())
    return false;
  if (!fs::is_directory(path))
    return no(fs::exists(path) ? ERR_FILE_ISNOT_DIRECTORY : ERR_DIRECTORY_NOT_EXIST);
  return fs::remove(path, wrong) || no(ERR_CANNOT_DELETE_DIRECTORY);
}

bool FolderClean(const string name, int flags)
{
  const std::string path = sandboxed(name, is_common(flags));
  if (path.empty())
    return false;
  if (!fs::is_directory(path))
    return no(ERR_DIRECTORY_NOT_EXIST);
  bool clean = true;
  for (const fs::directory_entry &entry : fs::directory_iterator(path))
  {
    std::error_code wrong;
    clean = !is_open_anywhere(entry.path().string()) && fs::remove_all(entry.path(), wrong) > 0 && clean;
  }
  return clean || no(ERR_CANNOT_CLEAN_DIRECTORY);
}

long FileFindFirst(const string filter, string &found, int flags)
{
  std::string wanted = to_utf8(filter);
  std::replace(wanted.begin(), wanted.end(), '\\', '/');
  const std::size_t slash = wanted.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : wanted.substr(0, slash);
  const std::string inside = sandboxed(from_utf8(folder.empty() ? "x" : folder), is_common(flags));
  if (inside.empty())
    return INVALID_HANDLE;
  const fs::path place = folder.empty() ? fs::path(inside).parent_path() : fs::path(inside);
  search made;
  std::error_code wrong;
  for (const fs::directory_entry &entry : fs::directory_iterator(place, wrong))
    if (matches(entry.path().filename().string(), wanted.substr(slash == std::string::npos ? 0 : slash + 1)))
      made.names.push_back(entry.path().filename().string() + (entry.is_directory() ? "\\" : ""));
  std::sort(made.names.begin(), made.names.end());
  if (made.names.empty())
    return no(ERR_FILE_NOT_EXIST) - 1L;
  const long handle = g_next_search++;
  g_searches[handle] = made;
  FileFindNext(handle, found);
  return handle;
}

bool FileFindNext(long handle, string &found)
{
  const auto it = g_searches.find(handle);
  if (it == g_searches.end())
    return no(ERR_INVALID_PARAMETER);
  if (it->second.next >= it->second.names.size())
    return false;
  found = from_utf8(it->second.names[it->second.next++]);
  return true;
}

void FileFindClose(long handle)
{
  g_searches.erase(handle);
}

long FileGetInteger(int handle, ENUM_FILE_PROPERTY_INTEGER property)
{
  const open_file *file = file_of(handle);
  if (file == nullptr)
    return -1;
  switch (property)
  {
  case FILE_SIZE:
    return long(FileSize(handle));
  case FILE_POSITION:
    return long(FileTell(handle));
  case FILE_END:
    return FileIsEnding(handle);
  case FILE_LINE_END:
    return FileIsLineEnding(handle);
  case FILE_EXISTS:
    return fs::exists(file->path);
  case FILE_IS_COMMON:
    return file->is(FILE_COMMON);
  case FILE_IS_TEXT:
    return file->is(FILE_TXT);
  case FILE_IS_BINARY:
    return file->is(FILE_BIN);
  case FILE_IS_CSV:
    return file->is(FILE_CSV);
  case FILE_IS_ANSI:
    return file->is(FILE_ANSI);
  case FILE_IS_READABLE:
    return file->is(FILE_READ);
  case FILE_IS_WRITABLE:
    return file->is(FILE_WRITE);
  default:
    set_error(ERR_INVALID_PARAMETER);
    return -1;
  }
}

long FileGetInteger(const string name, ENUM_FILE_PROPERTY_INTEGER property, bool common)
{
  const std::string path = sandboxed(name, common);
  std::error_code wrong;
  if (path.empty())
    return -1;
  if (property == FILE_EXISTS)
    return fs::is_regular_file(path);
  if (!fs::is_regular_file(path))
    return no(ERR_FILE_NOT_EXIST) - 1L;
  if (property == FILE_SIZE)
    return long(fs::file_size(path, wrong));
  if (property == FILE_MODIFY_DATE)
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::file_clock::to_sys(fs::last_write_time(path, wrong)).time_since_epoch()).count();
  return no(ERR_INVALID_PARAMETER) - 1L;
}
}
