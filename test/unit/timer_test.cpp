// Regular times.
#include "core/timer.h"

#include <gtest/gtest.h>

namespace tviews::core {
namespace {

TEST(Timer, TheNextTickIsLaterAndAWholeNumberOfPeriodsFromTheOrigin) {
  for (int64_t origin : {-7, 0, 3}) {
    for (int64_t period : {1, 2, 7, 60}) {
      for (int64_t after = -200; after < 200; ++after) {
        const int64_t next = NextTick(after, period, origin);
        ASSERT_GT(next, after);
        ASSERT_LE(next, after + period);
        ASSERT_EQ((next - origin) % period, 0) << after << " " << period << " " << origin;
      }
    }
  }
}

TEST(Timer, ALongPauseIsFollowedByOneTick) {
  EXPECT_EQ(NextTick(10 * 1000 + 1, 10, 0), 10 * 1000 + 10);
}

TEST(Timer, TimesThatDoNotFitNeverCome) {
  EXPECT_EQ(NextTick(INT64_MAX - 1, 10, 0), INT64_MAX);
  EXPECT_EQ(NextTick(INT64_MAX - 1, 10, -10), INT64_MAX);
}

}  // namespace
}  // namespace tviews::core
