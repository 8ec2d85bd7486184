// Paths over hand-made graphs.  Occurrences have names here; column numbers are arbitrary.
#include "core/lineage.h"

#include <vector>

#include "bytes.h"

namespace tviews::core {
namespace {

constexpr uint32_t kInt = 1;   // an equality class
constexpr uint32_t kText = 2;  // and another

LineageEdge Edge(int32_t far, int32_t far_value, int32_t near, int32_t near_value, int32_t tag, uint32_t equality_class = kInt,
                 int8_t access = 2) {
  return {far, far_value, near, near_value, equality_class, access, 0, 0, tag};
}

LineageEdge Barring(LineageEdge edge, int32_t from, int32_t to) {
  edge.barred_from = from;
  edge.barred_to = to;
  return edge;
}

class Paths {
 public:
  Paths(int32_t occurrences, const std::vector<LineageEdge>& edges, const std::vector<LineageRoot>& roots) {
    EXPECT_EQ(FindPaths(occurrences, edges.data(), static_cast<int32_t>(edges.size()), roots.data(),
                        static_cast<int32_t>(roots.size()), &result_),
              Outcome::kOk);
  }
  ~Paths() { FreeLineage(&result_); }
  Paths(const Paths&) = delete;
  Paths& operator=(const Paths&) = delete;

  const OccurrencePath& operator[](int32_t occurrence) const { return result_.paths[occurrence]; }

  // "column -> occurrence(match,next)#tag -> ..." or "none".
  std::string Show(int32_t occurrence) const {
    const OccurrencePath& path = result_.paths[occurrence];
    if (path.kind == PathKind::kNone) {
      EXPECT_EQ(path.step_count, 0);
      return "none";
    }
    EXPECT_EQ(path.kind == PathKind::kKey, path.step_count == 0);
    std::string text = std::to_string(path.capture_value);
    for (int32_t i = 0; i < path.step_count; ++i) {
      EXPECT_LT(path.first_step + i, result_.step_count);
      const LineageStep& step = result_.steps[path.first_step + i];
      text += " -> " + std::to_string(step.occurrence) + "(" + std::to_string(step.match_value) + "," +
              std::to_string(step.next_value) + ")#" + std::to_string(step.edge_tag);
    }
    return text;
  }

