// Memory: every failed allocation is answered and harms nothing; what is cleared is given back.
#include <algorithm>
#include <cstdlib>
#include <new>
#include <set>
#include <vector>

#include "bytes.h"
#include "core/dirty_set.h"
#include "core/key_sets.h"
#include "core/lineage.h"
#include "core/pending.h"

namespace {
// Allocations until one fails; negative: none does.
long g_left = -1;
// Bytes allocated and not given back.
size_t g_live = 0;

constexpr size_t kHeader = 16;

void* Allocate(size_t size) noexcept {
  if (g_left == 0) {
    return nullptr;
  }
  if (g_left > 0) {
    --g_left;
  }
  auto* place = static_cast<unsigned char*>(malloc(size + kHeader));
  if (place == nullptr) {
    return nullptr;
  }
  memcpy(place, &size, sizeof(size));
  g_live += size;
  return place + kHeader;
}

void Free(void* given) noexcept {
  if (given != nullptr) {
    auto* place = static_cast<unsigned char*>(given) - kHeader;
    size_t size;
    memcpy(&size, place, sizeof(size));
    g_live -= size;
    free(place);
  }
}

void* AllocateOrThrow(size_t size) {
  void* place = Allocate(size);
  if (place == nullptr) {
    throw std::bad_alloc();
  }
  return place;
}
}  // namespace

