// Percentiles of the log-scale histogram.
#include "core/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace tviews::core {
namespace {

TEST(Percentiles, AnEmptyHistogramHasNone) {
  const Histogram histogram = {};
  EXPECT_EQ(Percentile(histogram, 0.5), -1);
}

TEST(Percentiles, OneDurationIsItsOwnPercentileWithinItsBucket) {
  Histogram histogram = {};
  AddDuration(&histogram, 1000);
  for (double p : {0.0, 0.5, 1.0}) {
    EXPECT_GE(Percentile(histogram, p), 768) << p;
    EXPECT_LE(Percentile(histogram, p), 1024) << p;
  }
  EXPECT_EQ(histogram.total, 1u);
}

TEST(Percentiles, TheyInterpolateLinearlyInABucket) {
  Histogram histogram = {};
  for (int i = 0; i < 4; ++i) AddDuration(&histogram, 1024);  // the bucket [1024, 1536)
  EXPECT_DOUBLE_EQ(Percentile(histogram, 0.25), 1024 + 128);
  EXPECT_DOUBLE_EQ(Percentile(histogram, 0.5), 1024 + 256);
  EXPECT_DOUBLE_EQ(Percentile(histogram, 1), 1536);
}

TEST(Percentiles, EachPowerOfTwoHasTwoBuckets) {
  Histogram histogram = {};
  AddDuration(&histogram, 1024);
  AddDuration(&histogram, 1535);
  AddDuration(&histogram, 1536);
  AddDuration(&histogram, 2047);
  AddDuration(&histogram, 2048);
  EXPECT_EQ(histogram.counts[20], 2u);
  EXPECT_EQ(histogram.counts[21], 2u);
  EXPECT_EQ(histogram.counts[22], 1u);
}

TEST(Percentiles, ZeroNegativeAndHugeDurationsHaveABucket) {
  Histogram histogram = {};
  AddDuration(&histogram, 0);
  AddDuration(&histogram, -5);
  AddDuration(&histogram, INT64_MIN);
  AddDuration(&histogram, INT64_MAX);
  EXPECT_EQ(histogram.counts[0], 3u);
  EXPECT_EQ(histogram.counts[63], 1u);
  EXPECT_EQ(histogram.total, 4u);
}

TEST(Percentiles, ASlowTailShowsOnlyInTheHighOnes) {
  Histogram histogram = {};
  for (int i = 0; i < 99; ++i) AddDuration(&histogram, 100);
  AddDuration(&histogram, 1000000);
  EXPECT_LT(Percentile(histogram, 0.95), 200);
  EXPECT_GT(Percentile(histogram, 0.995), 500000);
}

TEST(Percentiles, ASillyShareIsBounded) {
  Histogram histogram = {};
  AddDuration(&histogram, 100);
  EXPECT_EQ(Percentile(histogram, -3), Percentile(histogram, 0));
  EXPECT_EQ(Percentile(histogram, NAN), Percentile(histogram, 0));
  EXPECT_EQ(Percentile(histogram, 7), Percentile(histogram, 1));
}

TEST(Percentiles, TheyAreWithinHalfOfTheTruthAndNeverFall) {
  std::mt19937_64 engine(5);
  std::lognormal_distribution<double> durations(8, 2);
  Histogram histogram = {};
  std::vector<double> all;
  for (int i = 0; i < 20000; ++i) {
    const auto duration = static_cast<int64_t>(durations(engine));
    all.push_back(static_cast<double>(duration));
    AddDuration(&histogram, duration);
  }
  std::sort(all.begin(), all.end());
  double before = 0;
  for (double p = 0.01; p < 1; p += 0.01) {
    const double truth = all[static_cast<size_t>(p * static_cast<double>(all.size()))];
    const double found = Percentile(histogram, p);
    EXPECT_NEAR(found, truth, truth * 0.5 + 1) << p;
    EXPECT_GE(found, before) << p;
    before = found;
  }
}

}  // namespace
}  // namespace tviews::core