 private:
  LineageResult result_;
};

enum : int32_t { kPost, kUser, kComment, kOrg };

TEST(Lineage, TheRootCapturesItsKey) {
  const Paths paths(1, {}, {{kPost, 1, kInt}});
  EXPECT_EQ(paths[kPost].kind, PathKind::kKey);
  EXPECT_EQ(paths.Show(kPost), "1");
}

TEST(Lineage, AChildsForeignKeyIsTheKeyItself) {
  // comment.fk_post (3) = post.pk_post (1)
  const Paths paths(3, {Edge(kComment, 3, kPost, 1, 10)}, {{kPost, 1, kInt}});
  EXPECT_EQ(paths[kComment].kind, PathKind::kKey);
  EXPECT_EQ(paths.Show(kComment), "3");
}

TEST(Lineage, AParentIsMappedThroughTheRoot) {
  // user.pk_user (1) = post.fk_user (2): find the posts whose fk_user matches, take their pk_post
  const Paths paths(2, {Edge(kUser, 1, kPost, 2, 11)}, {{kPost, 1, kInt}});
  EXPECT_EQ(paths[kUser].kind, PathKind::kMapped);
  EXPECT_EQ(paths.Show(kUser), "1 -> 0(2,1)#11");
}

TEST(Lineage, APathIsTheNextOccurrencesPathPlusOneStep) {
  const Paths paths(4, {Edge(kOrg, 1, kUser, 5, 12), Edge(kUser, 1, kPost, 2, 11)}, {{kPost, 1, kInt}});
  EXPECT_EQ(paths.Show(kUser), "1 -> 0(2,1)#11");
  EXPECT_EQ(paths.Show(kOrg), "1 -> 1(5,1)#12 -> 0(2,1)#11");
}

TEST(Lineage, AHopIsSkippedWhenTheValueIsWhatTheNearerOneCaptures) {
  // x.fk_user (9) = user.pk_user (1) = post.fk_user (2): no need to visit user
  const Paths paths(3, {Edge(2, 9, kUser, 1, 13), Edge(kUser, 1, kPost, 2, 11)}, {{kPost, 1, kInt}});
  EXPECT_EQ(paths.Show(2), "9 -> 0(2,1)#11");
}

TEST(Lineage, SeveralHopsMayBeSkipped) {
  const Paths paths(4, {Edge(3, 7, 2, 6, 3), Edge(2, 6, 1, 5, 2), Edge(1, 5, 0, 1, 1)}, {{0, 1, kInt}});
  EXPECT_EQ(paths.Show(1), "5");
  EXPECT_EQ(paths.Show(2), "6");
  EXPECT_EQ(paths.Show(3), "7");
}

TEST(Lineage, NoHopIsSkippedAcrossEqualityClasses) {
  const Paths paths(3, {Edge(2, 9, kUser, 1, 13, kText), Edge(kUser, 1, kPost, 2, 11, kInt)}, {{kPost, 1, kInt}});
  EXPECT_EQ(paths.Show(2), "9 -> 1(1,1)#13 -> 0(2,1)#11");
}

TEST(Lineage, NoHopIsSkippedWithoutAnEqualityClass) {
  const Paths paths(2, {Edge(kComment - 1, 3, kPost, 1, 10, 0)}, {{kPost, 1, 0}});
  EXPECT_EQ(paths.Show(kComment - 1), "3 -> 0(1,1)#10") << "0 equals nothing, not even 0";
}

TEST(Lineage, TheRootIsNotSkippedWhenItsKeyIsComparedOtherwise) {
  const Paths paths(2, {Edge(1, 3, kPost, 1, 10, kText)}, {{kPost, 1, kInt}});
  EXPECT_EQ(paths.Show(1), "3 -> 0(1,1)#10");
}

TEST(Lineage, NoHopIsSkippedWhenAnotherColumnMatches) {
  const Paths paths(3, {Edge(2, 9, kUser, 4, 13), Edge(kUser, 1, kPost, 2, 11)}, {{kPost, 1, kInt}});
  EXPECT_EQ(paths.Show(2), "9 -> 1(4,1)#13 -> 0(2,1)#11");
}

TEST(Lineage, FewerStepsWinOverBetterAccess) {
  // 3 reaches the root through 1 (two steps, unique) or directly (one step, no index)
  const Paths paths(4, {Edge(1, 1, 0, 2, 1), Edge(3, 5, 1, 6, 2, kInt, 2), Edge(3, 7, 0, 8, 3, kInt, 0)}, {{0, 1, kInt}});
  EXPECT_EQ(paths.Show(3), "7 -> 0(8,1)#3");
}

TEST(Lineage, StepsAreCountedAfterSkipping) {
  // Two edges over 1, which is skipped, against one visited step.
  const Paths paths(3, {Edge(2, 7, 0, 8, 3), Edge(2, 5, 1, 4, 2), Edge(1, 4, 0, 1, 1)}, {{0, 1, kInt}});
  EXPECT_EQ(paths.Show(2), "5");
}

TEST(Lineage, BetterAccessWinsOverTheLowerEdge) {
  const Paths paths(2, {Edge(1, 5, 0, 6, 1, kInt, 0), Edge(1, 7, 0, 8, 2, kInt, 1), Edge(1, 9, 0, 10, 3, kInt, 2)}, {{0, 1, kInt}});
  EXPECT_EQ(paths.Show(1), "9 -> 0(10,1)#3");
}

TEST(Lineage, TheLowerEdgeWinsAmongEquals) {
  const Paths paths(2, {Edge(1, 5, 0, 6, 1), Edge(1, 7, 0, 8, 2)}, {{0, 1, kInt}});
  EXPECT_EQ(paths.Show(1), "5 -> 0(6,1)#1");
}

TEST(Lineage, AnOccurrenceWithoutAnEdgeHasNoPath) {
  const Paths paths(3, {Edge(2, 1, 1, 1, 1)}, {{0, 1, kInt}});
  EXPECT_EQ(paths.Show(1), "none");
  EXPECT_EQ(paths.Show(2), "none") << "an edge that leads nowhere";
}

TEST(Lineage, EdgesLeadOnlyFromFarToNear) {
  const Paths paths(2, {Edge(0, 1, 1, 1, 1)}, {{0, 1, kInt}});
  EXPECT_EQ(paths.Show(1), "none");
}

TEST(Lineage, CyclesEnd) {
  const Paths paths(4, {Edge(1, 1, 0, 2, 1), Edge(2, 3, 1, 4, 2), Edge(1, 4, 2, 3, 3), Edge(3, 5, 3, 6, 4), Edge(0, 2, 1, 1, 5)},
                    {{0, 1, kInt}});
  EXPECT_EQ(paths.Show(0), "1");
  EXPECT_EQ(paths.Show(1), "1 -> 0(2,1)#1");
  EXPECT_EQ(paths.Show(2), "3 -> 1(4,1)#2 -> 0(2,1)#1");
  EXPECT_EQ(paths.Show(3), "none") << "an edge to itself is no path";
}

TEST(Lineage, TwoRootsKeepTheirOwnKeys) {
  // a FULL JOIN b USING (k): both sides give the key, though each could be reached from the other
  const Paths paths(4, {Edge(0, 1, 1, 2, 1), Edge(1, 2, 0, 1, 2), Edge(2, 5, 0, 6, 3), Edge(3, 5, 1, 6, 4)},
                    {{0, 1, kInt}, {1, 2, kInt}});
  EXPECT_EQ(paths.Show(0), "1");
  EXPECT_EQ(paths.Show(1), "2");
  EXPECT_EQ(paths.Show(2), "5 -> 0(6,1)#3");
  EXPECT_EQ(paths.Show(3), "5 -> 1(6,2)#4");
  EXPECT_EQ(paths[2].root, 0);
  EXPECT_EQ(paths[3].root, 1) << "a path says which root it leads to";
}

TEST(Lineage, TheFirstOfTwoRootsOnOneOccurrenceCounts) {
  const Paths paths(1, {}, {{0, 3, kInt}, {0, 4, kInt}});
  EXPECT_EQ(paths.Show(0), "3");
}

TEST(Lineage, APathDoesNotEnterABarredRange) {
  // Occurrences 1..2 are one side of a FULL JOIN, 3 the other.  From 1 over the join into 3 is fine, but 3's own path leads
  // back through 2, and the equality does not hold for rows that found no partner.
  const std::vector<LineageEdge> way_back = {Edge(2, 1, 0, 2, 1), Edge(3, 3, 2, 4, 2)};
  std::vector<LineageEdge> edges = way_back;
  edges.push_back(Barring(Edge(1, 5, 3, 6, 3), 1, 3));
  const Paths barred(4, edges, {{0, 1, kInt}});
  EXPECT_EQ(barred.Show(3), "3 -> 2(4,1)#2 -> 0(2,1)#1");
  EXPECT_EQ(barred.Show(1), "none");
  edges.back() = Barring(edges.back(), 1, 2);
  const Paths open(4, edges, {{0, 1, kInt}});
  EXPECT_EQ(open.Show(1), "5 -> 3(6,3)#3 -> 2(4,1)#2 -> 0(2,1)#1") << "the range is half-open";
}

TEST(Lineage, ABarredRangeThatHoldsTheNearSideItselfDoesNotMatter) {
  const Paths paths(3, {Edge(1, 1, 0, 2, 1), Barring(Edge(2, 3, 1, 4, 2), 1, 2)}, {{0, 1, kInt}});
  EXPECT_EQ(paths.Show(2), "3 -> 1(4,1)#2 -> 0(2,1)#1") << "beyond near, not near";
}

TEST(Lineage, ASkippedOccurrenceIsBarredToo) {
  // 1 is skipped on the way from 2, but the way leads through it all the same.
  const Paths paths(4, {Edge(1, 5, 0, 1, 1), Edge(2, 6, 1, 5, 2), Barring(Edge(3, 7, 2, 6, 3), 1, 2)}, {{0, 1, kInt}});
  EXPECT_EQ(paths.Show(2), "6");
  EXPECT_EQ(paths.Show(3), "none");
}

TEST(Lineage, ABarredEdgeLeavesRoomForAnother) {
  const Paths paths(4, {Edge(1, 1, 0, 2, 1), Edge(2, 3, 1, 4, 2), Barring(Edge(3, 5, 2, 6, 3), 1, 2), Edge(3, 7, 1, 8, 4, kInt, 0)},
                    {{0, 1, kInt}});
  EXPECT_EQ(paths.Show(3), "7 -> 1(8,1)#4 -> 0(2,1)#1");
}

TEST(Lineage, NumbersOutsideTheGraphAreIgnored) {
  const Paths paths(2, {Edge(7, 1, 0, 1, 1), Edge(1, 1, 9, 1, 2), Edge(-1, 1, 0, 1, 3)}, {{5, 1, kInt}, {0, 1, kInt}});
  EXPECT_EQ(paths.Show(0), "1");
  EXPECT_EQ(paths.Show(1), "none");
}

TEST(Lineage, NoOccurrencesGiveNoPaths) {
  const Paths paths(0, {}, {});
  SUCCEED();
}

// On random graphs: no path is longer than the fewest steps by any choice of edges, each step follows an edge, and the rest of
// a path is the next occurrence's path.
TEST(Lineage, RandomGraphsGiveTreesOfRealEdges) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto count = static_cast<int32_t>(1 + random.Below(12));
    std::vector<LineageEdge> edges;
    for (size_t i = 0; i < 3u * static_cast<size_t>(count); ++i) {
      edges.push_back({static_cast<int32_t>(random.Below(count)), static_cast<int32_t>(1 + random.Below(4)),
                       static_cast<int32_t>(random.Below(count)), static_cast<int32_t>(1 + random.Below(4)),
                       static_cast<uint32_t>(random.Below(3)), static_cast<int8_t>(random.Below(3)), 0, 0,
                       static_cast<int32_t>(i)});
    }
    const LineageRoot root = {0, 1, 1};
    LineageResult result;
    ASSERT_EQ(FindPaths(count, edges.data(), static_cast<int32_t>(edges.size()), &root, 1, &result), Outcome::kOk);
    // Reached exactly when some chain of edges leads to the root.
    std::vector<bool> reachable(count, false);
    reachable[0] = true;
    for (int32_t round = 0; round < count; ++round) {
      for (const LineageEdge& edge : edges) {
        if (reachable[edge.near]) reachable[edge.far] = true;
      }
    }
    for (int32_t i = 0; i < count; ++i) {
      const OccurrencePath& path = result.paths[i];
      ASSERT_EQ(path.kind != PathKind::kNone, reachable[i]);
      for (int32_t s = 0; s < path.step_count; ++s) {
        const LineageStep& step = result.steps[path.first_step + s];
        const LineageEdge& edge = edges[step.edge_tag];
        ASSERT_EQ(step.occurrence, edge.near);
        ASSERT_EQ(step.match_value, edge.near_value);
        ASSERT_EQ(step.next_value, result.paths[step.occurrence].capture_value);
        const OccurrencePath& rest = result.paths[step.occurrence];
        ASSERT_EQ(rest.step_count, path.step_count - s - 1);
        for (int32_t r = 0; r < rest.step_count; ++r) {
          ASSERT_EQ(result.steps[rest.first_step + r].edge_tag, result.steps[path.first_step + s + 1 + r].edge_tag);
        }
      }
    }
    // No single edge would make a path shorter.
    for (const LineageEdge& edge : edges) {
      const OccurrencePath& near = result.paths[edge.near];
      if (near.kind != PathKind::kNone) {
        ASSERT_LE(result.paths[edge.far].step_count, near.step_count + 1);
      }
    }
    FreeLineage(&result);
  }
}