void* operator new(size_t size) { return AllocateOrThrow(size); }
void* operator new[](size_t size) { return AllocateOrThrow(size); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return Allocate(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return Allocate(size); }
void operator delete(void* place) noexcept { Free(place); }
void operator delete[](void* place) noexcept { Free(place); }
void operator delete(void* place, size_t) noexcept { Free(place); }
void operator delete[](void* place, size_t) noexcept { Free(place); }
void operator delete(void* place, const std::nothrow_t&) noexcept { Free(place); }
void operator delete[](void* place, const std::nothrow_t&) noexcept { Free(place); }

namespace tviews::core {
namespace {

// Fails the allocation number `after` from now on, and all later ones.
struct FailingAfter {
  explicit FailingAfter(long after) { g_left = after; }
  ~FailingAfter() { g_left = -1; }
};

DirtyKey NumberKey(const uint32_t& i) { return {1, {reinterpret_cast<const unsigned char*>(&i), sizeof(i)}}; }
ByteSpan NumberSpan(const uint32_t& i) { return {reinterpret_cast<const unsigned char*>(&i), sizeof(i)}; }

TEST(Memory, ADirtySetSurvivesEveryFailedAllocation) {
  for (long after = 0; after < 60; ++after) {
    DirtySet* set = NewDirtySet();
    size_t kept = 0;
    {
      FailingAfter failing(after);
      for (uint32_t i = 0; i < 20000; ++i) {
        const int level = 1 + static_cast<int>(i / 500);
        if (AddDirtyKey(set, level, NumberKey(i)) != Outcome::kOk) break;
        ++kept;
      }
    }
    ASSERT_EQ(KeysInSet(set), kept);
    for (uint32_t i = 0; i < kept; ++i) {
      ASSERT_EQ(AddDirtyKey(set, 1000, NumberKey(i)), Outcome::kOk);
    }
    ASSERT_EQ(KeysInSet(set), kept) << "a key got lost after " << after;
    std::vector<unsigned char> out(1 << 20);
    size_t offset = 0, read = 0;
    const size_t size = TakeKeys(set, 0, out.data(), out.size());
    for (DirtyKey key; NextDirtyKey({out.data(), size}, &offset, &key) == Next::kItem;) ++read;
    ASSERT_EQ(read, kept);
    DeleteDirtySet(set);
  }
}

TEST(Memory, KeySetsSurviveEveryFailedAllocation) {
  for (long after = 0; after < 60; ++after) {
    KeySets* sets = NewKeySets();
    uint32_t kept = 0;
    {
      FailingAfter failing(after);
      while (kept < 20000 && AddKey(sets, kept % 3, NumberSpan(kept), nullptr) == Outcome::kOk) ++kept;
    }
    ASSERT_EQ(TotalKeys(sets), kept);
    for (uint32_t i = 0; i < kept; ++i) {
      ASSERT_TRUE(HasKey(sets, i % 3, NumberSpan(i)));
      ASSERT_EQ(KeyAt(sets, i % 3, i / 3), NumberSpan(i));
    }
    bool added = false;
    ASSERT_EQ(AddKey(sets, kept % 3, NumberSpan(kept), &added), Outcome::kOk);
    ASSERT_TRUE(added);
    DeleteKeySets(sets);
  }
}

TEST(Memory, PendingRecordsSurviveEveryFailedAllocation) {
  for (long after = 0; after < 200; ++after) {
    Pending* pending = NewPending(1 << 20, 100000);
    uint32_t kept = 0;
    {
      FailingAfter failing(after);
      while (kept < 2000 && AddPendingRecord(pending, {1, 0, {1, kept, 1, 0}, Span("payload")}) == AddPending::kAdded) ++kept;
    }
    ASSERT_EQ(PendingCount(pending), kept);
    for (uint32_t i = 0; i < kept; ++i) {
      ASSERT_EQ(AddPendingRecord(pending, {1, 0, {1, i, 1, 0}, Span("payload")}), AddPending::kKnown);
      ASSERT_EQ(Text(PendingAt(pending, i).payload), "payload");
    }
    ASSERT_EQ(AddPendingRecord(pending, {1, 0, {1, kept, 1, 0}, Span("payload")}), AddPending::kAdded);
    DeletePending(pending);
  }
}

TEST(Memory, LineageAnswersEveryFailedAllocation) {
  std::vector<LineageEdge> edges;
  for (int32_t i = 1; i < 30; ++i) edges.push_back({i, 1, i - 1, 2, 1, 2, 0, 0, i});
  const LineageRoot root = {0, 1, 1};
  bool done = false;
  for (long after = 0; after < 500 && !done; ++after) {
    LineageResult result;
    Outcome outcome;
    {
      FailingAfter failing(after);
      outcome = FindPaths(30, edges.data(), 29, &root, 1, &result);
    }
    done = outcome == Outcome::kOk;
    ASSERT_EQ(result.paths != nullptr, done);
    FreeLineage(&result);
  }
  EXPECT_TRUE(done);
}

TEST(Memory, NothingIsMadeWithoutMemory) {
  FailingAfter failing(0);
  DirtySet* dirty = NewDirtySet();
  KeySets* keys = NewKeySets();
  Pending* pending = NewPending(1, 1);
  g_left = -1;
  EXPECT_EQ(dirty, nullptr);
  EXPECT_EQ(keys, nullptr);
  EXPECT_EQ(pending, nullptr);
  DeleteDirtySet(dirty);
  DeleteKeySets(keys);
  DeletePending(pending);
}

TEST(Memory, AClearedDirtySetGivesItsMemoryBack) {
  DirtySet* set = NewDirtySet();
  const size_t before = g_live;
  for (uint32_t i = 0; i < 200000; ++i) ASSERT_EQ(AddDirtyKey(set, 1, NumberKey(i)), Outcome::kOk);
  EXPECT_GT(g_live, before + 200000 * 16);
  EXPECT_LT(g_live, before + 200000 * 64) << "more than 64 bytes for an integer key";
  ClearDirtySet(set);
  EXPECT_LT(g_live, before + 4096);
  DeleteDirtySet(set);
}

TEST(Memory, ATransactionOfManyRolledBackSavepointsDoesNotGrow) {
  DirtySet* set = NewDirtySet();
  const uint32_t parent = UINT32_MAX;
  ASSERT_EQ(AddDirtyKey(set, 1, NumberKey(parent)), Outcome::kOk);
  const size_t before = g_live;
  for (uint32_t i = 0; i < 100000; ++i) {
    ASSERT_EQ(AddDirtyKey(set, 2, NumberKey(i)), Outcome::kOk);
    RollbackLevel(set, 2);
  }
  EXPECT_LT(g_live, before + 8192);
  EXPECT_EQ(KeysInSet(set), 1u);
  DeleteDirtySet(set);
}

TEST(Memory, ASubtransactionThatIsTakenAgainAndAgainDoesNotGrow) {
  // A transaction of ten million rows writes early; the keys of its parent stay.
  DirtySet* set = NewDirtySet();
  std::vector<unsigned char> out(8000);
  for (uint32_t i = 0; i < 100; ++i) ASSERT_EQ(AddDirtyKey(set, 1, NumberKey(i)), Outcome::kOk);
  size_t highest = 0, first_round = 0;
  for (uint32_t round = 0; round < 50; ++round) {
    for (uint32_t i = 0; i < 10000; ++i) {
      const uint32_t number = 1000 + round * 10000 + i;
      ASSERT_EQ(AddDirtyKey(set, 3, NumberKey(number)), Outcome::kOk);
    }
    highest = std::max(highest, g_live);
    if (round == 0) first_round = g_live;
    while (TakeKeys(set, 3, out.data(), out.size()) > 0) {
    }
  }
  EXPECT_LT(highest, first_round + first_round / 2);
  EXPECT_EQ(KeysInSet(set), 100u);
  DeleteDirtySet(set);
}

TEST(Memory, ClearedKeySetsGiveTheirMemoryBack) {
  KeySets* sets = NewKeySets();
  const size_t before = g_live;
  for (uint32_t i = 0; i < 100000; ++i) ASSERT_EQ(AddKey(sets, i % 2, NumberSpan(i), nullptr), Outcome::kOk);
  ClearKeySets(sets);
  EXPECT_EQ(g_live, before);
  DeleteKeySets(sets);
}

TEST(Memory, DonePendingRecordsGiveTheirMemoryBack) {
  Pending* pending = NewPending(64 << 20, 100000);
  const size_t before = g_live;
  for (uint32_t i = 0; i < 10000; ++i) {
    ASSERT_EQ(AddPendingRecord(pending, {1, 0, {1, i, 1, 0}, Span(std::string(1000, 'p'))}), AddPending::kAdded);
    MarkDone(pending, i);
  }
  EXPECT_GT(g_live, before + 10000000);
  RemoveDone(pending);
  EXPECT_LT(g_live, before + 16384);
  DeletePending(pending);
}

TEST(Memory, ManySmallTransactionsAllocateNextToNothing) {
  DirtySet* set = NewDirtySet();
  const uint32_t number = 1;
  unsigned char out[64];
  ASSERT_EQ(AddDirtyKey(set, 1, NumberKey(number)), Outcome::kOk);
  ClearDirtySet(set);
  FailingAfter failing(0);  // the first transaction left what the next one needs
  Outcome outcome = Outcome::kOk;
  for (int i = 0; i < 1000 && outcome == Outcome::kOk; ++i) {
    outcome = AddDirtyKey(set, 1, NumberKey(number));
    if (TakeKeys(set, 0, out, sizeof(out)) == 0) outcome = Outcome::kOutOfMemory;
    ClearDirtySet(set);
  }
  g_left = -1;
  EXPECT_EQ(outcome, Outcome::kOk);
  DeleteDirtySet(set);
}

}  // namespace
}  // namespace tviews::core
