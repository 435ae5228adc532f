// What a program can ask of itself and of its terminal.
#pragma once

#include "enums/programs.hpp"
#include "language.hpp"
#include "link/link.hpp"
#include "program.hpp"

namespace mql
{
namespace terminal
{
// Without a terminal there is a program all the same: it is told of one that is not connected.
inline Row terminal_row()
{
  return is_there() ? call("terminal_info").result : Row();
}
}

inline long TerminalInfoInteger(ENUM_TERMINAL_INFO_INTEGER property)
{
  const auto row = terminal::terminal_row();
  switch (property)
  {
  case TERMINAL_BUILD:
    return row.integer("build");
  case TERMINAL_COMMUNITY_ACCOUNT:
    return row.integer("community_account");
  case TERMINAL_COMMUNITY_CONNECTION:
    return row.integer("community_connection");
  case TERMINAL_CONNECTED:
    return row.integer("connected");
  case TERMINAL_DLLS_ALLOWED:
    return row.integer("dlls_allowed");
  case TERMINAL_TRADE_ALLOWED:
    return row.integer("trade_allowed");
  case TERMINAL_EMAIL_ENABLED:
    return row.integer("email_enabled");
  case TERMINAL_FTP_ENABLED:
    return row.integer("ftp_enabled");
  case TERMINAL_NOTIFICATIONS_ENABLED:
    return row.integer("notifications_enabled");
  case TERMINAL_MAXBARS:
    return row.integer("maxbars");
  case TERMINAL_MQID:
    return row.integer("mqid");
  case TERMINAL_CODEPAGE:
    return row.integer("codepage");
  case TERMINAL_PING_LAST:
    return row.integer("ping_last");
  case TERMINAL_CPU_CORES:
    return ::sysconf(_SC_NPROCESSORS_ONLN);
  case TERMINAL_MEMORY_PHYSICAL:
  case TERMINAL_MEMORY_TOTAL:
    return (::sysconf(_SC_PHYS_PAGES) >> 10) * (::sysconf(_SC_PAGESIZE) >> 10);
  case TERMINAL_MEMORY_AVAILABLE:
    return (::sysconf(_SC_AVPHYS_PAGES) >> 10) * (::sysconf(_SC_PAGESIZE) >> 10);
  case TERMINAL_MEMORY_USED:
    return 0;
  case TERMINAL_X64:
    return sizeof(void *) == 8;
  case TERMINAL_SCREEN_DPI:
    return 96;
  }
  return 0;
}

inline double TerminalInfoDouble(ENUM_TERMINAL_INFO_DOUBLE property)
{
  const auto row = terminal::terminal_row();
  return row.number(property == TERMINAL_COMMUNITY_BALANCE ? "community_balance" : "retransmission");
}

inline string TerminalInfoString(ENUM_TERMINAL_INFO_STRING property)
{
  const auto row = terminal::terminal_row();
  switch (property)
  {
  case TERMINAL_LANGUAGE:
    return terminal::shown(row.text("language"));
  case TERMINAL_COMPANY:
    return terminal::shown(row.text("company"));
  case TERMINAL_NAME:
    return terminal::shown(row.text("name"));
  case TERMINAL_PATH:
    return terminal::shown(row.text("path"));
  case TERMINAL_DATA_PATH:
    return terminal::shown(data_folder());
  case TERMINAL_COMMONDATA_PATH:
    return terminal::shown(common_folder());
  case TERMINAL_CPU_NAME:
    return terminal::shown("this computer's");
  case TERMINAL_CPU_ARCHITECTURE:
    return terminal::shown(sizeof(void *) == 8 ? "X64" : "X86");
  case TERMINAL_OS_VERSION:
    return terminal::shown("a host of tests");
  }
  return string();
}

inline long MQLInfoInteger(ENUM_MQL_INFO_INTEGER property)
{
  switch (property)
  {
  case MQL_TRADE_ALLOWED:
    return terminal::may_trade();
  case MQL_TESTER:
    return terminal::is_in_tester();
  case MQL_PROGRAM_TYPE:
#ifdef MQL_HAS_OnStart
    return PROGRAM_SCRIPT;
#else
    return PROGRAM_EXPERT;
#endif
  case MQL_LICENSE_TYPE:
    return LICENSE_FREE;
  case MQL_MEMORY_LIMIT:
    return 1L << 24;
  default:
    return 0;
  }
}

inline string MQLInfoString(ENUM_MQL_INFO_STRING property)
{
#ifdef MQL_PROGRAM
  const std::string name = MQL_PROGRAM;
#else
  const std::string name = "program";
#endif
  return terminal::shown(property == MQL_PROGRAM_NAME ? name : name + ".ex5");
}
}
