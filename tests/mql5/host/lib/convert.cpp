#include "../convert.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "../colours.hpp"
#include "../times.hpp"

namespace mql
{
namespace
{
constexpr int kMostDigits = 16;

std::string printed(const char *format, int digits, double value)
{
  std::string text(400, '\0');
  const int size = std::snprintf(text.data(), text.size(), format, digits, value);
  text.resize(std::size_t(size));
  return text;
}

// The beginning of a text that is a decimal number: what strtod knows beyond that (hexadecimal, names) is none here.
std::string decimal(const string &text)
{
  std::string bytes = to_utf8(text);
  const std::size_t begin = bytes.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos)
    return "";
  const std::size_t end = bytes.find_first_not_of("+-0123456789.eE", begin);
  return bytes.substr(begin, end == std::string::npos ? end : end - begin);
}
}

string printed_number(double value, int digits)
{
  return from_utf8(printed("%.*g", digits, value));
}

string IntegerToString(long number, int length, ushort fill)
{
  std::u16string letters = string(number).letters();
  if (long(letters.size()) < length)
    letters.insert(0, std::size_t(length) - letters.size(), char16_t(fill));
  return string(std::move(letters));
}

string DoubleToString(double value, int digits)
{
  if (digits < 0)
    return from_utf8(printed("%.*e", digits < -kMostDigits ? kMostDigits : -digits, value));
  return from_utf8(printed("%.*f", digits > kMostDigits ? kMostDigits : digits, value));
}

string TimeToString(datetime time, int parts)
{
  MqlDateTime at;
  TimeToStruct(time, at);
  char text[40] = "";
  std::string all;
  if ((parts & TIME_DATE) != 0)
  {
    std::snprintf(text, sizeof text, "%04d.%02d.%02d", at.year, at.mon, at.day);
    all = text;
  }
  if ((parts & (TIME_MINUTES | TIME_SECONDS)) != 0)
  {
    std::snprintf(text, sizeof text, (parts & TIME_SECONDS) != 0 ? "%02d:%02d:%02d" : "%02d:%02d", at.hour, at.min, at.sec);
    all += (all.empty() ? "" : " ") + std::string(text);
  }
  return from_utf8(all);
}

string ColorToString(color value, bool by_name)
{
  if (by_name)
    for (const named_colour &one : kColours)
      if (one.value == value.value)
        return from_utf8(one.name);
  return from_utf8(std::to_string(value.value & 255) + "," + std::to_string((value.value >> 8) & 255) + "," + std::to_string((value.value >> 16) & 255));
}

string ShortToString(ushort code)
{
  return code == 0 ? string(u"") : string(std::u16string(1, char16_t(code)));
}

string CharToString(uchar code)
{
  return ShortToString(code);
}

long StringToInteger(const string &text)
{
  return std::strtol(decimal(text).c_str(), nullptr, 10);
}

double StringToDouble(const string &text)
{
  return std::strtod(decimal(text).c_str(), nullptr);
}

datetime StringToTime(const string &text)
{
  const std::string bytes = to_utf8(text);
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  int found = std::sscanf(bytes.c_str(), "%d.%d.%d %d:%d:%d", &year, &month, &day, &hour, &minute, &second);
  if (found < 3)
  {
    hour = minute = second = 0;
    found = std::sscanf(bytes.c_str(), "%4d%2d%2d %d:%d:%d", &year, &month, &day, &hour, &minute, &second);
  }
  if (found < 3)
  {
    MqlDateTime today;
    TimeToStruct(TimeLocal(), today);
    year = today.year, month = today.mon, day = today.day;
    hour = minute = second = 0;
    found = std::sscanf(bytes.c_str(), "%d:%d:%d", &hour, &minute, &second) >= 2 ? 3 : 0;
  }
  if (found < 3 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59)
  {
    set_error(ERR_WRONG_STRING_DATE);
    return 0;
  }
  MqlDateTime at{};
  at.year = year, at.mon = month, at.day = day, at.hour = hour, at.min = minute, at.sec = second;
  return StructToTime(at);
}

color StringToColor(const string &text)
{
  const std::string bytes = to_utf8(text);
  for (const named_colour &one : kColours)
    if (bytes == one.name)
      return one.value;
  uint red = 0, green = 0, blue = 0;
  if (std::sscanf(bytes.c_str(), "%u,%u,%u", &red, &green, &blue) == 3)
    return (red & 255) | (green & 255) << 8 | (blue & 255) << 16;
  return uint(StringToInteger(text));
}

uint ColorToARGB(color value, uchar alpha)
{
  return uint(alpha) << 24 | (value.value & 255) << 16 | (value.value & 0xFF00) | (value.value >> 16 & 255);
}

double NormalizeDouble(double value, int digits)
{
  const double power = std::pow(10.0, digits < 0 ? 0 : digits > 8 ? 8 : digits);
  return std::round(value * power) / power;
}
}
