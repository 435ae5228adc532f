#include "row.hpp"

#include "json.hpp"

namespace mql::terminal
{
namespace
{
const nlohmann::json *found(const std::shared_ptr<const Json> &json, const char *field)
{
  if (!json || !json->value.is_object())
    return nullptr;
  const auto at = json->value.find(field);
  return at == json->value.end() ? nullptr : &*at;
}

// Numbers and truth values alike.
template <class T> T value_of(const nlohmann::json *json)
{
  if (json == nullptr)
    return T(0);
  if (json->is_boolean())
    return T(json->get<bool>());
  return json->is_number() ? json->get<T>() : T(0);
}
}

Row::Row() = default;

Row::Row(std::shared_ptr<const Json> json) : json_(std::move(json))
{
}

bool Row::has(const char *field) const
{
  const auto *json = found(json_, field);
  return json != nullptr && !json->is_null();
}

std::int64_t Row::integer(const char *field) const
{
  return value_of<std::int64_t>(found(json_, field));
}

std::uint64_t Row::whole(const char *field) const
{
  return value_of<std::uint64_t>(found(json_, field));
}

double Row::number(const char *field) const
{
  return value_of<double>(found(json_, field));
}

std::string Row::text(const char *field) const
{
  const auto *json = found(json_, field);
  return json != nullptr && json->is_string() ? json->get<std::string>() : std::string();
}

Row Row::row(const char *field) const
{
  const auto *json = found(json_, field);
  return json == nullptr ? Row() : Row(std::make_shared<Json>(Json{*json}));
}

Rows Row::rows(const char *field) const
{
  Rows made;
  const auto *json = found(json_, field);
  if (json != nullptr && json->is_array())
    for (const auto &each : *json)
      made.emplace_back(std::make_shared<Json>(Json{each}));
  return made;
}

Arguments::Arguments() : json_(std::make_unique<Json>(Json{nlohmann::json::object()}))
{
}

Arguments::~Arguments() = default;
Arguments::Arguments(Arguments &&) noexcept = default;

Arguments::Arguments(const Arguments &other) : json_(std::make_unique<Json>(*other.json_))
{
}

Arguments &Arguments::flag(const char *name, bool value)
{
  json_->value[name] = value;
  return *this;
}

Arguments &Arguments::integer(const char *name, std::int64_t value)
{
  json_->value[name] = value;
  return *this;
}

Arguments &Arguments::whole(const char *name, std::uint64_t value)
{
  json_->value[name] = value;
  return *this;
}

Arguments &Arguments::number(const char *name, double value)
{
  json_->value[name] = value;
  return *this;
}

Arguments &Arguments::text(const char *name, const std::string &value)
{
  json_->value[name] = value;
  return *this;
}

Arguments &Arguments::arguments(const char *name, const Arguments &value)
{
  json_->value[name] = value.json().value;
  return *this;
}

const Json &Arguments::json() const
{
  return *json_;
}
}
