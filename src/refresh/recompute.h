// Recomputed rows, compared with the stored ones as they stream in; what differs is kept for apply.
#pragma once

#include "refresh/wanted.h"

namespace tviews::refresh {

enum class Op : uint8 { kDelete, kUpdate, kInsert };  // in the order of apply
inline constexpr int kOps = 3;

// A key that cannot be applied, with the reason for pg_tview_deferred.
struct Refused {
  core::ByteSpan key;
  const char* reason;
  const char* sqlstate;
  const char* message;
};

// What apply has to do.  Rows of Target::row; `tid` and `leaf` say where the stored row is (NULL for inserts); deletes hold the key
// only.
struct Changes {
  Tuplestorestate* rows[kOps];
  int64 count[kOps];
  int64 unchanged;
  int64 view_rows;
  int64 null_keys;         // rows that no key can address
  List* refused;           // of Refused*: the view gave two rows for one key, or one without a key
  core::ByteSpan example;  // key of the first difference; data null: none
};

// Adds to changes->refused, in the current memory context; the strings are kept as they are.
void Refuse(Changes* changes, core::ByteSpan key, const char* sqlstate, const char* message);
void RefuseNullKey(Changes* changes, const Target* target, core::ByteSpan key);

// A receiver of recomputed rows (the owned columns).  `wanted` null: of the whole view.  `strays`: a key may be stored more than once
// (a user wrote to the table): all but one go.
struct Recompute;
Recompute* BeginRecompute(const Target* target, Wanted* wanted, bool strays, Changes* changes);
DestReceiver* RecomputeReceiver(Recompute* recompute);

// After the last row: finds the stored rows that the view did not give.
void EndRecompute(Recompute* recompute);

// True when the view gave two rows for the key of these owned-column values.
bool IsDuplicate(Recompute* recompute, const Datum* values, ItemPointer tid, int leaf);

}  // namespace tviews::refresh
