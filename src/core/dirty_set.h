// The set of dirty keys of one transaction, one level per subtransaction.
#pragma once

#include "core/record.h"

namespace tviews::core {

// Keys are kept once over all live levels: a key that an enclosing level holds is not added again; a key first seen in a
// subtransaction belongs to that level, moves to the parent on release, and goes on rollback.
struct DirtySet;

// nullptr when memory is short.
DirtySet* NewDirtySet() noexcept;
void DeleteDirtySet(DirtySet* set) noexcept;

// Adds a key to `level` (1 = the top-level transaction, as GetCurrentTransactionNestLevel counts).  Deeper levels still there
// count as released.  After kOutOfMemory the set is as it was.
Outcome AddDirtyKey(DirtySet* set, int level, DirtyKey key) noexcept;

// The subtransaction of `level` committed: its keys, and those of deeper levels, now belong to level - 1.
void ReleaseLevel(DirtySet* set, int level) noexcept;

// The subtransaction of `level` rolled back: its keys, and those of deeper levels, are forgotten.
void RollbackLevel(DirtySet* set, int level) noexcept;

// Keys held at exactly `level`; over all levels.
size_t KeysAtLevel(const DirtySet* set, int level) noexcept;
size_t KeysInSet(const DirtySet* set) noexcept;

// Bytes that all keys would take in payloads: what bounds memory when values are wide.
size_t BytesInSet(const DirtySet* set) noexcept;

// Takes keys of exactly `level` (0: of every level) out of the set into `out`, whole keys only, at most `room` bytes.
// Returns the bytes written; 0 when none is left.  A single key larger than `room` is written alone when it comes first:
// then the return value exceeds `room` and nothing was written; call again with more room.
size_t TakeKeys(DirtySet* set, int level, unsigned char* out, size_t room) noexcept;

// Forgets every key and gives the memory back.
void ClearDirtySet(DirtySet* set) noexcept;

}  // namespace tviews::core
