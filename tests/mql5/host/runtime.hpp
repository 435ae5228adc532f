// What a program runs on: its end after a mistake, the last error, the settings that the environment gives.
#pragma once

#include <string>

#include "types.hpp"

namespace mql
{
// Ends the program as a terminal unloads one: nothing of it runs any more. Exit code 70.
[[noreturn]] void critical(const std::string &what);
[[noreturn]] void critical_at(const char *what, const char *file, int line);

inline int last_error = 0;
inline int user_error = 65536; // ERR_USER_ERROR_FIRST
#define _LastError (::mql::last_error)

inline void set_error(int code)
{
  last_error = code;
}

// Whether a switch is on: unset is `otherwise`, "" and "0" are off.
bool flag(const char *name, bool otherwise = false);
std::string setting(const char *name, const std::string &otherwise = "");

// The data folder of the terminal (MQL_FOLDER), and the one that all terminals share.
const std::string &data_folder();
const std::string &common_folder();

// Asked to end: by a signal or by ExpertRemove.
inline volatile int stop_flag = 0;
#define _StopFlag (::mql::stop_flag)
inline int uninit_reason = 0;
#define _UninitReason (::mql::uninit_reason)

inline int GetLastError()
{
  return last_error;
}
inline void ResetLastError()
{
  last_error = 0;
}
inline void SetUserError(ushort code)
{
  last_error = user_error + code;
}
inline bool IsStopped()
{
  return stop_flag != 0;
}
inline int UninitializeReason()
{
  return uninit_reason;
}
}
