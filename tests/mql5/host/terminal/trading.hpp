// Requests to trade.
#pragma once

#include "enums/errors.hpp"
#include "enums/retcodes.hpp"
#include "events.hpp"
#include "orders.hpp"
#include "positions.hpp"

namespace mql
{
namespace terminal
{
constexpr int kInvalidArguments = -2;
constexpr int kNotLoggedIn = -6;
constexpr int kNoIpc = -10004;

inline bool is_success(uint retcode)
{
  return retcode == TRADE_RETCODE_PLACED || retcode == TRADE_RETCODE_DONE || retcode == TRADE_RETCODE_DONE_PARTIAL;
}

// What the terminal itself says of a request without an answer: it was malformed, or nobody knows what became of it.
inline uint retcode_of(int code)
{
  switch (code)
  {
  case kInvalidArguments:
    return TRADE_RETCODE_INVALID;
  case kNotLoggedIn:
  case kNoIpc:
    return TRADE_RETCODE_CONNECTION;
  default:
    return TRADE_RETCODE_TIMEOUT;
  }
}

// The error that goes with a refusal; false.
inline bool refuse(uint retcode)
{
  const bool disabled = retcode == TRADE_RETCODE_CLIENT_DISABLES_AT || retcode == TRADE_RETCODE_SERVER_DISABLES_AT;
  return fail(disabled ? ERR_TRADE_DISABLED : ERR_TRADE_SEND_FAILED);
}

enum class Sent
{
  Done,
  Refused,
  // The terminal did not let it out.
  Kept,
  // Nobody knows what became of it.
  Unanswered,
};

inline Sent send(const MqlTradeRequest &request, MqlTradeResult &result)
{
  result = MqlTradeResult{};
  result.retcode = TRADE_RETCODE_CLIENT_DISABLES_AT;
  if (!may_trade())
    return Sent::Kept;
  begin_events();
  g_positions.forget();
  g_orders.forget();
  const auto arguments = Arguments().arguments("request", request_arguments(request)).text("program", program_id());
  const Answer answer = call("program_send", arguments);
  if (answer.good() && answer.result.has("result"))
  {
    result = result_of(answer.result.row("result"));
    if (is_success(result.retcode))
      return Sent::Done;
    const bool kept = result.retcode == TRADE_RETCODE_CLIENT_DISABLES_AT || result.retcode == TRADE_RETCODE_CONNECTION;
    return kept ? Sent::Kept : Sent::Refused;
  }
  result.request_id = uint(answer.result.integer("request_id"));
  result.retcode = retcode_of(answer.good() ? int(answer.result.integer("code")) : answer.code);
  return result.retcode == TRADE_RETCODE_TIMEOUT ? Sent::Unanswered : Sent::Kept;
}
}

inline bool OrderSend(const MqlTradeRequest &request, MqlTradeResult &result)
{
  return terminal::send(request, result) == terminal::Sent::Done || terminal::refuse(result.retcode);
}

// The answer comes by a transaction; what the terminal does not let out is said at once.
inline bool OrderSendAsync(const MqlTradeRequest &request, MqlTradeResult &result)
{
  if (terminal::send(request, result) == terminal::Sent::Kept)
    return terminal::refuse(result.retcode);
  const uint request_id = result.request_id;
  result = MqlTradeResult{};
  result.retcode = TRADE_RETCODE_PLACED;
  result.request_id = request_id;
  return true;
}

inline bool OrderCheck(const MqlTradeRequest &request, MqlTradeCheckResult &result)
{
  result = MqlTradeCheckResult{};
  const auto arguments = terminal::Arguments().arguments("request", terminal::request_arguments(request));
  const auto answer = terminal::call("order_check", arguments);
  if (!answer.good())
  {
    result.retcode = terminal::retcode_of(answer.code);
    return terminal::fail(ERR_TRADE_SEND_FAILED);
  }
  const auto &row = answer.result;
  result.retcode = uint(row.integer("retcode"));
  result.balance = row.number("balance");
  result.equity = row.number("equity");
  result.profit = row.number("profit");
  result.margin = row.number("margin");
  result.margin_free = row.number("margin_free");
  result.margin_level = row.number("margin_level");
  result.comment = terminal::shown(row.text("comment"));
  return result.retcode == 0 || terminal::fail(ERR_TRADE_SEND_FAILED);
}
}