TEST(Levels, ATviewThatReadsNoneIsAtLevelZero) {
  int32_t level[2] = {9, 9};
  ASSERT_TRUE(AssignLevels(2, nullptr, 0, level));
  EXPECT_EQ(level[0], 0);
  EXPECT_EQ(level[1], 0);
}

TEST(Levels, AReaderIsOneAboveTheHighestItReads) {
  // 3 reads 2 and 0; 2 reads 1; 1 reads 0.  Given against the order of dependence.
  const ReadsEdge reads[] = {{3, 0}, {3, 2}, {2, 1}, {1, 0}, {1, 0}};
  int32_t level[5];
  ASSERT_TRUE(AssignLevels(5, reads, 5, level));
  EXPECT_EQ(std::vector<int32_t>(level, level + 5), (std::vector<int32_t>{0, 1, 2, 3, 0}));
}

TEST(Levels, ACycleIsFound) {
  const ReadsEdge reads[] = {{0, 1}, {1, 2}, {2, 0}};
  int32_t level[4];
  EXPECT_FALSE(AssignLevels(4, reads, 3, level));
}

TEST(Levels, ATviewThatReadsItselfIsACycle) {
  const ReadsEdge reads[] = {{0, 0}};
  int32_t level[3];
  EXPECT_FALSE(AssignLevels(3, reads, 1, level));
}

TEST(Levels, ADiamondIsNoCycle) {
  const ReadsEdge reads[] = {{3, 1}, {3, 2}, {1, 0}, {2, 0}};
  int32_t level[4];
  ASSERT_TRUE(AssignLevels(4, reads, 4, level));
  EXPECT_EQ(level[3], 2);
}

TEST(Levels, AChainOfAThousandHasAThousandLevels) {
  std::vector<ReadsEdge> reads;
  for (int32_t i = 1; i < 1000; ++i) reads.push_back({i, i - 1});
  std::vector<int32_t> level(1000);
  ASSERT_TRUE(AssignLevels(1000, reads.data(), 999, level.data()));
  EXPECT_EQ(level[999], 999);
}

TEST(Levels, UnknownTviewsAreIgnored) {
  const ReadsEdge reads[] = {{0, 7}, {-1, 0}, {1, 0}};
  int32_t level[2];
  ASSERT_TRUE(AssignLevels(2, reads, 3, level));
  EXPECT_EQ(level[1], 1);
}

}  // namespace
}  // namespace tviews::core
