// The account.
#pragma once

#include "enums/account.hpp"
#include "enums/errors.hpp"
#include "language.hpp"
#include "link/link.hpp"

namespace mql
{
namespace terminal
{
inline Row account_row()
{
  const Answer answer = call("account_info");
  if (!answer.good())
    fail(ERR_ACCOUNT_WRONG_PROPERTY);
  return answer.result;
}
}

inline long AccountInfoInteger(ENUM_ACCOUNT_INFO_INTEGER property)
{
  const auto row = terminal::account_row();
  if (property == ACCOUNT_HEDGE_ALLOWED)
    return row.integer("margin_mode") == ACCOUNT_MARGIN_MODE_RETAIL_HEDGING;
  return row.integer(ACCOUNT_INTEGER_FIELDS[property]);
}

inline double AccountInfoDouble(ENUM_ACCOUNT_INFO_DOUBLE property)
{
  return terminal::account_row().number(ACCOUNT_DOUBLE_FIELDS[property]);
}

inline string AccountInfoString(ENUM_ACCOUNT_INFO_STRING property)
{
  return terminal::shown(terminal::account_row().text(ACCOUNT_STRING_FIELDS[property]));
}
}
