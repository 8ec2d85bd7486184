// When something that happens at regular times happens next.
#pragma once

#include <cstdint>

namespace tviews::core {

// The first time later than `after` that lies a whole number of periods from `origin`.  `period` > 0; any one unit of time;
// INT64_MAX when there is none.
int64_t NextTick(int64_t after, int64_t period, int64_t origin) noexcept;

}  // namespace tviews::core
