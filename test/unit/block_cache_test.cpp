// The block cache, alone and against a map.
#include "core/block_cache.h"

#include <algorithm>
#include <map>
#include <vector>

#include "bytes.h"

namespace tviews::core {
namespace {

class Cache {
 public:
  explicit Cache(uint32_t capacity) : memory_(BlockCacheMemory(capacity) + 8, 0xee) {
    InitBlockCache(&control, memory_.data(), capacity);
  }
  bool Insert(uint32_t a, uint32_t b, const std::string& value) { return CacheInsert(&control, memory_.data(), a, b, Span(value)); }
  void Forget(uint32_t a, uint32_t b) { CacheForget(&control, memory_.data(), a, b); }
  void ForgetAll(uint32_t a) { CacheForgetAll(&control, memory_.data(), a); }

  // False when it is not there.
  bool Lookup(uint32_t a, uint32_t b, std::string* value) {
    unsigned char out[20000];
    size_t size;
    const bool found = CacheLookup(&control, memory_.data(), a, b, out, sizeof(out), &size);
    *value = found ? Text({out, size}) : "";
    return found;
  }
  bool Has(uint32_t a, uint32_t b) {
    std::string value;
    return Lookup(a, b, &value);
  }
  size_t SizeWithRoom(uint32_t a, uint32_t b, size_t room, bool* found) {
    std::vector<unsigned char> out(room + 1, 0xcc);
    size_t size;
    *found = CacheLookup(&control, memory_.data(), a, b, out.data(), room, &size);
    EXPECT_EQ(out[room], 0xcc);
    return size;
  }
  bool FenceStands() const {
    return std::all_of(memory_.end() - 8, memory_.end(), [](unsigned char byte) { return byte == 0xee; });
  }

  BlockCacheControl control;

