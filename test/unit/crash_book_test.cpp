// What follows from a crash, and from the next.
#include "core/crash_book.h"

#include <gtest/gtest.h>

#include <random>

namespace tviews::core {
namespace {

constexpr uint32_t kTview = 7;
constexpr int64_t kSecond = 1000 * 1000;

class CrashBookTest : public testing::Test {
 protected:
  CrashBookTest() { InitBook(&book_); }

  static CrashNote Note(Attempt kind, uint64_t hash = 0, uint32_t point = 0, uint32_t tview = kTview, uint64_t count = 0) {
    CrashNote note = {};
    note.tview = tview;
    note.point = point;
    note.hash = hash;
    note.count = count;
    note.kind = kind;
    SealNote(&note);
    return note;
  }
  bool Crash(Attempt kind, uint64_t hash = 0, uint32_t point = 0) { return Account(&book_, Note(kind, hash, point), now_ += kSecond); }
  // A batch of process 0 that refreshes `keys` keys, none of them in doubt.
  void OtherKeys(uint64_t keys) {
    ForgetTried(&book_, 0);
    NoteTried(&book_, kTview, 0, keys, 0);
    CommitTried(&book_, 0);
  }
  bool Owes(uint64_t hash, uint32_t point = 0) const {
    const Suspect* one = FindOne(book_, kTview, point, hash);
    return one != nullptr && one->owes;
  }
  // One batch of process 0: every key is tried that may be, in the order of 1 .. `keys`.  Dies at the first that `dies`.
  template <typename Dies>
  bool Batch(uint64_t keys, bool whole, Dies dies) {
    ForgetTried(&book_, 0);
    const Care care = CareFor(book_, kTview, 0);
    if (care.give_up) {
      NoteTried(&book_, kTview, 0, kAllKeys, 0);
      CommitTried(&book_, 0);
      gave_up_ = true;
      return true;
    }
    const bool apart = whole ? care.by_keys : care.one_by_one;
    for (uint64_t key = 1; key <= keys; ++key) {
      const Suspect* one = FindOne(book_, kTview, 0, key);
      if (one != nullptr && IsPoison(*one)) {
        NoteParked(&book_, kTview, 0, key, 0);
        continue;
      }
      if (dies(key)) {
        Crash(apart || one != nullptr ? Attempt::kOne : whole ? Attempt::kWhole : keys == 1 ? Attempt::kOne : Attempt::kSeveral, key);
        return false;
      }
      if (apart || one != nullptr) {
        Acquit(&book_, kTview, 0, key);
        NoteSuccess(&book_, kTview);
      }
    }
    NoteTried(&book_, kTview, 0, whole ? kAllKeys : keys, 0);
    CommitTried(&book_, 0);
    return true;
  }

