// How long to wait before the next attempt: exponential, bounded, with jitter.
#pragma once

#include <cstdint>

namespace tviews::core {

// Milliseconds before attempt `attempt + 1` (attempt >= 1): base * 2^(attempt-1), at most `limit`, times a factor in
// [0.75, 1.25) drawn from `seed`.
int64_t BackoffMilliseconds(int attempt, int64_t base, int64_t limit, uint64_t seed) noexcept;

}  // namespace tviews::core
