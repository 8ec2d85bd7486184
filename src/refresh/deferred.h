// pg_tview_deferred: keys that could not be applied in their batch, with reason and next attempt.
#pragma once

#include "core/key_sets.h"
#include "catalog/graph.h"
#include "pg/pg.h"

namespace tviews::refresh {

// Writes (or updates: attempts + 1, next attempt by backoff) the row of one key; key.size == 0 means the whole TVIEW, whose failed
// row keeps its attempts while it is not due: it has not been tried.
// Reasons: paused, coalesced, locked, backlog, failed, refreshing, resource (no room, no memory: nobody's fault).  Of a paused TVIEW what
// did not fail is paused, and nothing is due.
void DeferKey(const catalog::Tview* tview, core::ByteSpan key, const char* reason, const char* sqlstate, const char* message);

// Until when the failed row of a key keeps it from being tried; 0: it has none.
TimestampTz FailedUntil(const catalog::Tview* tview, core::ByteSpan key);

// Something that a TVIEW reads has changed while its whole-TVIEW row waits for another attempt: it may succeed now, so that comes
// soon; the more attempts have failed, the later.
void HastenWhole(const catalog::Tview* tview);

// Defers one key (size 0: the whole TVIEW) to `until`, with reason coalesced.  A row that the key has already, for whatever reason, stays
// and is due no later.
void CoalesceKey(const catalog::Tview* tview, core::ByteSpan key, TimestampTz until);

// Is there any row?
bool AnyDeferred();

// Does the TVIEW have that many rows?  Looks at no more of them.
bool HasDeferredRows(Oid tview, size_t count);

// Has the TVIEW a whole-TVIEW row, be it of this transaction?
bool IsDeferredWhole(Oid tview);

// Removes the rows of keys that have just been applied (all rows of the TVIEW when `whole`), as the active snapshot sees them.
// Rows written by DeferKey in this transaction stay, so call it after the refresh, in any order with DeferKey.
void ForgetDeferred(const catalog::Tview* tview, const core::KeySets* keys, uint32 number, bool whole);

// Adds the keys that are due at `now` to `affected` (set number = index in graph->tviews) and marks in `whole` (bool per TVIEW)
// those whose whole-TVIEW row is due, as the active snapshot sees them; at most about pg_tviews.batch_size keys.  Rows of TVIEWs
// that are gone are deleted.
void CollectDue(const catalog::Graph* graph, TimestampTz now, core::KeySets* affected, bool* whole);

// Makes the failed rows of a TVIEW that is not paused due now; returns how many.  For the calling session: wake the worker at commit.
int64 MakeFailedDue(Oid tview);

// When the next deferred row is due; DT_NOEND when none.
TimestampTz NextDue();

// Are there rows that hold back a waiter (locked, backlog, resource; refreshing apart), and detached TVIEWs (refresh/detached.h)?  Looks at
// a few rows, however many there are.
struct DeferredKinds {
  bool blocking, refreshing, detached;
};
DeferredKinds FindDeferred();

// The TVIEWs (OIDs) that have rows of this reason.
List* TviewsWith(const char* reason);

// How many rows are parked (failed).  Looks at each of them.
int64 CountParked();

}  // namespace tviews::refresh