  CrashBook book_;
  int64_t now_ = 1;
  bool gave_up_ = false;
};

TEST_F(CrashBookTest, AFewOtherKeysDoNotAcquitSeveral) {
  int crashes = 0;
  for (; crashes < 20 && !Owes(42); ++crashes) {
    const bool one = CareFor(book_, kTview, 0).one_by_one || FindOne(book_, kTview, 0, 42) != nullptr;
    Account(&book_, Note(one ? Attempt::kOne : Attempt::kSeveral, 42, 0, kTview, one ? 1 : 100), now_ += kSecond);
    OtherKeys(3);
  }
  EXPECT_LE(crashes, 5);
}

TEST_F(CrashBookTest, ManyOtherKeysAcquitSeveral) {
  Account(&book_, Note(Attempt::kSeveral, 42, 0, kTview, 100), now_);
  OtherKeys(99);
  EXPECT_TRUE(UnderSuspicion(book_, kTview));
  OtherKeys(100);
  EXPECT_FALSE(UnderSuspicion(book_, kTview));
  Account(&book_, Note(Attempt::kSeveral, 42, 0, kTview, 100), now_);
  for (int i = 0; i < 100; ++i) {
    OtherKeys(50);
  }
  EXPECT_FALSE(UnderSuspicion(book_, kTview));
}

TEST_F(CrashBookTest, KeysThatCrashTogetherWithoutTheParkedOneStayApart) {
  for (int i = 0; i < 3; ++i) {
    Crash(Attempt::kOne, 42);
  }
  ASSERT_TRUE(Owes(42));
  NoteParked(&book_, kTview, 0, 42, 0);
  OtherKeys(100);
  EXPECT_FALSE(CareFor(book_, kTview, 0).one_by_one);
  Account(&book_, Note(Attempt::kSeveral, 1, 0, kTview, 100), now_);
  OtherKeys(kAllKeys);
  EXPECT_TRUE(CareFor(book_, kTview, 0).one_by_one) << "the parked key is still there";
  Acquit(&book_, kTview, 0, 42);
  OtherKeys(kAllKeys);
  EXPECT_FALSE(UnderSuspicion(book_, kTview));
}

TEST_F(CrashBookTest, KeysDoNotAcquitAComparisonOfTheWhole) {
  int crashes = 0;
  for (; crashes < 20 && !CareFor(book_, kTview, 0).by_keys; ++crashes) {
    Crash(Attempt::kWhole);
    OtherKeys(1000);
  }
  EXPECT_LE(crashes, 2);
}

TEST_F(CrashBookTest, DamageIsNoticed) {
  EXPECT_TRUE(IsIntact(book_));
  for (size_t i = 0; i < sizeof(book_); ++i) {
    CrashBook damaged = book_;
    reinterpret_cast<unsigned char*>(&damaged)[i] ^= 0x10;
    EXPECT_FALSE(IsIntact(damaged)) << i;
  }
  CrashNote note = Note(Attempt::kOne, 5);
  EXPECT_TRUE(IsIntact(note));
  ++note.hash;
  EXPECT_FALSE(IsIntact(note));
  EXPECT_FALSE(Account(&book_, note, 1));
  EXPECT_EQ(book_.restarts, 0u);
}

TEST_F(CrashBookTest, OneCrashParksNothing) {
  for (const Attempt kind : {Attempt::kSeveral, Attempt::kOne, Attempt::kWhole, Attempt::kList}) {
    InitBook(&book_);
    EXPECT_TRUE(Crash(kind, 5));
    EXPECT_FALSE(Owes(5));
    EXPECT_FALSE(CareFor(book_, kTview, 0).give_up);
  }
}

TEST_F(CrashBookTest, AProcessThatWasToldToLeaveBlamesNobody) {
  EXPECT_FALSE(Account(&book_, Note(Attempt::kStopped), 1));
  EXPECT_TRUE(Account(&book_, Note(Attempt::kRunning), 1));
  EXPECT_FALSE(Account(&book_, Note(Attempt::kNone), 1));
  EXPECT_FALSE(UnderSuspicion(book_, kTview));
  EXPECT_EQ(book_.restarts, 2u);
  EXPECT_EQ(book_.consecutive, 1u);
}

TEST_F(CrashBookTest, OneKeyOfAThousandIsFoundInFourCrashes) {
  int crashes = 0;
  while (!Batch(1000, false, [](uint64_t key) { return key == 500; })) {
    ASSERT_LE(++crashes, 10);
  }
  EXPECT_EQ(crashes, 4);
  EXPECT_FALSE(gave_up_);
  ASSERT_NE(FindOne(book_, kTview, 0, 500), nullptr);
  EXPECT_FALSE(Owes(500)) << "it is parked, and may be tried when its time has come";
  EXPECT_FALSE(CareFor(book_, kTview, 0).one_by_one) << "the others are refreshed together again";
}

TEST_F(CrashBookTest, AWholeViewIsTriedTwiceThenByKeys) {
  int crashes = 0;
  while (!Batch(1000, true, [](uint64_t key) { return key == 500; })) {
    ASSERT_LE(++crashes, 10);
  }
  EXPECT_EQ(crashes, 5);
  EXPECT_TRUE(CareFor(book_, kTview, 0).by_keys) << "one key of it is poison";
}

TEST_F(CrashBookTest, AViewThatAlwaysCrashesIsParkedAsAWhole) {
  int crashes = 0;
  while (!Batch(1000, false, [](uint64_t) { return true; })) {
    ASSERT_LE(++crashes, 10);
  }
  EXPECT_TRUE(gave_up_);
  EXPECT_EQ(crashes, 6);
  // Later attempts are of the whole; each crash parks it again.
  EXPECT_FALSE(CareFor(book_, kTview, 0).by_keys);
  EXPECT_FALSE(CareFor(book_, kTview, 0).give_up);
  Crash(Attempt::kWhole);
  EXPECT_TRUE(CareFor(book_, kTview, 0).give_up);
  AcquitAll(&book_, kTview);
  EXPECT_FALSE(UnderSuspicion(book_, kTview));
}

TEST_F(CrashBookTest, SeveralPoisonedKeysAmongGoodOnesAreParkedAlone) {
  int crashes = 0;
  while (!Batch(1000, false, [](uint64_t key) { return key % 300 == 0; })) {
    ASSERT_LE(++crashes, 20);
  }
  EXPECT_FALSE(gave_up_);
  EXPECT_EQ(crashes, 1 + 3 + 2 + 2);
}

TEST_F(CrashBookTest, AParkedKeyIsTriedOncePerTurn) {
  while (!Batch(10, false, [](uint64_t key) { return key == 5; })) {
  }
  for (int turn = 0; turn < 20; ++turn) {
    Crash(Attempt::kOne, 5);
    EXPECT_TRUE(Owes(5));
    EXPECT_TRUE(Batch(10, false, [](uint64_t) { return false; }));
    EXPECT_FALSE(Owes(5));
    EXPECT_FALSE(gave_up_);
  }
  Acquit(&book_, kTview, 0, 5);
  EXPECT_FALSE(UnderSuspicion(book_, kTview));
}

TEST_F(CrashBookTest, WhatABatchParksHoldsOnlyWhenItCommits) {
  for (int i = 0; i < 3; ++i) {
    Crash(Attempt::kOne, 5);
  }
  EXPECT_TRUE(Owes(5));
  NoteParked(&book_, kTview, 0, 5, 0);
  ForgetTried(&book_, 0);
  CommitTried(&book_, 0);
  EXPECT_TRUE(Owes(5));
  NoteParked(&book_, kTview, 0, 5, 1);
  CommitTried(&book_, 0);
  EXPECT_TRUE(Owes(5)) << "another process's batch";
  CommitTried(&book_, 1);
  EXPECT_FALSE(Owes(5));
}

TEST_F(CrashBookTest, AMappingIsApartFromTheRefresh) {
  Crash(Attempt::kSeveral, 0, 3);
  EXPECT_TRUE(CareFor(book_, kTview, 3).one_by_one);
  EXPECT_FALSE(CareFor(book_, kTview, 0).one_by_one);
  EXPECT_FALSE(CareFor(book_, kTview, 4).one_by_one);
  for (int i = 0; i < 3; ++i) {
    Crash(Attempt::kOne, 9, 3);
  }
  EXPECT_TRUE(Owes(9, 3));
  EXPECT_FALSE(CareFor(book_, kTview, 0).by_keys);
}

TEST_F(CrashBookTest, AFullBookForgetsTheLeast) {
  for (int i = 0; i < 3; ++i) {
    Crash(Attempt::kOne, 1);
  }
  for (uint32_t tview = 100; tview < 200; ++tview) {
    Account(&book_, Note(Attempt::kOne, 1, 0, tview), now_ += kSecond);
  }
  EXPECT_TRUE(Owes(1));
  EXPECT_TRUE(UnderSuspicion(book_, 199));
  EXPECT_FALSE(UnderSuspicion(book_, 100));
}

TEST_F(CrashBookTest, SuspicionEndsAfterAnHour) {
  Crash(Attempt::kSeveral);
  now_ += 3700 * kSecond;
  Account(&book_, Note(Attempt::kRunning), now_);
  EXPECT_FALSE(UnderSuspicion(book_, kTview));
}

// Kills at random moments, each followed by another attempt: nothing that does not crash by itself is parked.
TEST_F(CrashBookTest, RandomKillsParkNothing) {
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    const uint64_t keys = 1 + random() % 50;
    const uint64_t victim = 1 + random() % (3 * keys);
    Batch(keys, random() % 4 == 0, [victim](uint64_t key) { return key == victim; });
    for (const Suspect& suspect : book_.suspects) {
      ASSERT_FALSE(suspect.owes) << round;
    }
  }
}

}  // namespace
}  // namespace tviews::core
