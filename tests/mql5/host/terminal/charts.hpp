// The chart of a program. It is recorded: MQL_CHART_FILE gets what is on it whenever it is drawn.
#pragma once

#include "chart_symbol.hpp"
#include "enums/chart.hpp"
#include "enums/errors.hpp"
#include "enums/objects.hpp"
#include "link/board.hpp"

namespace mql
{
namespace terminal
{
constexpr long kChart = 1;

inline Board g_board;

// There is one chart, and 0 means it, too.
inline bool is_chart(long chart)
{
  return chart == 0 || chart == kChart || fail(ERR_CHART_NOT_FOUND);
}

inline const char *kind_name(int kind)
{
  for (const ObjectKind &each : OBJECT_KINDS)
    if (each.kind == kind)
      return each.name;
  return "";
}

inline void draw()
{
  const char *file = std::getenv("MQL_CHART_FILE");
  if (file != nullptr && *file != '\0')
    g_board.write(file, plain(chart_symbol()), kind_name);
}

// What a chart has without being told.
inline long usual(ENUM_CHART_PROPERTY_INTEGER property)
{
  switch (property)
  {
  case CHART_WIDTH_IN_PIXELS:
    return 1280;
  case CHART_HEIGHT_IN_PIXELS:
    return 720;
  case CHART_WIDTH_IN_BARS:
  case CHART_VISIBLE_BARS:
    return 160;
  case CHART_WINDOWS_TOTAL:
  case CHART_WINDOW_IS_VISIBLE:
  case CHART_AUTOSCROLL:
  case CHART_MODE:
    return 1;
  default:
    return 0;
  }
}
}

inline long ChartID()
{
  return terminal::kChart;
}

inline long ChartFirst()
{
  return terminal::kChart;
}

inline long ChartNext(long)
{
  return -1;
}

inline string ChartSymbol(long chart = 0)
{
  return terminal::is_chart(chart) ? _Symbol : string();
}

inline ENUM_TIMEFRAMES ChartPeriod(long chart = 0)
{
  return terminal::is_chart(chart) ? _Period : PERIOD_CURRENT;
}

inline void ChartRedraw(long chart = 0)
{
  if (terminal::is_chart(chart))
    terminal::draw();
}

inline bool ChartSetInteger(long chart, ENUM_CHART_PROPERTY_INTEGER property, long value)
{
  if (!terminal::is_chart(chart))
    return false;
  terminal::g_board.properties[property] = value;
  return true;
}

inline bool ChartSetInteger(long chart, ENUM_CHART_PROPERTY_INTEGER property, color value)
{
  return ChartSetInteger(chart, property, long(value));
}

inline bool ChartGetInteger(long chart, ENUM_CHART_PROPERTY_INTEGER property, int window, long &value)
{
  if (!terminal::is_chart(chart))
    return false;
  if (window != 0)
    return terminal::fail(ERR_CHART_WRONG_PARAMETER);
  const auto at = terminal::g_board.properties.find(property);
  value = at == terminal::g_board.properties.end() ? terminal::usual(property) : at->second;
  return true;
}

inline long ChartGetInteger(long chart, ENUM_CHART_PROPERTY_INTEGER property, int window = 0)
{
  long value = 0;
  ChartGetInteger(chart, property, window, value);
  return value;
}

// The text in the chart's corner; it is seen at once.
template <class... Values> void Comment(const Values &...values)
{
  terminal::g_board.comment = terminal::plain(detail::joined(values...));
  terminal::draw();
}
}
