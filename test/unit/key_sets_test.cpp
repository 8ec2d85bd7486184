// The keys of a batch.
#include "core/key_sets.h"

#include <algorithm>
#include <map>
#include <vector>

#include "bytes.h"

namespace tviews::core {
namespace {

class Keys : public testing::Test {
 protected:
  Keys() : sets_(NewKeySets()) {}
  ~Keys() override { DeleteKeySets(sets_); }

  bool Add(uint32_t number, const std::string& key) {
    bool added = false;
    EXPECT_EQ(AddKey(sets_, number, Span(key), &added), Outcome::kOk);
    return added;
  }

  std::vector<uint32_t> Numbers() {
    std::vector<uint32_t> numbers(SetNumbers(sets_, nullptr, 0));
    EXPECT_EQ(SetNumbers(sets_, numbers.data(), numbers.size()), numbers.size());
    return numbers;
  }

  KeySets* sets_;
};

TEST_F(Keys, AKeyIsNewOnce) {
  EXPECT_TRUE(Add(1, "a"));
  EXPECT_FALSE(Add(1, "a"));
  EXPECT_EQ(KeyCount(sets_, 1), 1u);
}

TEST_F(Keys, SetsDoNotMix) {
  EXPECT_TRUE(Add(1, "a"));
  EXPECT_TRUE(Add(2, "a"));
  EXPECT_TRUE(Add(2, "b"));
  EXPECT_EQ(KeyCount(sets_, 1), 1u);
  EXPECT_EQ(KeyCount(sets_, 2), 2u);
  EXPECT_EQ(TotalKeys(sets_), 3u);
  EXPECT_TRUE(HasKey(sets_, 2, Span("b")));
  EXPECT_FALSE(HasKey(sets_, 1, Span("b")));
  EXPECT_FALSE(HasKey(sets_, 3, Span("a")));
}

TEST_F(Keys, KeysComeInOrderOfInsertion) {
  for (const char* key : {"c", "a", "b", "a"}) Add(9, key);
  EXPECT_EQ(Text(KeyAt(sets_, 9, 0)), "c");
  EXPECT_EQ(Text(KeyAt(sets_, 9, 1)), "a");
  EXPECT_EQ(Text(KeyAt(sets_, 9, 2)), "b");
  EXPECT_EQ(KeyAt(sets_, 9, 3).data, nullptr);
  EXPECT_EQ(KeyAt(sets_, 8, 0).data, nullptr);
}

TEST_F(Keys, TheCallerMayNotCareWhetherAKeyIsNew) { EXPECT_EQ(AddKey(sets_, 1, Span("a"), nullptr), Outcome::kOk); }

TEST_F(Keys, AnEmptyKeyIsAKey) {
  ASSERT_EQ(AddKey(sets_, 0, {nullptr, 0}, nullptr), Outcome::kOk);
  EXPECT_EQ(KeyCount(sets_, 0), 1u);
  EXPECT_TRUE(HasKey(sets_, 0, {nullptr, 0}));
  EXPECT_NE(KeyAt(sets_, 0, 0).data, nullptr);
}

TEST_F(Keys, AKeyStaysWhereItIsWhileOthersAreAdded) {
  Add(1, "first");
  const ByteSpan first = KeyAt(sets_, 1, 0);
  for (int i = 0; i < 100000; ++i) Add(static_cast<uint32_t>(1 + i % 3), std::to_string(i));
  EXPECT_EQ(KeyAt(sets_, 1, 0).data, first.data);
  EXPECT_EQ(Text(first), "first");
}

TEST_F(Keys, NumbersAscend) {
  Add(30, "a");
  Add(UINT32_MAX, "a");
  Add(4, "a");
  EXPECT_EQ(Numbers(), (std::vector<uint32_t>{4, 30, UINT32_MAX}));
  uint32_t one = 0;
  EXPECT_EQ(SetNumbers(sets_, &one, 1), 3u);
  EXPECT_EQ(one, 4u);
}

TEST_F(Keys, ClearingAllLeavesNothing) {
  Add(1, "a");
  Add(2, "b");
  ClearKeySets(sets_);
  EXPECT_EQ(TotalKeys(sets_), 0u);
  EXPECT_EQ(KeyCount(sets_, 1), 0u);
  EXPECT_TRUE(Numbers().empty());
  EXPECT_TRUE(Add(2, "b"));
}

TEST_F(Keys, TheyBehaveAsAMapOfLists) {
  std::map<uint32_t, std::vector<std::string>> model;
  Random random(3);
  for (int step = 0; step < 50000; ++step) {
    const auto number = static_cast<uint32_t>(random.Below(5));
    if (random.Below(2000) == 0) {
      ClearKeySets(sets_);
      model.clear();
      continue;
    }
    std::vector<std::string>& list = model[number];
    const std::string key = random.Bytes(random.Below(3));
    const bool is_new = std::find(list.begin(), list.end(), key) == list.end();
    ASSERT_EQ(Add(number, key), is_new);
    if (is_new) list.push_back(key);
  }
  size_t total = 0;
  for (const auto& [number, list] : model) {
    ASSERT_EQ(KeyCount(sets_, number), list.size());
    for (size_t i = 0; i < list.size(); ++i) ASSERT_EQ(Text(KeyAt(sets_, number, i)), list[i]);
    total += list.size();
  }
  EXPECT_EQ(TotalKeys(sets_), total);
}

}  // namespace
}  // namespace tviews::core
