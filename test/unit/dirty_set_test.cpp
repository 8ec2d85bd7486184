// The dirty set of a transaction, alone and against a naive model with subtransactions.
#include "core/dirty_set.h"

#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include "bytes.h"

namespace tviews::core {
namespace {

class Dirty {
 public:
  Dirty() : set(NewDirtySet()) {}
  ~Dirty() { DeleteDirtySet(set); }
  Dirty(const Dirty&) = delete;
  Dirty& operator=(const Dirty&) = delete;

  void Add(int level, PointId point, const std::string& value) {
    ASSERT_EQ(AddDirtyKey(set, level, {point, Span(value)}), Outcome::kOk);
  }

  // One call of TakeKeys, more room if it asks for it.
  std::vector<PlainKey> TakeOnce(int level, size_t room) {
    std::unique_ptr<unsigned char[]> out(new unsigned char[room]);
    size_t size = TakeKeys(set, level, out.get(), room);
    if (size > room) {
      room = size;
      out.reset(new unsigned char[room]);
      size = TakeKeys(set, level, out.get(), room);
      EXPECT_EQ(size, room);
    }
    std::vector<PlainKey> keys;
    size_t offset = 0;
    DirtyKey key;
    while (NextDirtyKey({out.get(), size}, &offset, &key) == Next::kItem) {
      keys.emplace_back(key.point, Text(key.value));
    }
    EXPECT_EQ(offset, size) << "whole keys only";
    return keys;
  }

  std::set<PlainKey> TakeAll(int level, size_t room = 64) {
    std::set<PlainKey> all;
    for (;;) {
      const std::vector<PlainKey> keys = TakeOnce(level, room);
      if (keys.empty()) {
        return all;
      }
      for (const PlainKey& key : keys) {
        EXPECT_TRUE(all.insert(key).second) << "taken twice";
      }
    }
  }

