// MQL5 for a C++ compiler: what a translated program includes. What belongs to a terminal comes last, if it is there.
#pragma once

#include "types.hpp"
// (types first: everything else is made of them)
#include "array_functions.hpp"
#include "arrays.hpp"
#include "colours.hpp"
#include "constants.hpp"
#include "convert.hpp"
#include "enums.hpp"
#include "events.hpp"
#include "files.hpp"
#include "format.hpp"
#include "globals.hpp"
#include "inputs.hpp"
#include "maths.hpp"
#include "pointers.hpp"
#include "runtime.hpp"
#include "sockets.hpp"
#include "structs.hpp"
#include "text.hpp"
#include "texts.hpp"
#include "times.hpp"
#include "web.hpp"

#if __has_include("terminal/terminal.hpp")
#include "terminal/terminal.hpp"
#endif
