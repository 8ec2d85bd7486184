// The records a worker has heard of and not consumed: ready, waiting for their transaction, or left over from a batch.
#pragma once

#include "core/ring.h"

namespace tviews::core {

// Ordered by arrival.  A record is known once by (relfile, block, offset) and xid: the ring and a journal scan may both bring it.
// The xid belongs to it because vacuum may give the place of a dead journal row to another transaction.
struct Pending;

struct PendingRecord {
  uint64_t xid;
  int64_t pushed_at;  // TimestampTz
  JournalAddress address;
  ByteSpan payload;  // size 0: not kept, read it from the journal
};

// `payload_memory`: payload bytes kept at most; beyond it only the address is.  `max_records`: records held at most.
Pending* NewPending(size_t payload_memory, size_t max_records) noexcept;
void DeletePending(Pending* pending) noexcept;

// kKnown: the record keeps its place and gets the payload given now, or none (a rolled back savepoint's row may have made room for
// another row of the same transaction).
enum class AddPending : uint8_t { kAdded, kKnown, kFull, kOutOfMemory };
AddPending AddPendingRecord(Pending* pending, const PendingRecord& record) noexcept;

size_t PendingCount(const Pending* pending) noexcept;

// The i-th record in order of arrival, valid until the next change.
PendingRecord PendingAt(const Pending* pending, size_t i) noexcept;

// Marks the i-th record as done (consumed, or gone with its transaction); RemoveDone drops all marked ones.
void MarkDone(Pending* pending, size_t i) noexcept;
void UnmarkAll(Pending* pending) noexcept;
void RemoveDone(Pending* pending) noexcept;
void ClearPending(Pending* pending) noexcept;

}  // namespace tviews::core