  DirtySet* const set;
};

TEST(DirtyKeys, AKeyIsKeptOnce) {
  Dirty dirty;
  dirty.Add(1, 7, "a");
  dirty.Add(1, 7, "a");
  EXPECT_EQ(KeysInSet(dirty.set), 1u);
  EXPECT_EQ(KeysAtLevel(dirty.set, 1), 1u);
  EXPECT_EQ(dirty.TakeAll(0), (std::set<PlainKey>{{7, "a"}}));
}

TEST(DirtyKeys, TheSameValueAtAnotherPointIsAnotherKey) {
  Dirty dirty;
  dirty.Add(1, 7, "a");
  dirty.Add(1, 8, "a");
  EXPECT_EQ(dirty.TakeAll(1), (std::set<PlainKey>{{7, "a"}, {8, "a"}}));
}

TEST(DirtyKeys, TheValueIsCopied) {
  Dirty dirty;
  std::string value = "before";
  dirty.Add(1, 1, value);
  value = "after!";
  EXPECT_EQ(dirty.TakeAll(1), (std::set<PlainKey>{{1, "before"}}));
}

TEST(DirtyKeys, AnEmptyValueIsAKey) {
  Dirty dirty;
  ASSERT_EQ(AddDirtyKey(dirty.set, 1, {1, {nullptr, 0}}), Outcome::kOk);
  EXPECT_EQ(KeysInSet(dirty.set), 1u);
  EXPECT_EQ(dirty.TakeAll(1), (std::set<PlainKey>{{1, ""}}));
}

TEST(DirtyKeys, AKeyOfTheParentIsNotAddedAgainInTheChild) {
  Dirty dirty;
  dirty.Add(1, 1, "a");
  dirty.Add(2, 1, "a");
  EXPECT_EQ(KeysAtLevel(dirty.set, 2), 0u);
  RollbackLevel(dirty.set, 2);
  EXPECT_EQ(dirty.TakeAll(0), (std::set<PlainKey>{{1, "a"}})) << "the child's rollback leaves the parent's key";
}

TEST(DirtyKeys, ReleasedKeysBelongToTheParent) {
  Dirty dirty;
  dirty.Add(3, 1, "a");
  ReleaseLevel(dirty.set, 3);
  EXPECT_EQ(KeysAtLevel(dirty.set, 3), 0u);
  EXPECT_EQ(KeysAtLevel(dirty.set, 2), 1u);
  RollbackLevel(dirty.set, 2);
  EXPECT_EQ(KeysInSet(dirty.set), 0u);
}

TEST(DirtyKeys, ReleasedKeysOutliveALaterRollback) {
  Dirty dirty;
  dirty.Add(2, 1, "kept");
  ReleaseLevel(dirty.set, 2);
  dirty.Add(2, 1, "gone");
  RollbackLevel(dirty.set, 2);
  EXPECT_EQ(dirty.TakeAll(0), (std::set<PlainKey>{{1, "kept"}}));
}

TEST(DirtyKeys, RollbackTakesDeeperLevelsToo) {
  Dirty dirty;
  dirty.Add(1, 1, "a");
  dirty.Add(2, 1, "b");
  dirty.Add(4, 1, "c");
  RollbackLevel(dirty.set, 2);
  EXPECT_EQ(dirty.TakeAll(0), (std::set<PlainKey>{{1, "a"}}));
}

TEST(DirtyKeys, ReleaseBringsDeeperLevelsToo) {
  Dirty dirty;
  dirty.Add(2, 1, "b");
  dirty.Add(5, 1, "c");
  ReleaseLevel(dirty.set, 2);
  EXPECT_EQ(KeysAtLevel(dirty.set, 1), 2u);
}

TEST(DirtyKeys, AKeyAddedAtAnOuterLevelSurvivesTheRollbackOfAnUnannouncedInnerOne) {
  Dirty dirty;
  dirty.Add(3, 1, "a");
  dirty.Add(1, 1, "a");  // level 3 must have ended: its key now counts for level 1
  RollbackLevel(dirty.set, 2);
  EXPECT_EQ(dirty.TakeAll(0), (std::set<PlainKey>{{1, "a"}}));
}

TEST(DirtyKeys, RollbackOfTheTopLevelForgetsEverything) {
  Dirty dirty;
  dirty.Add(1, 1, "a");
  dirty.Add(2, 1, "b");
  RollbackLevel(dirty.set, 1);
  EXPECT_EQ(KeysInSet(dirty.set), 0u);
  EXPECT_EQ(BytesInSet(dirty.set), 0u);
}

TEST(DirtyKeys, ReleaseOfTheTopLevelChangesNothing) {
  Dirty dirty;
  dirty.Add(1, 1, "a");
  ReleaseLevel(dirty.set, 1);
  EXPECT_EQ(KeysAtLevel(dirty.set, 1), 1u);
}

TEST(DirtyKeys, ARolledBackKeyMayComeAgain) {
  Dirty dirty;
  dirty.Add(2, 1, "a");
  RollbackLevel(dirty.set, 2);
  dirty.Add(1, 1, "a");
  EXPECT_EQ(KeysAtLevel(dirty.set, 1), 1u);
}

TEST(DirtyKeys, ATakenKeyMayComeAgain) {
  Dirty dirty;
  dirty.Add(1, 1, "a");
  EXPECT_EQ(dirty.TakeAll(1).size(), 1u);
  dirty.Add(1, 1, "a");
  EXPECT_EQ(dirty.TakeAll(1).size(), 1u);
}

TEST(DirtyKeys, TakingOneLevelLeavesTheOthers) {
  Dirty dirty;
  dirty.Add(1, 1, "parent");
  dirty.Add(2, 1, "child");
  EXPECT_EQ(dirty.TakeAll(2), (std::set<PlainKey>{{1, "child"}}));
  EXPECT_EQ(dirty.TakeAll(0), (std::set<PlainKey>{{1, "parent"}}));
}

TEST(DirtyKeys, TakingTheParentsLevelLeavesTheChilds) {
  Dirty dirty;
  dirty.Add(1, 1, "parent");
  dirty.Add(2, 1, "child");
  EXPECT_EQ(dirty.TakeAll(1), (std::set<PlainKey>{{1, "parent"}}));
  ReleaseLevel(dirty.set, 2);
  EXPECT_EQ(dirty.TakeAll(1), (std::set<PlainKey>{{1, "child"}}));
}

TEST(DirtyKeys, AKeyLargerThanTheRoomIsAnnouncedAndNotLost) {
  Dirty dirty;
  const std::string wide(1000, 'w');
  dirty.Add(1, 1, "a");
  dirty.Add(1, 1, wide);
  unsigned char out[64];
  EXPECT_EQ(TakeKeys(dirty.set, 1, out, sizeof(out)), DirtyKeySize({1, Span("a")})) << "the first alone";
  EXPECT_EQ(TakeKeys(dirty.set, 1, out, sizeof(out)), DirtyKeySize({1, Span(wide)}));
  EXPECT_EQ(KeysInSet(dirty.set), 1u);
  EXPECT_EQ(dirty.TakeAll(1), (std::set<PlainKey>{{1, wide}}));
}

TEST(DirtyKeys, TakenKeysFillTheRoomExactly) {
  Dirty dirty;
  dirty.Add(1, 1, "aa");
  dirty.Add(1, 1, "bb");
  const size_t both = DirtyKeySize({1, Span("aa")}) * 2;
  EXPECT_EQ(dirty.TakeOnce(1, both).size(), 2u);
}

TEST(DirtyKeys, AnUnknownLevelIsEmpty) {
  Dirty dirty;
  dirty.Add(1, 1, "a");
  unsigned char out[64];
  EXPECT_EQ(TakeKeys(dirty.set, 2, out, sizeof(out)), 0u);
  EXPECT_EQ(KeysAtLevel(dirty.set, 2), 0u);
  EXPECT_EQ(KeysAtLevel(dirty.set, 0), 0u);
  ReleaseLevel(dirty.set, 2);
  RollbackLevel(dirty.set, 2);
  EXPECT_EQ(KeysInSet(dirty.set), 1u);
}

TEST(DirtyKeys, AMillionKeysInDeepSubtransactionsAreKept) {
  Dirty dirty;
  for (uint32_t i = 0; i < 1000000; ++i) {
    const DirtyKey key = {1, {reinterpret_cast<const unsigned char*>(&i), sizeof(i)}};
    ASSERT_EQ(AddDirtyKey(dirty.set, 1 + static_cast<int>(i / 1000), key), Outcome::kOk);
  }
  for (int level = 1000; level > 1; --level) {
    ReleaseLevel(dirty.set, level);
  }
  EXPECT_EQ(KeysAtLevel(dirty.set, 1), 1000000u);
}

// Keys by level, nothing clever.
struct Model {
  std::vector<std::set<PlainKey>> levels = std::vector<std::set<PlainKey>>(1);

