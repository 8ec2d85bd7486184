// The log-scale histogram.  Bucket 2n starts at 2^n microseconds, bucket 2n + 1 at 1.5 * 2^n; the first also holds 0.
#include "core/histogram.h"

#include <algorithm>
#include <cmath>

namespace tviews::core {

namespace {

constexpr int kBuckets = 64;

int BucketOf(int64_t microseconds) noexcept {
  if (microseconds <= 1) {
    return 0;
  }
  const int power = 63 - __builtin_clzll(static_cast<uint64_t>(microseconds));
  const int half = static_cast<int>((microseconds >> (power - 1)) & 1);
  return std::min(kBuckets - 1, 2 * power + half);
}

double LowerBound(int bucket) noexcept { return bucket == 0 ? 0.0 : std::ldexp(bucket % 2 == 0 ? 1.0 : 1.5, bucket / 2); }

}  // namespace

void AddDuration(Histogram* histogram, int64_t microseconds) noexcept {
  ++histogram->counts[BucketOf(microseconds)];
  ++histogram->total;
}

double Percentile(const Histogram& histogram, double p) noexcept {
  if (histogram.total == 0) {
    return -1;
  }
  const double wanted = (p > 0 ? std::min(p, 1.0) : 0.0) * static_cast<double>(histogram.total);
  double below = 0;
  double result = 0;
  for (int bucket = 0; bucket < kBuckets; ++bucket) {
    const auto count = static_cast<double>(histogram.counts[bucket]);
    if (count == 0) {
      continue;
    }
    const double share = std::clamp((wanted - below) / count, 0.0, 1.0);
    result = LowerBound(bucket) + share * (LowerBound(bucket + 1) - LowerBound(bucket));
    below += count;
    if (below >= wanted) {
      break;
    }
  }
  return result;
}

}  // namespace tviews::core
