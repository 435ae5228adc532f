// Moving averages and ranges, value by value, the oldest first. What is before the first full period is 0.
#pragma once

#include <vector>

namespace mql::terminal
{
using Values = std::vector<double>;

Values simple_average(const Values &values, int period);
Values exponential_average(const Values &values, int period);
Values smoothed_average(const Values &values, int period);
Values weighted_average(const Values &values, int period);

// How far each bar went, the gap to the close before it counted in; the first one has none before it and counts 0.
Values true_ranges(const Values &high, const Values &low, const Values &close);
}
