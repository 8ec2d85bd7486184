// Which of two ways to do the same thing is faster: estimated costs first, measured times later.
#pragma once

#include <cstdint>

namespace tviews::core {

struct TwoWays {
  double cost[2];   // estimated, in one unit for both
  double time[2];   // measured: the least of the first runs, then an exponential average
  int32_t runs[2];  // measured ones, counted up to the first few
  int32_t way;      // to take next: 0 or 1
};

// Takes new estimates.  Times measured under a very different estimate are forgotten, others are open to one more trial.
void TakeCosts(TwoWays* ways, double first, double second) noexcept;

// Takes what a run of `way` needed (per item; any unit).  The other way is tried, too, unless it is held for hopeless.
void TakeTime(TwoWays* ways, int32_t way, double time) noexcept;

}  // namespace tviews::core
