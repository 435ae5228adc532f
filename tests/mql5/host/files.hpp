// Files of the sandbox: <data folder>/MQL5/Files, and <common folder>/Files with FILE_COMMON. Other places are refused.
#pragma once

#include <string>

#include "arrays.hpp"
#include "constants.hpp"
#include "convert.hpp"
#include "format.hpp"
#include "text.hpp"

// Macros of C with the numbers that MQL5 has under these names.
#undef SEEK_SET
#undef SEEK_CUR
#undef SEEK_END

namespace mql
{
enum FileFlags
{
  FILE_READ = 1,
  FILE_WRITE = 2,
  FILE_BIN = 4,
  FILE_CSV = 8,
  FILE_TXT = 16,
  FILE_ANSI = 32,
  FILE_UNICODE = 64,
  FILE_SHARE_READ = 128,
  FILE_SHARE_WRITE = 256,
  FILE_REWRITE = 512,
  FILE_COMMON = 4096,
};

enum ENUM_FILE_POSITION
{
  SEEK_SET = 0,
  SEEK_CUR = 1,
  SEEK_END = 2,
};

enum ENUM_FILE_PROPERTY_INTEGER
{
  FILE_EXISTS = 0,
  FILE_CREATE_DATE = 1,
  FILE_MODIFY_DATE = 2,
  FILE_ACCESS_DATE = 3,
  FILE_SIZE = 4,
  FILE_POSITION = 5,
  FILE_END = 6,
  FILE_LINE_END = 7,
  FILE_IS_COMMON = 8,
  FILE_IS_TEXT = 9,
  FILE_IS_BINARY = 10,
  FILE_IS_CSV = 11,
  FILE_IS_ANSI = 12,
  FILE_IS_READABLE = 13,
  FILE_IS_WRITABLE = 14,
};

enum FileSizes
{
  CHAR_VALUE = 1,
  SHORT_VALUE = 2,
  INT_VALUE = 4,
};

int FileOpen(const string name, int flags, short delimiter = '\t', uint codepage = CP_ACP);
void FileClose(int file);
void FileFlush(int file);
bool FileSeek(int file, long offset, ENUM_FILE_POSITION origin);
ulong FileTell(int file);
ulong FileSize(int file);
bool FileIsEnding(int file);
bool FileIsLineEnding(int file);
long FileGetInteger(int file, ENUM_FILE_PROPERTY_INTEGER property);
long FileGetInteger(const string name, ENUM_FILE_PROPERTY_INTEGER property, bool common = false);

bool FileIsExist(const string name, int flags = 0);
bool FileDelete(const string name, int flags = 0);
bool FileCopy(const string from, int from_flags, const string to, int flags);
bool FileMove(const string from, int from_flags, const string to, int flags);
bool FolderCreate(const string name, int flags = 0);
bool FolderDelete(const string name, int flags = 0);
bool FolderClean(const string name, int flags = 0);
long FileFindFirst(const string filter, string &found, int flags = 0);
bool FileFindNext(long search, string &found);
void FileFindClose(long search);

string FileReadString(int file, int length = -1);
uint FileWriteString(int file, const string text, int length = -1);
int FileReadInteger(int file, int size = INT_VALUE);
long FileReadLong(int file);
double FileReadDouble(int file);
float FileReadFloat(int file);
// Of CSV files.
bool FileReadBool(int file);
double FileReadNumber(int file);
datetime FileReadDatetime(int file);
uint FileWriteInteger(int file, int value, int size = INT_VALUE);
uint FileWriteLong(int file, long value);
uint FileWriteDouble(int file, double value);
uint FileWriteFloat(int file, float value);

namespace detail
{
// Bytes of a binary file; how many there were. `open_for` notes an error where the file is no binary one.
bool binary(int file, bool to_write);
std::size_t read_bytes(int file, void *to, std::size_t count);
std::size_t write_bytes(int file, const void *from, std::size_t count);
std::size_t bytes_left(int file);
bool text(int file, bool to_write);
uint write_line(int file, const string *fields, std::size_t count);
string file_field(double value);
string file_field(float value);

template <class T>
string file_field(const T &value)
{
  return shown(value);
}
}

template <class... A>
uint FileWrite(int file, const A &...values)
{
  const string fields[] = {detail::file_field(values)...};
  return detail::write_line(file, fields, sizeof...(values));
}

template <writable A>
uint FileReadArray(int file, A &&to, int start = 0, int count = WHOLE_ARRAY)
{
  using item = item_of<A>;
  static_assert(std::is_trivially_copyable_v<item>, "FileReadArray: arrays of numbers and of simple structures");
  if (!detail::binary(file, false) || start < 0)
    return 0;
  long wanted = long(detail::bytes_left(file) / sizeof(item));
  if (count >= 0 && count < wanted)
    wanted = count;
  if (to.size() < start + wanted && !to.resize(start + wanted))
    wanted = to.size() > start ? to.size() - start : 0;
  return uint(detail::read_bytes(file, to.data() + start, std::size_t(wanted) * sizeof(item)) / sizeof(item));
}

template <readable A>
uint FileWriteArray(int file, const A &from, int start = 0, int count = WHOLE_ARRAY)
{
  using item = item_of<A>;
  static_assert(std::is_trivially_copyable_v<item>, "FileWriteArray: arrays of numbers and of simple structures");
  if (!detail::binary(file, true) || start < 0 || start > from.size())
    return 0;
  const long wanted = count < 0 || count > from.size() - start ? from.size() - start : count;
  return uint(detail::write_bytes(file, from.data() + start, std::size_t(wanted) * sizeof(item)) / sizeof(item));
}

template <class S>
  requires std::is_trivially_copyable_v<S>
uint FileReadStruct(int file, S &to, int size = -1)
{
  const std::size_t wanted = size < 0 || std::size_t(size) > sizeof(S) ? sizeof(S) : std::size_t(size);
  return detail::binary(file, false) ? uint(detail::read_bytes(file, &to, wanted)) : 0;
}

template <class S>
  requires std::is_trivially_copyable_v<S>
uint FileWriteStruct(int file, const S &from, int size = -1)
{
  const std::size_t wanted = size < 0 || std::size_t(size) > sizeof(S) ? sizeof(S) : std::size_t(size);
  return detail::binary(file, true) ? uint(detail::write_bytes(file, &from, wanted)) : 0;
}

template <writable A>
long FileLoad(const string name, A &&to, int flags = 0)
{
  const int file = FileOpen(name, FILE_READ | FILE_BIN | FILE_SHARE_READ | (flags & FILE_COMMON));
  if (file == INVALID_HANDLE)
    return -1;
  const long count = FileReadArray(file, to);
  FileClose(file);
  return count;
}

template <readable A>
bool FileSave(const string name, const A &from, int flags = 0)
{
  const int file = FileOpen(name, FILE_WRITE | FILE_BIN | (flags & FILE_COMMON));
  if (file == INVALID_HANDLE)
    return false;
  const bool whole = FileWriteArray(file, from) == uint(from.size());
  FileClose(file);
  return whole;
}
}
