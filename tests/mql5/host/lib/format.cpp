#include "../format.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../constants.hpp"
#include "../maths.hpp"

namespace mql
{
namespace
{
constexpr long kMostPlaces = 100000;

// One conversion: %[flags][width][.precision][size]type
struct conversion
{
  std::string flags;
  int width = -1;
  int precision = -1;
  bool wide = false;
  char type = '\0';
};

class formatter
{
public:
  formatter(const string &format, const argument *arguments, std::size_t count) : format_(to_utf8(format)), arguments_(arguments), count_(count)
  {
  }

  std::string all()
  {
    while (at_ < format_.size())
      step();
    if (next_ < count_)
      fail("has " + std::to_string(count_) + " arguments, and " + std::to_string(next_) + " places");
    return made_;
  }

private:
  [[noreturn]] void fail(const std::string &why)
  {
    critical("the format \"" + format_ + "\" " + why);
  }

  void step()
  {
    const char letter = format_[at_++];
    if (letter != '%')
      made_ += letter;
    else if (format_[at_] == '%')
    {
      made_ += '%';
      at_++;
    }
    else
      put(read());
  }

  const argument &take()
  {
    if (next_ >= count_)
      fail("has more places than arguments (" + std::to_string(count_) + ")");
    return arguments_[next_++];
  }

  int places()
  {
    if (format_[at_] == '*')
    {
      at_++;
      const argument &given = take();
      if (given.what != argument::Small)
        fail("needs an int for *");
      return int(given.whole);
    }
    long value = 0;
    while (format_[at_] >= '0' && format_[at_] <= '9' && value <= kMostPlaces)
      value = value * 10 + (format_[at_++] - '0');
    if (value > kMostPlaces)
      fail("has a width or a precision that nobody means");
    return int(value);
  }

  bool skip(const char *word)
  {
    if (format_.compare(at_, std::strlen(word), word) != 0)
      return false;
    at_ += std::strlen(word);
    return true;
  }

  conversion read()
  {
    conversion found;
    while (format_[at_] != '\0' && std::strchr("-+ #0", format_[at_]) != nullptr)
      found.flags += format_[at_++];
    if (format_[at_] == '*' || (format_[at_] >= '1' && format_[at_] <= '9'))
      found.width = places();
    if (found.width < -1)
    {
      found.flags += '-';
      found.width = -found.width;
    }
    if (format_[at_] == '.')
    {
      at_++;
      found.precision = places();
    }
    if (skip("I64") || skip("ll"))
      found.wide = true;
    else if (!skip("I32") && !skip("h") && skip("l"))
      fail("has %l, which has 32 bits or 64: write I64, or nothing");
    found.type = format_[at_++];
    return found;
  }

  void put(const conversion &one)
  {
    const argument &given = take();
    if (one.type != '\0' && std::strchr("diouxXcC", one.type) != nullptr)
      put_whole(one, given);
    else if (one.type != '\0' && std::strchr("eEfgGaA", one.type) != nullptr)
      put_real(one, given);
    else if (one.type == 's' || one.type == 'S')
      put_text(one, given);
    else
      fail(std::string("has a conversion that MQL5 does not know: %") + one.type);
  }

  void needs(const conversion &one, const char *what, const argument &given)
  {
    fail(std::string("has %") + (one.wide ? "I64" : "") + one.type + ", which needs " + what + ", and argument " + std::to_string(next_) + " is " + given.type);
  }

  void put_whole(const conversion &one, const argument &given)
  {
    if (one.wide && given.what != argument::Wide)
      needs(one, "a long or ulong", given);
    if (!one.wide && given.what != argument::Small)
      needs(one, "an integer of 32 bits", given);
    if (one.type == 'c' || one.type == 'C')
    {
      made_ += to_utf8(std::u16string(1, char16_t(given.whole)));
      return;
    }
    long value = given.whole;
    // As the stack of a call would have it: 32 bits, read with or without a sign.
    if (!one.wide)
      value = one.type == 'd' || one.type == 'i' ? long(int(value)) : long(uint(value));
    put_printed(one, "l", value);
  }

  void put_real(const conversion &one, const argument &given)
  {
    if (given.what != argument::Real)
      needs(one, "a double", given);
    put_printed(one, "", given.real);
  }

  template <class T>
  void put_printed(const conversion &one, const char *size, T value)
  {
    std::string format = "%" + one.flags;
    if (one.width >= 0)
      format += std::to_string(one.width);
    if (one.precision >= 0)
      format += "." + std::to_string(one.precision);
    format += size;
    format += one.type;
    const int length = std::snprintf(nullptr, 0, format.c_str(), value);
    std::string text(std::size_t(length) + 1, '\0');
    std::snprintf(text.data(), text.size(), format.c_str(), value);
    made_.append(text, 0, std::size_t(length));
  }

  void put_text(const conversion &one, const argument &given)
  {
    if (given.what != argument::Text)
      needs(one, "a string", given);
    std::u16string letters = given.text.letters();
    if (one.precision >= 0 && letters.size() > std::size_t(one.precision))
      letters.resize(std::size_t(one.precision));
    const std::size_t missing = one.width > int(letters.size()) ? std::size_t(one.width) - letters.size() : 0;
    const bool left = one.flags.find('-') != std::string::npos;
    made_ += std::string(left ? 0 : missing, ' ') + to_utf8(letters) + std::string(left ? missing : 0, ' ');
  }

  std::string format_;
  const argument *arguments_;
  std::size_t count_;
  std::size_t next_ = 0;
  std::size_t at_ = 0;
  std::string made_;
};

unsigned long g_random = 1;
}

string formatted(const string &format, const argument *arguments, std::size_t count)
{
  return from_utf8(formatter(format, arguments, count).all());
}

void print_line(const string &line)
{
  std::printf("%s\n", to_utf8(line).c_str());
  std::fflush(stdout);
}

void alert_line(const string &line)
{
  std::printf("Alert: %s\n", to_utf8(line).c_str());
  std::fflush(stdout);
}

int MathRand()
{
  g_random = g_random * 6364136223846793005UL + 1442695040888963407UL;
  return int(g_random >> 49);
}

void MathSrand(int seed)
{
  g_random = ulong(uint(seed));
  MathRand();
}
}
