// Where a program's files may be.
#pragma once

#include <string>

#include "../text.hpp"

namespace mql
{
// The path of a name within the sandbox; empty, with the error set, for one that would leave it.
std::string sandboxed(const string &name, bool common);
// Makes the folders above a path.
bool make_folders_of(const std::string &path);
}