  bool Has(const PlainKey& key) const {
    return std::any_of(levels.begin(), levels.end(), [&](const auto& level) { return level.count(key) > 0; });
  }
  size_t Count() const {
    size_t count = 0;
    for (const auto& level : levels) count += level.size();
    return count;
  }
  size_t Bytes() const {
    size_t bytes = 0;
    for (const auto& level : levels)
      for (const PlainKey& key : level) bytes += DirtyKeySize({key.first, Span(key.second)});
    return bytes;
  }
};

TEST(DirtyKeys, ItBehavesAsANaiveModel) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Dirty dirty;
    Model model;
    for (int step = 0; step < 400; ++step) {
      const int depth = static_cast<int>(model.levels.size());
      const size_t what = random.Below(100);
      if (what < 60) {
        const std::string value = random.Below(20) == 0 ? std::string(random.Below(3000), 'w') : std::to_string(random.Below(60));
        const PlainKey key = {static_cast<PointId>(random.Below(3)), value};
        dirty.Add(depth, key.first, key.second);
        if (!model.Has(key)) {
          model.levels.back().insert(key);
        }
      } else if (what < 72) {
        model.levels.emplace_back();
      } else if (what < 82 && depth > 1) {
        ReleaseLevel(dirty.set, depth);
        model.levels[depth - 2].insert(model.levels.back().begin(), model.levels.back().end());
        model.levels.pop_back();
      } else if (what < 92 && depth > 1) {
        // An error unwinds several levels; only the outermost may be announced.
        const int level = 2 + static_cast<int>(random.Below(depth - 1));
        RollbackLevel(dirty.set, level);
        model.levels.resize(level - 1);
      } else if (what < 95) {
        const int level = 1 + static_cast<int>(random.Below(depth));
        ASSERT_EQ(dirty.TakeAll(level, 16 + random.Below(200)), model.levels[level - 1]);
        model.levels[level - 1].clear();
      } else if (what < 98) {
        for (const PlainKey& key : dirty.TakeOnce(depth, 16 + random.Below(100))) {
          ASSERT_EQ(model.levels.back().erase(key), 1u);
        }
      } else if (what == 98) {
        ClearDirtySet(dirty.set);
        model.levels.assign(1, {});
      }
      ASSERT_EQ(KeysInSet(dirty.set), model.Count());
      ASSERT_EQ(BytesInSet(dirty.set), model.Bytes());
      for (size_t level = 1; level <= model.levels.size(); ++level) {
        ASSERT_EQ(KeysAtLevel(dirty.set, static_cast<int>(level)), model.levels[level - 1].size());
      }
    }
    std::set<PlainKey> rest;
    for (const auto& level : model.levels) rest.insert(level.begin(), level.end());
    EXPECT_EQ(dirty.TakeAll(0), rest);
  }
}

}  // namespace
}  // namespace tviews::core
