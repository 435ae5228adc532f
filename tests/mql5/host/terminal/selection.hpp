// What a program has selected: a copy of one position, order or deal, as it was when it was selected.
#pragma once

#include "language.hpp"
#include "link/link.hpp"

namespace mql::terminal
{
class Selection
{
public:
  // `missing`: the error of a property that is asked for while nothing is selected.
  explicit Selection(int missing) : missing_(missing)
  {
  }

  bool select(const Row &row)
  {
    row_ = row;
    any_ = true;
    return true;
  }

  // Nothing is selected any more; false.
  bool clear()
  {
    any_ = false;
    return fail(missing_);
  }

  bool integer(const char *field, long &value) const
  {
    value = any_ ? long(row_.whole(field)) : 0;
    return any_ || fail(missing_);
  }

  bool number(const char *field, double &value) const
  {
    value = any_ ? row_.number(field) : 0.0;
    return any_ || fail(missing_);
  }

  bool text(const char *field, string &value) const
  {
    value = any_ ? shown(row_.text(field)) : string();
    return any_ || fail(missing_);
  }

private:
  int missing_;
  bool any_ = false;
  Row row_;
};

// The list that a program walks by index: as it was at the last count, or at the program's own last request.
class Walk
{
public:
  explicit Walk(const char *call) : call_(call)
  {
  }

  int count()
  {
    rows_ = list_of(terminal::call(call_));
    known_ = true;
    return int(rows_.size());
  }

  // The ticket at an index; 0: there is none.
  ulong ticket(int index)
  {
    if (!known_)
      count();
    return index < 0 || index >= int(rows_.size()) ? 0 : rows_[index].whole("ticket");
  }

  void forget()
  {
    known_ = false;
  }

private:
  const char *call_;
  bool known_ = false;
  Rows rows_;
};

// The one with a ticket, as it is now.
inline bool find(const char *call_name, ulong ticket, Row &row)
{
  if (ticket == 0)
    return false;
  const Rows rows = list_of(call(call_name, Arguments().whole("ticket", ticket)));
  if (rows.empty())
    return false;
  row = rows.front();
  return true;
}
}
