// The open files of a program.
#pragma once

#include <cstdio>
#include <string>

#include "../files.hpp"

namespace mql
{
struct open_file
{
  std::FILE *stream = nullptr;
  std::string path;
  int flags = 0;
  char16_t delimiter = u'\t';
  uint codepage = CP_ACP;
  char last = '\0'; // what was done last: a stream needs a seek between 'r' and 'w'
  bool line_ended = false;

  bool is(int flag) const
  {
    return (flags & flag) != 0;
  }
  bool is_binary() const
  {
    return is(FILE_BIN);
  }
  bool is_unicode() const
  {
    return !is(FILE_ANSI);
  }
};

// The file of a handle; null, with the error set, for one that is none, or not open for that.
open_file *file_of(int handle);
open_file *file_to_read(int handle);
open_file *file_to_write(int handle);
std::size_t file_read(open_file &file, void *to, std::size_t count);
std::size_t file_write(open_file &file, const void *from, std::size_t count);
bool is_open_anywhere(const std::string &path);
}
