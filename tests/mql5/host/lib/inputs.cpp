#include "../inputs.hpp"

#include <cstdlib>

#include "../constants.hpp"
#include "../convert.hpp"

namespace mql
{
string enum_to_string(const enum_names &names, long value)
{
  for (std::size_t at = 0; at < names.count; at++)
    if (names.begin[at].value == value)
      return from_utf8(names.begin[at].name);
  return from_utf8(std::string(names.type) + "::" + std::to_string(value));
}

bool enum_from_text(const enum_names &names, const std::string &text, long &value)
{
  for (std::size_t at = 0; at < names.count; at++)
    if (text == names.begin[at].name)
    {
      value = names.begin[at].value;
      return true;
    }
  return false;
}

namespace detail
{
bool input_given(const char *name, std::string &text)
{
  const char *value = std::getenv((std::string("MQL_INPUT_") + name).c_str());
  if (value != nullptr)
    text = value;
  return value != nullptr;
}

void input_wrong(const char *name, const std::string &text)
{
  critical(std::string("the input ") + name + " can't be \"" + text + "\"");
}

long input_whole(const char *name, const std::string &text)
{
  char *end = nullptr;
  const bool beyond_long = text[0] != '-' && text.size() > 18;
  const long value = beyond_long ? long(std::strtoull(text.c_str(), &end, 10)) : std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0')
    input_wrong(name, text);
  return value;
}

double input_real(const char *name, const std::string &text)
{
  char *end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0')
    input_wrong(name, text);
  return value;
}

bool input_truth(const char *name, const std::string &text)
{
  if (text == "true" || text == "1")
    return true;
  if (text != "false" && text != "0")
    input_wrong(name, text);
  return false;
}

datetime input_time(const char *name, const std::string &text)
{
  if (text.find('.') == std::string::npos)
    return input_whole(name, text);
  const datetime time = StringToTime(from_utf8(text));
  if (time == 0)
    input_wrong(name, text);
  return time;
}

color input_colour(const char *name, const std::string &text)
{
  if (text.compare(0, 3, "clr") == 0 || text.find(',') != std::string::npos)
    return StringToColor(from_utf8(text));
  return uint(input_whole(name, text));
}

long input_enum(const char *name, const std::string &text, const enum_names &names)
{
  long value = 0;
  return enum_from_text(names, text, value) ? value : input_whole(name, text);
}
}
}