 private:
  std::vector<unsigned char> memory_;
};

TEST(BlockCache, AValueComesBack) {
  Cache cache(100);
  std::string value;
  ASSERT_TRUE(cache.Insert(1, 2, "value"));
  ASSERT_TRUE(cache.Lookup(1, 2, &value));
  EXPECT_EQ(value, "value");
  EXPECT_EQ(cache.control.hits, 1u);
  EXPECT_EQ(cache.control.misses, 0u);
}

TEST(BlockCache, AMissIsCountedAndHasNoSize) {
  Cache cache(100);
  bool found;
  EXPECT_EQ(cache.SizeWithRoom(1, 2, 10, &found), 0u);
  EXPECT_FALSE(found);
  EXPECT_EQ(cache.control.misses, 1u);
}

TEST(BlockCache, BothNumbersTellEntriesApart) {
  Cache cache(100);
  cache.Insert(1, 2, "a");
  EXPECT_FALSE(cache.Has(2, 1));
  EXPECT_FALSE(cache.Has(1, 1));
  EXPECT_FALSE(cache.Has(2, 2));
}

TEST(BlockCache, ValuesOfEveryLengthComeBack) {
  Cache cache(1000);
  Random random(1);
  for (size_t length : {0, 1, 79, 80, 81, 159, 160, 161, 8000}) {
    const std::string stored = random.Bytes(length);
    std::string value;
    ASSERT_TRUE(cache.Insert(1, 1, stored));
    ASSERT_TRUE(cache.Lookup(1, 1, &value)) << length;
    ASSERT_EQ(value, stored) << length;
    ASSERT_EQ(cache.control.entries, 1u);
    ASSERT_EQ(cache.control.used, std::max<size_t>(1, (length + 79) / 80));
  }
}

TEST(BlockCache, AValueThatDoesNotFitTellsItsSizeAndIsNotCounted) {
  Cache cache(100);
  cache.Insert(1, 2, std::string(300, 'x'));
  bool found;
  EXPECT_EQ(cache.SizeWithRoom(1, 2, 299, &found), 300u);
  EXPECT_FALSE(found);
  EXPECT_EQ(cache.control.hits + cache.control.misses, 0u);
  EXPECT_EQ(cache.SizeWithRoom(1, 2, 300, &found), 300u);
  EXPECT_TRUE(found);
}

TEST(BlockCache, TheLaterValueReplacesTheEarlier) {
  Cache cache(100);
  cache.Insert(1, 2, std::string(400, 'a'));
  cache.Insert(1, 2, "b");
  std::string value;
  ASSERT_TRUE(cache.Lookup(1, 2, &value));
  EXPECT_EQ(value, "b");
  EXPECT_EQ(cache.control.used, 1u);
  EXPECT_EQ(cache.control.evictions, 0u) << "replacing is not evicting";
}

TEST(BlockCache, AValueLargerThanHalfTheCacheIsRefusedAndItsOldOneForgotten) {
  Cache cache(100);
  EXPECT_TRUE(cache.Insert(1, 1, std::string(50 * 80, 'x')));
  EXPECT_FALSE(cache.Insert(1, 1, std::string(50 * 80 + 1, 'y')));
  EXPECT_FALSE(cache.Has(1, 1)) << "the old value would be stale";
}

TEST(BlockCache, AFullCacheEvictsWhatWasNotUsed) {
  Cache cache(100);
  for (uint32_t i = 0; i < 100; ++i) ASSERT_TRUE(cache.Insert(1, i, "v"));
  EXPECT_EQ(cache.control.used, 100u);
  EXPECT_EQ(cache.control.evictions, 0u);
  // The hand goes round once, every entry loses its mark, one goes.
  ASSERT_TRUE(cache.Insert(2, 0, "v"));
  EXPECT_EQ(cache.control.evictions, 1u);
  std::vector<uint32_t> used;
  for (uint32_t i = 0; i < 100; i += 3) {
    if (cache.Has(1, i)) used.push_back(i);
  }
  ASSERT_GE(used.size(), 33u);
  for (uint32_t i = 0; i < 60; ++i) ASSERT_TRUE(cache.Insert(3, i, "v"));
  EXPECT_EQ(cache.control.evictions, 61u);
  for (const uint32_t i : used) EXPECT_TRUE(cache.Has(1, i)) << i << " was used, others were not";
  EXPECT_EQ(cache.control.entries, 100u);
}

TEST(BlockCache, ALargeValueEvictsSeveral) {
  Cache cache(100);
  for (uint32_t i = 0; i < 100; ++i) cache.Insert(1, i, "v");
  ASSERT_TRUE(cache.Insert(2, 0, std::string(30 * 80, 'x')));
  EXPECT_EQ(cache.control.evictions, 30u);
  EXPECT_EQ(cache.control.used, 100u);
  EXPECT_EQ(cache.control.entries, 71u);
}

TEST(BlockCache, ForgettingFreesTheBlocks) {
  Cache cache(100);
  cache.Insert(1, 1, std::string(500, 'x'));
  cache.Insert(1, 2, "y");
  cache.Forget(1, 1);
  cache.Forget(1, 9);
  EXPECT_FALSE(cache.Has(1, 1));
  EXPECT_TRUE(cache.Has(1, 2));
  EXPECT_EQ(cache.control.used, 1u);
  EXPECT_EQ(cache.control.entries, 1u);
}

TEST(BlockCache, ForgettingADatabaseLeavesTheOthers) {
  Cache cache(100);
  for (uint32_t i = 0; i < 20; ++i) {
    cache.Insert(1, i, std::string(100, 'x'));
    cache.Insert(2, i, "y");
  }
  cache.ForgetAll(1);
  for (uint32_t i = 0; i < 20; ++i) {
    EXPECT_FALSE(cache.Has(1, i));
    EXPECT_TRUE(cache.Has(2, i));
  }
  EXPECT_EQ(cache.control.used, 20u);
}

TEST(BlockCache, AnEmptyCacheHoldsNothing) {
  Cache cache(0);
  EXPECT_FALSE(cache.Insert(1, 1, "x"));
  EXPECT_FALSE(cache.Has(1, 1));
  cache.ForgetAll(1);
}

TEST(BlockCache, ItNeverTellsAnythingButTheLatestValue) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Cache cache(static_cast<uint32_t>(2 + random.Below(130)));
    std::map<std::pair<uint32_t, uint32_t>, std::string> model;
    for (int step = 0; step < 3000; ++step) {
      const auto a = static_cast<uint32_t>(random.Below(3));
      const auto b = static_cast<uint32_t>(random.Below(60));
      const size_t what = random.Below(100);
      std::string value;
      if (what < 40) {
        value = random.Bytes(random.Below(random.Below(5) == 0 ? 1000 : 90));
        if (cache.Insert(a, b, value)) {
          model[{a, b}] = value;
          ASSERT_TRUE(cache.Has(a, b)) << "just stored";
        } else {
          ASSERT_GT((value.size() + 79) / 80, cache.control.capacity / 2);
          model.erase({a, b});
        }
      } else if (what < 95) {
        const auto known = model.find({a, b});
        if (cache.Lookup(a, b, &value)) {
          ASSERT_TRUE(known != model.end());
          ASSERT_EQ(value, known->second);
        }
      } else if (what < 99) {
        cache.Forget(a, b);
        model.erase({a, b});
      } else {
        cache.ForgetAll(a);
        for (auto at = model.begin(); at != model.end();) at = at->first.first == a ? model.erase(at) : std::next(at);
      }
      ASSERT_LE(cache.control.used, cache.control.capacity);
      ASSERT_LE(cache.control.entries, cache.control.used);
      ASSERT_TRUE(cache.FenceStands());
    }
    for (uint32_t a = 0; a < 3; ++a) cache.ForgetAll(a);
    EXPECT_EQ(cache.control.used, 0u) << "a block is lost";
    EXPECT_EQ(cache.control.entries, 0u);
  }
}

TEST(BlockCache, ACacheLargeEnoughForgetsNothing) {
  Cache cache(1000);
  for (uint32_t i = 0; i < 500; ++i) ASSERT_TRUE(cache.Insert(i % 7, i, std::string(160, 'x')));
  for (uint32_t i = 0; i < 500; ++i) EXPECT_TRUE(cache.Has(i % 7, i));
  EXPECT_EQ(cache.control.evictions, 0u);
}

}  // namespace
}  // namespace tviews::core
