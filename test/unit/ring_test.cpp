// The byte ring, alone and against a queue.
#include "core/ring.h"

#include <algorithm>
#include <deque>
#include <vector>

#include "bytes.h"

namespace tviews::core {
namespace {

struct Sent {
  RingRecord record;
  std::string payload;
};

class Ring {
 public:
  explicit Ring(uint64_t size) : bytes_(size + 8, 0xee) { InitRing(&control, size); }

  Push Send(const Sent& sent) { return PushRecord(&control, bytes_.data(), sent.record, Span(sent.payload).data); }

  std::vector<Sent> Drain(size_t room = kMaxRecordSize) {
    std::vector<unsigned char> out(room);
    uint32_t records;
    const size_t size = DrainRing(&control, bytes_.data(), out.data(), room, &records);
    EXPECT_LE(size, room);
    std::vector<Sent> read;
    size_t offset = 0;
    DrainedRecord drained;
    while (NextDrained(out.data(), size, &offset, &drained)) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(drained.payload.data) % 8, reinterpret_cast<uintptr_t>(out.data()) % 8);
      read.push_back({drained.record, Text(drained.payload)});
    }
    EXPECT_EQ(read.size(), records);
    EXPECT_EQ(offset, size);
    return read;
  }

  bool FenceStands() const {
    return std::all_of(bytes_.end() - 8, bytes_.end(), [](unsigned char byte) { return byte == 0xee; });
  }

  RingControl control;

 private:
  std::vector<unsigned char> bytes_;
};

Sent Make(uint64_t xid, const std::string& payload) {
  return {{xid, static_cast<int64_t>(xid) * 7, {static_cast<uint32_t>(xid), 2, 3, 1}, static_cast<uint32_t>(payload.size())},
          payload};
}

void ExpectSame(const Sent& a, const Sent& b) {
  EXPECT_EQ(a.record.xid, b.record.xid);
  EXPECT_EQ(a.record.pushed_at, b.record.pushed_at);
  EXPECT_EQ(a.record.address.relfile, b.record.address.relfile);
  EXPECT_EQ(a.record.address.block, b.record.address.block);
  EXPECT_EQ(a.record.address.offset, b.record.address.offset);
  EXPECT_EQ(a.record.address.table, b.record.address.table);
  EXPECT_EQ(a.record.payload_size, b.record.payload_size);
  EXPECT_EQ(a.payload, b.payload);
}

TEST(RingBuffer, ARecordComesBackAsItWas) {
  Ring ring(1024);
  ASSERT_EQ(ring.Send(Make(uint64_t{1} << 40, "payload")), Push::kPushed);
  const std::vector<Sent> read = ring.Drain();
  ASSERT_EQ(read.size(), 1u);
  ExpectSame(read[0], Make(uint64_t{1} << 40, "payload"));
  EXPECT_EQ(RingBytesUsed(ring.control), 0u);
}

TEST(RingBuffer, ARecordMayHaveNoPayload) {
  Ring ring(1024);
  ASSERT_EQ(ring.Send(Make(5, "")), Push::kPushed);
  EXPECT_EQ(ring.Drain().at(0).payload, "");
}

TEST(RingBuffer, AnEmptyRingGivesNothing) {
  Ring ring(1024);
  EXPECT_TRUE(ring.Drain().empty());
}

TEST(RingBuffer, AZeroedRingIsFull) {
  RingControl control = {};
  unsigned char byte;
  const Sent sent = Make(1, "");
  EXPECT_EQ(PushRecord(&control, &byte, sent.record, nullptr), Push::kFull);
}

TEST(RingBuffer, ItFillsToTheLastByteAndNoFurther) {
  Ring ring(4 * 40);
  for (uint64_t xid = 1; xid <= 4; ++xid) {
    ASSERT_EQ(ring.Send(Make(xid, "12345678")), Push::kPushed);
  }
  EXPECT_EQ(RingBytesUsed(ring.control), ring.control.size);
  EXPECT_EQ(ring.Send(Make(5, "")), Push::kFull);
  EXPECT_EQ(ring.Drain().size(), 4u);
  EXPECT_EQ(ring.Send(Make(5, "")), Push::kPushed);
}

