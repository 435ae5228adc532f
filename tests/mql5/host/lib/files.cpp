#include "../files.hpp"

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "file_table.hpp"
#include "sandbox.hpp"

namespace mql
{
namespace
{
constexpr std::size_t kMostFiles = 64;
constexpr int kKinds = FILE_BIN | FILE_TXT | FILE_CSV;

std::map<int, open_file> g_files;
int g_next = 1;

// Two handles of one file go together if each lets the other do what it is opened for.
bool goes_with(const open_file &one, int flags)
{
  const bool read = (flags & FILE_READ) == 0 || one.is(FILE_SHARE_READ);
  const bool write = (flags & FILE_WRITE) == 0 || one.is(FILE_SHARE_WRITE);
  return read && write;
}

bool may_open(const std::string &path, int flags)
{
  for (const auto &[handle, one] : g_files)
  {
    open_file asked;
    asked.flags = flags;
    if (one.path == path && !(goes_with(one, flags) && goes_with(asked, one.flags)))
      return false;
  }
  return true;
}

std::FILE *opened(const std::string &path, int flags)
{
  const bool write = (flags & FILE_WRITE) != 0;
  if (!write)
    return std::fopen(path.c_str(), "rb");
  make_folders_of(path);
  std::FILE *there = std::fopen(path.c_str(), "r+b");
  return there != nullptr ? there : std::fopen(path.c_str(), "w+b");
}

// Other programs are kept out by a lock: whole, or shared with those that share too.
bool locked(std::FILE *stream, int flags)
{
  const bool shares = (flags & (FILE_SHARE_READ | FILE_SHARE_WRITE)) != 0;
  return ::flock(fileno(stream), (shares ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0;
}

int failed(int code)
{
  set_error(code);
  return INVALID_HANDLE;
}

void begin_unicode(open_file &file)
{
  static constexpr uchar kMark[] = {0xFF, 0xFE};
  if (file.is_binary() || !file.is_unicode())
    return;
  uchar found[2] = {};
  if (std::fread(found, 1, 2, file.stream) == 2 && found[0] == kMark[0] && found[1] == kMark[1])
    return;
  std::rewind(file.stream);
  std::fseek(file.stream, 0, SEEK_END);
  if (std::ftell(file.stream) == 0 && file.is(FILE_WRITE))
    std::fwrite(kMark, 1, 2, file.stream);
  else
    std::rewind(file.stream);
  file.last = 'w';
}
}

open_file *file_of(int handle)
{
  const auto found = g_files.find(handle);
  if (found != g_files.end())
    return &found->second;
  set_error(handle < 0 ? ERR_INVALID_FILEHANDLE : ERR_WRONG_FILEHANDLE);
  return nullptr;
}

open_file *file_to_read(int handle)
{
  open_file *file = file_of(handle);
  if (file != nullptr && !file->is(FILE_READ))
  {
    set_error(ERR_FILE_NOTTOREAD);
    return nullptr;
  }
  return file;
}

open_file *file_to_write(int handle)
{
  open_file *file = file_of(handle);
  if (file != nullptr && !file->is(FILE_WRITE))
  {
    set_error(ERR_FILE_NOTTOWRITE);
    return nullptr;
  }
  return file;
}

std::size_t file_read(open_file &file, void *to, std::size_t count)
{
  if (file.last == 'w')
    std::fseek(file.stream, 0, SEEK_CUR);
  file.last = 'r';
  return std::fread(to, 1, count, file.stream);
}

std::size_t file_write(open_file &file, const void *from, std::size_t count)
{
  if (file.last == 'r')
    std::fseek(file.stream, 0, SEEK_CUR);
  file.last = 'w';
  const std::size_t written = std::fwrite(from, 1, count, file.stream);
  if (written < count)
    set_error(ERR_FILE_WRITEERROR);
  return written;
}

bool is_open_anywhere(const std::string &path)
{
  return std::any_of(g_files.begin(), g_files.end(), [&](const auto &each) { return each.second.path == path; });
}

int FileOpen(const string name, int flags, short delimiter, uint codepage)
{
  const std::string path = sandboxed(name, (flags & FILE_COMMON) != 0);
  if (path.empty())
    return INVALID_HANDLE;
  if ((flags & (FILE_READ | FILE_WRITE)) == 0)
    return failed(ERR_INVALID_PARAMETER);
  if ((flags & kKinds) == 0)
    flags |= FILE_CSV;
  if (g_files.size() >= kMostFiles)
    return failed(ERR_TOO_MANY_FILES);
  struct stat about{};
  const bool there = ::stat(path.c_str(), &about) == 0;
  if (there && S_ISDIR(about.st_mode))
    return failed(ERR_FILE_IS_DIRECTORY);
  if (!may_open(path, flags))
    return failed(ERR_CANNOT_OPEN_FILE);
  open_file file;
  file.stream = opened(path, flags);
  if (file.stream == nullptr)
    return failed(there || (flags & FILE_WRITE) != 0 ? ERR_CANNOT_OPEN_FILE : ERR_FILE_NOT_EXIST);
  if (!locked(file.stream, flags))
  {
    std::fclose(file.stream);
    return failed(ERR_CANNOT_OPEN_FILE);
  }
  // Emptied only now, when nobody else has it.
  if ((flags & FILE_READ) == 0 && ::ftruncate(fileno(file.stream), 0) != 0)
    set_error(ERR_FILE_WRITEERROR);
  file.path = path;
  file.flags = flags;
  file.delimiter = char16_t(ushort(delimiter));
  file.codepage = codepage;
  begin_unicode(file);
  g_files[g_next] = file;
  return g_next++;
}

void FileClose(int handle)
{
  open_file *file = file_of(handle);
  if (file == nullptr)
    return;
  std::fclose(file->stream);
  g_files.erase(handle);
}

void FileFlush(int handle)
{
  open_file *file = file_of(handle);
  if (file != nullptr)
    std::fflush(file->stream);
}

bool FileSeek(int handle, long offset, ENUM_FILE_POSITION origin)
{
  open_file *file = file_of(handle);
  if (file == nullptr || origin < 0 || origin > 2)
    return false;
  file->last = '\0';
  file->line_ended = false;
  return std::fseek(file->stream, offset, int(origin)) == 0;
}

ulong FileTell(int handle)
{
  const open_file *file = file_of(handle);
  return file == nullptr ? 0 : ulong(std::ftell(file->stream));
}

ulong FileSize(int handle)
{
  const open_file *file = file_of(handle);
  struct stat about{};
  if (file == nullptr)
    return 0;
  std::fflush(file->stream);
  return ::fstat(fileno(file->stream), &about) == 0 ? ulong(about.st_size) : 0;
}

bool FileIsEnding(int handle)
{
  const open_file *file = file_of(handle);
  return file == nullptr || FileTell(handle) >= FileSize(handle);
}

bool FileIsLineEnding(int handle)
{
  const open_file *file = file_of(handle);
  return file != nullptr && (file->line_ended || FileIsEnding(handle));
}

namespace detail
{
bool binary(int handle, bool to_write)
{
  const open_file *file = to_write ? file_to_write(handle) : file_to_read(handle);
  if (file != nullptr && !file->is_binary())
  {
    set_error(ERR_FILE_NOTBIN);
    return false;
  }
  return file != nullptr;
}

bool text(int handle, bool to_write)
{
  const open_file *file = to_write ? file_to_write(handle) : file_to_read(handle);
  if (file != nullptr && file->is_binary())
  {
    set_error(ERR_FILE_NOTTXTORCSV);
    return false;
  }
  return file != nullptr;
}

std::size_t read_bytes(int handle, void *to, std::size_t count)
{
  return file_read(*file_of(handle), to, count);
}

std::size_t write_bytes(int handle, const void *from, std::size_t count)
{
  return file_write(*file_of(handle), from, count);
}

std::size_t bytes_left(int handle)
{
  const ulong size = FileSize(handle);
  const ulong at = FileTell(handle);
  return at < size ? size - at : 0;
}
}
}
