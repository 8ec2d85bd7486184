// Exponential backoff with jitter.
#include "core/backoff.h"

#include <algorithm>

namespace tviews::core {

int64_t BackoffMilliseconds(int attempt, int64_t base, int64_t limit, uint64_t seed) noexcept {
  limit = std::max<int64_t>(limit, 0);
  int64_t delay = std::clamp<int64_t>(base, 0, limit);
  for (int doubled = 1; doubled < attempt && delay > 0 && delay < limit; ++doubled) {
    delay = delay > limit / 2 ? limit : delay * 2;
  }
  // The finalizer of splitmix64 (Steele, Lea, Flood 2014): neighbouring seeds give unrelated factors.
  uint64_t mixed = seed + 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
  mixed ^= mixed >> 31;
  const double factor = 0.75 + 0.5 * (static_cast<double>(mixed >> 11) / 9007199254740992.0);  // 2^53
  const double jittered = static_cast<double>(delay) * factor;
  return jittered >= 9.2e18 ? INT64_MAX : static_cast<int64_t>(jittered);
}

}  // namespace tviews::core