TEST(RingBuffer, AFullRingKeepsWhatItHolds) {
  Ring ring(64);
  ASSERT_EQ(ring.Send(Make(1, "abc")), Push::kPushed);
  ASSERT_EQ(ring.Send(Make(2, "too much")), Push::kFull);
  const std::vector<Sent> read = ring.Drain();
  ASSERT_EQ(read.size(), 1u);
  ExpectSame(read[0], Make(1, "abc"));
}

TEST(RingBuffer, APayloadLargerThanADrainCouldHoldIsRefused) {
  Ring ring(1 << 20);
  EXPECT_EQ(ring.Send(Make(1, std::string(kMaxPayload + 1, 'x'))), Push::kFull);
  ASSERT_EQ(ring.Send(Make(1, std::string(kMaxPayload, 'x'))), Push::kPushed);
  EXPECT_EQ(ring.Drain(kMaxRecordSize).size(), 1u) << "the largest record fits the promised room";
}

TEST(RingBuffer, ADrainStopsAtAWholeRecord) {
  Ring ring(1024);
  for (uint64_t xid = 1; xid <= 3; ++xid) {
    ASSERT_EQ(ring.Send(Make(xid, "12345678")), Push::kPushed);
  }
  EXPECT_EQ(ring.Drain(100).size(), 2u);
  EXPECT_EQ(ring.Drain(100).size(), 1u);
}

TEST(RingBuffer, ASizeThatIsNoMultipleOfEightIsRoundedDown) {
  Ring ring(101);
  EXPECT_EQ(ring.control.size, 96u);
}

TEST(RingBuffer, TheCountersMayPassFourGigabytes) {
  Ring ring(104);
  ring.control.head = ring.control.tail = (uint64_t{1} << 32) - 8 + 56;  // the next record straddles 2^32
  for (uint64_t xid = 1; xid <= 10; ++xid) {
    ASSERT_EQ(ring.Send(Make(xid, "wrapped around")), Push::kPushed);
    const std::vector<Sent> read = ring.Drain();
    ASSERT_EQ(read.size(), 1u);
    ExpectSame(read[0], Make(xid, "wrapped around"));
  }
}

TEST(RingBuffer, TruncatedDrainsAreNotReadOutside) {
  std::vector<unsigned char> out(40, 0);
  RingRecord record = Make(1, "12345678").record;
  memcpy(out.data(), &record, sizeof(record));
  size_t offset = 0;
  DrainedRecord drained;
  EXPECT_FALSE(NextDrained(out.data(), 39, &offset, &drained));
  EXPECT_FALSE(NextDrained(out.data(), 31, &offset, &drained));
  EXPECT_EQ(offset, 0u);
  EXPECT_TRUE(NextDrained(out.data(), 40, &offset, &drained));
  offset = 41;
  EXPECT_FALSE(NextDrained(out.data(), 40, &offset, &drained));
}

TEST(RingBuffer, ItBehavesAsAQueueOverManyTurns) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Ring ring(kMaxRecordSize / 4 + random.Below(3000));
    std::deque<Sent> model;
    uint64_t used = 0;
    const auto size_of = [](const Sent& sent) { return (sizeof(RingRecord) + sent.payload.size() + 7) / 8 * 8; };
    for (int step = 0; step < 2000; ++step) {
      if (random.Below(3) > 0) {
        const Sent sent = Make(1 + random.Below(1u << 30), random.Bytes(random.Below(random.Below(8) == 0 ? 1500 : 40)));
        const bool fits = used + size_of(sent) <= ring.control.size;
        ASSERT_EQ(ring.Send(sent), fits ? Push::kPushed : Push::kFull);
        if (fits) {
          model.push_back(sent);
          used += size_of(sent);
        }
      } else {
        for (const Sent& sent : ring.Drain(1536 + random.Below(4000))) {
          ASSERT_FALSE(model.empty());
          ExpectSame(sent, model.front());
          used -= size_of(model.front());
          model.pop_front();
        }
      }
      ASSERT_EQ(RingBytesUsed(ring.control), used);
      ASSERT_TRUE(ring.FenceStands());
    }
  }
}

}  // namespace
}  // namespace tviews::core
