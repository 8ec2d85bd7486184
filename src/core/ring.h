// A byte ring for records of changing size, in memory shared by processes.  The caller holds the lock that guards it.
#pragma once

#include "core/bytes.h"

namespace tviews::core {

// Where the journal row behind a record lies.  `relfile` is the journal table's file number and so its generation too.
struct JournalAddress {
  uint32_t relfile;
  uint32_t block;
  uint16_t offset;
  uint16_t table;  // 0..3
};

// What stands before each payload in the ring.
struct RingRecord {
  uint64_t xid;       // full top-level transaction id
  int64_t pushed_at;  // TimestampTz; 0 when unknown
  JournalAddress address;
  uint32_t payload_size;  // 0: read the payload from the journal
};

// The control words of a ring; the bytes follow elsewhere.  Plain data, may be zeroed, valid at any mapping address.
struct RingControl {
  uint64_t head;  // bytes ever pushed
  uint64_t tail;  // bytes ever drained
  uint64_t size;  // of the byte area
};

enum class Push : uint8_t { kPushed, kFull };

void InitRing(RingControl* ring, uint64_t size) noexcept;

// Appends a record.  Lock-safe.
Push PushRecord(RingControl* ring, unsigned char* bytes, const RingRecord& record, const unsigned char* payload) noexcept;

// Moves whole records into `out` (a copy of header and payload each, 8-byte aligned) until it is full or the ring empty;
// returns the bytes written, `*records` their number.  `room` must hold the largest record (kMaxRecordSize).  Lock-safe.
size_t DrainRing(RingControl* ring, const unsigned char* bytes, unsigned char* out, size_t room, uint32_t* records) noexcept;

// Reads the record at `*offset` of what DrainRing gave and moves `*offset` behind it; kEnd at the end.
struct DrainedRecord {
  RingRecord record;
  ByteSpan payload;
};
bool NextDrained(const unsigned char* out, size_t size, size_t* offset, DrainedRecord* record) noexcept;

inline uint64_t RingBytesUsed(const RingControl& ring) noexcept { return ring.head - ring.tail; }

inline constexpr size_t kMaxPayload = 8000;  // a journal row stays below one page, without TOAST
inline constexpr size_t kMaxRecordSize = kMaxPayload + sizeof(RingRecord) + 16;

}  // namespace tviews::core
