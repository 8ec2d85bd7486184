// Delays between attempts.
#include "core/backoff.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace tviews::core {
namespace {

TEST(Backoff, ItDoublesUntilTheLimit) {
  for (int attempt = 1; attempt <= 70; ++attempt) {
    const double plain = attempt > 20 ? 60000.0 : std::min(60000.0, 100.0 * (1 << (attempt - 1)));
    for (uint64_t seed = 0; seed < 200; ++seed) {
      const int64_t delay = BackoffMilliseconds(attempt, 100, 60000, seed);
      ASSERT_GE(delay, static_cast<int64_t>(0.75 * plain)) << attempt;
      ASSERT_LT(static_cast<double>(delay), 1.25 * plain) << attempt;
    }
  }
}

TEST(Backoff, TheJitterUsesItsWholeRange) {
  int64_t least = INT64_MAX, most = 0;
  std::set<int64_t> different;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const int64_t delay = BackoffMilliseconds(1, 10000, 60000, seed);
    least = std::min(least, delay);
    most = std::max(most, delay);
    different.insert(delay);
  }
  EXPECT_LT(least, 7600);
  EXPECT_GT(most, 12400);
  EXPECT_GT(different.size(), 800u);
}

TEST(Backoff, TheSameSeedGivesTheSameDelay) {
  EXPECT_EQ(BackoffMilliseconds(3, 100, 60000, 9), BackoffMilliseconds(3, 100, 60000, 9));
}

TEST(Backoff, ItDoesNotOverflow) {
  EXPECT_GT(BackoffMilliseconds(INT32_MAX, 1, INT64_MAX, 1), INT64_MAX / 2);
  EXPECT_GT(BackoffMilliseconds(INT32_MAX, INT64_MAX, INT64_MAX, 2), INT64_MAX / 2);
}

TEST(Backoff, ABaseAboveTheLimitGivesTheLimit) { EXPECT_LE(BackoffMilliseconds(1, 5000, 1000, 1), 1250); }

TEST(Backoff, NothingToWaitForIsNoWait) {
  EXPECT_EQ(BackoffMilliseconds(5, 0, 1000, 1), 0);
  EXPECT_EQ(BackoffMilliseconds(5, -7, 1000, 1), 0);
  EXPECT_EQ(BackoffMilliseconds(5, 100, -1, 1), 0);
}

TEST(Backoff, AnAttemptBeforeTheFirstCountsAsTheFirst) {
  EXPECT_LT(BackoffMilliseconds(0, 100, 1000, 1), 125);
  EXPECT_GE(BackoffMilliseconds(-3, 100, 1000, 1), 75);
}

}  // namespace
}  // namespace tviews::core
