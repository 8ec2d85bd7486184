// The choice between two ways: a trial of each, then the faster one.
#include "core/two_ways.h"

#include <algorithm>

namespace tviews::core {

namespace {

// A planner takes index probes for cold reads: the way that looks dearer is tried unless it looks dearer by this factor.
constexpr double kWorthATry = 8.0;
constexpr int32_t kTries = 2;      // the first run may have met cold caches
constexpr double kHopeless = 4.0;  // once measured to be slower by this, it is not tried again

int32_t Faster(const TwoWays& ways) { return ways.time[0] <= ways.time[1] ? 0 : 1; }

bool IsWorthATry(const TwoWays& ways, int32_t other, int32_t way) {
  if (ways.runs[other] >= kTries) {
    return false;
  }
  return ways.runs[other] > 0 ? ways.time[other] <= kHopeless * ways.time[way] : ways.cost[other] <= kWorthATry * ways.cost[way];
}

}  // namespace

void TakeCosts(TwoWays* ways, double first, double second) noexcept {
  const double costs[2] = {first, second};
  for (int i = 0; i < 2; ++i) {
    if (costs[i] > 2 * ways->cost[i] || costs[i] < 0.5 * ways->cost[i]) {
      ways->runs[i] = 0;
    }
    ways->cost[i] = costs[i];
    // One more trial for each: what was measured beside other work may mislead.
    ways->runs[i] = std::min(ways->runs[i], kTries - 1);
  }
  ways->way = ways->runs[0] > 0 && ways->runs[1] > 0 ? Faster(*ways) : first <= second ? 0 : 1;
}

void TakeTime(TwoWays* ways, int32_t way, double time) noexcept {
  const int32_t other = 1 - way;
  double* known = &ways->time[way];
  *known = ways->runs[way] == 0 ? time : ways->runs[way] < kTries ? std::min(*known, time) : 0.8 * *known + 0.2 * time;
  ways->runs[way] = std::min(ways->runs[way] + 1, kTries);
  if (ways->runs[other] > 0) {
    ways->way = Faster(*ways);
  }
  if (IsWorthATry(*ways, other, way)) {
    ways->way = other;
  }
}

}  // namespace tviews::core
