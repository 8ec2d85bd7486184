// A log-scale histogram of durations: 64 buckets, two per power of two, fixed size, plain data.
#pragma once

#include <cstdint>

namespace tviews::core {

struct Histogram {
  uint64_t counts[64];  // bucket of a duration in microseconds
  uint64_t total;
};

void AddDuration(Histogram* histogram, int64_t microseconds) noexcept;

// The duration (microseconds) below which the share `p` (0..1) of the entries lie, by linear interpolation in its bucket;
// -1 when the histogram is empty.
double Percentile(const Histogram& histogram, double p) noexcept;

}  // namespace tviews::core
