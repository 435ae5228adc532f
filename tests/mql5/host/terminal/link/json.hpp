// The JSON behind rows and arguments. For the library's own sources: it takes long to compile.
#pragma once

#include <nlohmann/json.hpp>

namespace mql::terminal
{
struct Json
{
  nlohmann::json value;
};
}
