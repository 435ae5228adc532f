// A structure of the terminal, and the arguments of a call to it: names and values, without a JSON library in sight.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace mql::terminal
{
struct Json;

// One structure that the terminal sent. A copy is cheap and shows the same; what is not there is 0 or empty.
class Row
{
public:
  Row();
  explicit Row(std::shared_ptr<const Json> json);

  bool has(const char *field) const;
  std::int64_t integer(const char *field) const;
  std::uint64_t whole(const char *field) const;
  double number(const char *field) const;
  std::string text(const char *field) const;
  Row row(const char *field) const;
  std::vector<Row> rows(const char *field) const;

private:
  std::shared_ptr<const Json> json_;
};

using Rows = std::vector<Row>;

// What a call says, by name.
class Arguments
{
public:
  Arguments();
  ~Arguments();
  Arguments(const Arguments &other);
  Arguments(Arguments &&) noexcept;

  Arguments &flag(const char *name, bool value);
  Arguments &integer(const char *name, std::int64_t value);
  Arguments &whole(const char *name, std::uint64_t value);
  Arguments &number(const char *name, double value);
  Arguments &text(const char *name, const std::string &value);
  Arguments &arguments(const char *name, const Arguments &value);

  const Json &json() const;

private:
  std::unique_ptr<Json> json_;
};
}
