// The records a worker holds.
#include "core/pending.h"

#include <algorithm>
#include <vector>

#include "bytes.h"

namespace tviews::core {
namespace {

class Records : public testing::Test {
 protected:
  Records() { Make(1 << 20, 1000); }
  ~Records() override { DeletePending(pending_); }

  void Make(size_t payload_memory, size_t max_records) {
    DeletePending(pending_);
    pending_ = NewPending(payload_memory, max_records);
  }

  AddPending Add(uint64_t xid, uint32_t relfile, uint32_t block, uint16_t offset, const std::string& payload = "") {
    return AddPendingRecord(pending_, {xid, 42, {relfile, block, offset, static_cast<uint16_t>(relfile % 4)}, Span(payload)});
  }

  std::vector<uint64_t> Xids() {
    std::vector<uint64_t> xids;
    for (size_t i = 0; i < PendingCount(pending_); ++i) xids.push_back(PendingAt(pending_, i).xid);
    return xids;
  }

  Pending* pending_ = nullptr;
};

TEST_F(Records, ARecordComesBackAsItWas) {
  ASSERT_EQ(Add(uint64_t{5} << 32, 16390, 3, 4, "payload"), AddPending::kAdded);
  const PendingRecord record = PendingAt(pending_, 0);
  EXPECT_EQ(record.xid, uint64_t{5} << 32);
  EXPECT_EQ(record.pushed_at, 42);
  EXPECT_EQ(record.address.relfile, 16390u);
  EXPECT_EQ(record.address.block, 3u);
  EXPECT_EQ(record.address.offset, 4);
  EXPECT_EQ(record.address.table, 2);
  EXPECT_EQ(Text(record.payload), "payload");
}

TEST_F(Records, ARecordFromRingAndScanIsKnownOnce) {
  EXPECT_EQ(Add(1, 10, 2, 3, "a"), AddPending::kAdded);
  EXPECT_EQ(Add(1, 10, 2, 3, "a"), AddPending::kKnown);
  EXPECT_EQ(PendingCount(pending_), 1u);
}

TEST_F(Records, EveryPartOfTheAddressAndTheTransactionTellsRecordsApart) {
  EXPECT_EQ(Add(1, 10, 2, 3), AddPending::kAdded);
  EXPECT_EQ(Add(1, 11, 2, 3), AddPending::kAdded) << "another generation";
  EXPECT_EQ(Add(1, 10, 3, 3), AddPending::kAdded);
  EXPECT_EQ(Add(1, 10, 2, 4), AddPending::kAdded);
  EXPECT_EQ(Add(2, 10, 2, 3), AddPending::kAdded) << "vacuum gave the place to another transaction";
  EXPECT_EQ(Xids(), (std::vector<uint64_t>{1, 1, 1, 1, 2}));
}

TEST_F(Records, AKnownRecordGetsThePayloadItLacked) {
  Add(1, 10, 2, 3);
  EXPECT_EQ(Add(1, 10, 2, 3, "payload"), AddPending::kKnown);
  EXPECT_EQ(Text(PendingAt(pending_, 0).payload), "payload");
}

TEST_F(Records, AKnownRecordThatComesWithoutPayloadIsToBeRead) {
  Add(1, 10, 2, 3, "rolled back");
  EXPECT_EQ(Add(1, 10, 2, 3), AddPending::kKnown);
  EXPECT_EQ(PendingAt(pending_, 0).payload.size, 0u) << "the place may hold another row of the transaction now";
}

TEST_F(Records, TheLaterPayloadOfAReusedPlaceWins) {
  Add(1, 10, 2, 3, "rolled back");
  EXPECT_EQ(Add(1, 10, 2, 3, "the second"), AddPending::kKnown);
  EXPECT_EQ(Text(PendingAt(pending_, 0).payload), "the second");
}

TEST_F(Records, PayloadsBeyondTheBudgetAreNotKept) {
  Make(10, 1000);
  Add(1, 1, 1, 1, "12345678");
  Add(2, 2, 1, 1, "123");
  Add(3, 3, 1, 1, "12");
  EXPECT_EQ(PendingAt(pending_, 0).payload.size, 8u);
  EXPECT_EQ(PendingAt(pending_, 1).payload.size, 0u);
  EXPECT_EQ(PendingAt(pending_, 2).payload.size, 2u);
  MarkDone(pending_, 0);
  RemoveDone(pending_);
  Add(4, 4, 1, 1, "12345678");
  EXPECT_EQ(PendingAt(pending_, 2).payload.size, 8u) << "what was dropped gives its room back";
  ClearPending(pending_);
  Add(5, 5, 1, 1, "1234567890");
  EXPECT_EQ(PendingAt(pending_, 0).payload.size, 10u);
}

TEST_F(Records, TheRecordPastTheLimitIsRefusedAndAKnownOneIsNot) {
  Make(100, 2);
  EXPECT_EQ(Add(1, 1, 1, 1), AddPending::kAdded);
  EXPECT_EQ(Add(2, 2, 1, 1), AddPending::kAdded);
  EXPECT_EQ(Add(3, 3, 1, 1), AddPending::kFull);
  EXPECT_EQ(Add(2, 2, 1, 1), AddPending::kKnown);
  MarkDone(pending_, 0);
  RemoveDone(pending_);
  EXPECT_EQ(Add(3, 3, 1, 1), AddPending::kAdded);
}

TEST_F(Records, DoneRecordsGoAndTheRestKeepTheirOrder) {
  for (uint32_t i = 0; i < 6; ++i) Add(i, i, 0, 0, "p" + std::to_string(i));
  MarkDone(pending_, 1);
  MarkDone(pending_, 4);
  MarkDone(pending_, 4);
  MarkDone(pending_, 99);
  EXPECT_EQ(PendingCount(pending_), 6u) << "marking alone removes nothing";
  RemoveDone(pending_);
  EXPECT_EQ(Xids(), (std::vector<uint64_t>{0, 2, 3, 5}));
  EXPECT_EQ(Text(PendingAt(pending_, 3).payload), "p5");
  EXPECT_EQ(Add(4, 4, 0, 0), AddPending::kAdded) << "a removed record is not known any more";
}

TEST_F(Records, UnmarkedRecordsStay) {
  Add(1, 1, 0, 0);
  Add(2, 2, 0, 0);
  MarkDone(pending_, 0);
  UnmarkAll(pending_);
  RemoveDone(pending_);
  EXPECT_EQ(PendingCount(pending_), 2u);
}

TEST_F(Records, AllMayBeDone) {
  Add(1, 1, 0, 0, "a");
  MarkDone(pending_, 0);
  RemoveDone(pending_);
  EXPECT_EQ(PendingCount(pending_), 0u);
  EXPECT_EQ(Add(1, 1, 0, 0), AddPending::kAdded);
}

TEST_F(Records, NothingIsAtAnUnknownPlace) {
  EXPECT_EQ(PendingAt(pending_, 0).payload.data, nullptr);
  EXPECT_EQ(PendingAt(pending_, 0).xid, 0u);
}

TEST_F(Records, TheyBehaveAsAList) {
  Make(4000, 300);
  struct Item {
    uint64_t xid;
    uint32_t block;
    bool done;
  };
  std::vector<Item> model;
  Random random(11);
  for (int step = 0; step < 60000; ++step) {
    const size_t what = random.Below(100);
    if (what < 70) {
      const uint64_t xid = random.Below(20);
      const auto block = static_cast<uint32_t>(random.Below(40));
      const bool known = std::any_of(model.begin(), model.end(), [&](const Item& i) { return i.xid == xid && i.block == block; });
      const AddPending expected = known ? AddPending::kKnown : model.size() >= 300 ? AddPending::kFull : AddPending::kAdded;
      ASSERT_EQ(Add(xid, 7, block, 1, std::string(random.Below(50), 'p')), expected);
      if (expected == AddPending::kAdded) model.push_back({xid, block, false});
    } else if (what < 97 && !model.empty()) {
      const size_t i = random.Below(model.size());
      MarkDone(pending_, i);
      model[i].done = true;
    } else if (what == 97) {
      UnmarkAll(pending_);
      for (Item& item : model) item.done = false;
    } else {
      RemoveDone(pending_);
      model.erase(std::remove_if(model.begin(), model.end(), [](const Item& item) { return item.done; }), model.end());
    }
    ASSERT_EQ(PendingCount(pending_), model.size());
    for (size_t i = 0; i < model.size() && step % 100 == 0; ++i) {
      ASSERT_EQ(PendingAt(pending_, i).xid, model[i].xid);
      ASSERT_EQ(PendingAt(pending_, i).address.block, model[i].block);
    }
  }
}

}  // namespace
}  // namespace tviews::core
