#include "averages.hpp"

#include <algorithm>
#include <numeric>

namespace mql::terminal
{
namespace
{
// `next(i, before)` for each value from the first full period on.
template <class Next> Values averaged(const Values &values, int period, double first, Next next)
{
  Values made(values.size(), 0.0);
  double last = first;
  for (std::size_t at = std::size_t(period) - 1; at < values.size(); ++at)
    made[at] = last = next(at, last);
  return made;
}

double mean(const Values &values, std::size_t last, int period)
{
  const auto end = values.begin() + long(last) + 1;
  return std::accumulate(end - period, end, 0.0) / period;
}
}

Values simple_average(const Values &values, int period)
{
  return averaged(values, period, 0.0, [&](std::size_t at, double) { return mean(values, at, period); });
}

Values exponential_average(const Values &values, int period)
{
  const double part = 2.0 / (1.0 + period);
  Values made(values);
  for (std::size_t at = 1; at < values.size(); ++at)
    made[at] = values[at] * part + made[at - 1] * (1.0 - part);
  return made;
}

Values smoothed_average(const Values &values, int period)
{
  const auto next = [&](std::size_t at, double before)
  { return at + 1 == std::size_t(period) ? mean(values, at, period) : (before * (period - 1) + values[at]) / period; };
  return averaged(values, period, 0.0, next);
}

Values weighted_average(const Values &values, int period)
{
  const double weights = period * (period + 1) / 2.0;
  const auto next = [&](std::size_t at, double)
  {
    double sum = 0.0;
    for (int weight = 1; weight <= period; ++weight)
      sum += values[at - std::size_t(period - weight)] * weight;
    return sum / weights;
  };
  return averaged(values, period, 0.0, next);
}

Values true_ranges(const Values &high, const Values &low, const Values &close)
{
  Values made(high.size(), 0.0);
  for (std::size_t at = 1; at < high.size(); ++at)
    made[at] = std::max(high[at], close[at - 1]) - std::min(low[at], close[at - 1]);
  return made;
}
}
