// What files hold: texts and numbers.
#include <cmath>

#include "file_table.hpp"

namespace mql
{
namespace
{
constexpr int kEnd = -1;

// One letter of a text file, kEnd behind the last.
int next_letter(open_file &file)
{
  uchar bytes[2] = {};
  if (!file.is_unicode())
    return file_read(file, bytes, 1) == 1 ? bytes[0] : kEnd;
  return file_read(file, bytes, 2) == 2 ? bytes[0] | bytes[1] << 8 : kEnd;
}

void back(open_file &file)
{
  std::fseek(file.stream, file.is_unicode() ? -2 : -1, SEEK_CUR);
}

// Letters up to the end of the line, or of the field in a CSV file.
string field(open_file &file)
{
  std::u16string letters;
  std::string bytes;
  file.line_ended = false;
  for (int letter = next_letter(file); letter != kEnd; letter = next_letter(file))
  {
    if (file.is(FILE_CSV) && char16_t(letter) == file.delimiter)
      break;
    if (letter == '\r' || letter == '\n')
    {
      if (letter == '\r' && next_letter(file) != '\n')
        back(file);
      file.line_ended = true;
      break;
    }
    if (file.is_unicode())
      letters += char16_t(letter);
    else
      bytes += char(letter);
  }
  return file.is_unicode() ? string(std::move(letters)) : from_codepage(bytes, file.codepage);
}

std::string encoded(const open_file &file, const string &text)
{
  if (!file.is_unicode())
    return to_codepage(text, file.codepage);
  const std::u16string &letters = text.letters();
  return std::string(reinterpret_cast<const char *>(letters.data()), letters.size() * 2);
}

template <class T>
T read_value(int handle)
{
  T value = 0;
  if (detail::binary(handle, false) && detail::read_bytes(handle, &value, sizeof value) != sizeof value)
  {
    set_error(ERR_FILE_READERROR);
    return 0;
  }
  return value;
}

template <class T>
uint write_value(int handle, T value)
{
  return detail::binary(handle, true) ? uint(detail::write_bytes(handle, &value, sizeof value)) : 0;
}
}

string FileReadString(int handle, int length)
{
  open_file *file = file_to_read(handle);
  if (file == nullptr)
    return u"";
  if (!file->is_binary())
    return field(*file);
  if (length < 0)
  {
    set_error(ERR_FILE_BINSTRINGSIZE);
    return u"";
  }
  std::string bytes(std::size_t(length) * (file->is_unicode() ? 2 : 1), '\0');
  bytes.resize(file_read(*file, bytes.data(), bytes.size()));
  if (!file->is_unicode())
    return from_codepage(bytes, file->codepage);
  return string(std::u16string(reinterpret_cast<const char16_t *>(bytes.data()), bytes.size() / 2));
}

uint FileWriteString(int handle, const string text, int length)
{
  open_file *file = file_to_write(handle);
  if (file == nullptr)
    return 0;
  string part = text;
  if (length >= 0)
    part.own().resize(std::size_t(length));
  const std::string bytes = encoded(*file, part);
  return uint(file_write(*file, bytes.data(), bytes.size()));
}

int FileReadInteger(int handle, int size)
{
  if (size == CHAR_VALUE)
    return read_value<char>(handle);
  return size == SHORT_VALUE ? read_value<short>(handle) : read_value<int>(handle);
}

long FileReadLong(int handle)
{
  return read_value<long>(handle);
}

double FileReadDouble(int handle)
{
  return read_value<double>(handle);
}

float FileReadFloat(int handle)
{
  return read_value<float>(handle);
}

uint FileWriteInteger(int handle, int value, int size)
{
  if (size == CHAR_VALUE)
    return write_value(handle, char(value));
  return size == SHORT_VALUE ? write_value(handle, short(value)) : write_value(handle, value);
}

uint FileWriteLong(int handle, long value)
{
  return write_value(handle, value);
}

uint FileWriteDouble(int handle, double value)
{
  return write_value(handle, value);
}

uint FileWriteFloat(int handle, float value)
{
  return write_value(handle, value);
}

bool FileReadBool(int handle)
{
  string text = FileReadString(handle);
  return StringToInteger(text) != 0 || to_utf8(text) == "true" || to_utf8(text) == "TRUE";
}

double FileReadNumber(int handle)
{
  return StringToDouble(FileReadString(handle));
}

datetime FileReadDatetime(int handle)
{
  return StringToTime(FileReadString(handle));
}

namespace detail
{
string file_field(double value)
{
  return printed_number(value, 16);
}

string file_field(float value)
{
  return printed_number(double(value), 6);
}

uint write_line(int handle, const string *fields, std::size_t count)
{
  if (!text(handle, true))
    return 0;
  open_file &file = *file_of(handle);
  string line(u"");
  for (std::size_t at = 0; at < count; at++)
  {
    if (at > 0 && file.is(FILE_CSV))
      line += string(std::u16string(1, file.delimiter));
    line += fields[at];
  }
  line += u"\r\n";
  const std::string bytes = encoded(file, line);
  return uint(file_write(file, bytes.data(), bytes.size()));
}
}
}
