// The depth of market.
#pragma once

#include "chart_symbol.hpp"
#include "rows.hpp"

namespace mql
{
namespace terminal
{
inline Answer call_of_symbol(const char *what, const string &symbol)
{
  return call(what, Arguments().text("symbol", symbol_name(symbol)));
}
}

inline bool MarketBookAdd(const string &symbol)
{
  return terminal::call_of_symbol("market_book_add", symbol).good() || terminal::fail(ERR_BOOKS_CANNOT_ADD);
}

inline bool MarketBookRelease(const string &symbol)
{
  return terminal::call_of_symbol("market_book_release", symbol).good() || terminal::fail(ERR_BOOKS_CANNOT_DELETE);
}

inline bool MarketBookGet(const string &symbol, const view<MqlBookInfo> &book)
{
  const auto answer = terminal::call_of_symbol("market_book_get", symbol);
  if (!answer.good())
    return terminal::fail(ERR_BOOKS_CANNOT_GET);
  std::vector<MqlBookInfo> found;
  for (const auto &row : terminal::list_of(answer))
    found.push_back(
        {ENUM_BOOK_TYPE(row.integer("type")), row.number("price"), row.integer("volume"), row.number("volume_dbl")});
  terminal::fill(book, found);
  return true;
}
}
