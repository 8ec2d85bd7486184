// One batch: what it takes from the pending records, which TVIEWs it reaches, what came of it.  Lives in Worker::batch_context.
#pragma once

#include "bgw/worker.h"
#include "refresh/isolate.h"
#include "shmem/statistics.h"

namespace tviews::bgw {

// A journal row to be deleted.
struct Consumed {
  core::JournalAddress address;
  uint64 xid;
};

struct Batch {
  Worker* worker;
  int64 id;
  LockSet locks;
  TimestampTz began;
  bool deferred_rows;  // pg_tview_deferred is not empty, or gets rows from this batch

  // Filled anew by each Select; arrays have one element per TVIEW of the graph, `point_since` one per capture point.
  bool *reached, *whole, *due;
  bool *timed;                 // whole because its timer says so
  const char** excluded;       // reached, but a lock it needs cannot be had now: the TVIEW is deferred as a whole for this reason (locked, resource)
  bool *detached;              // the second process compares it: its keys are deferred
  TimestampTz *since;          // push time of the oldest record that reached the TVIEW; 0: unknown
  TimestampTz *point_since;
  Consumed* consumed;
  size_t consumed_count, consumed_room;
  size_t gone;  // records whose transaction, or savepoint, rolled back
  bool leftover, anything;
  uint32 waiting;

  // What came of it, to be logged after commit.
  shmem::RefreshEntry* entries;
  char (*messages)[256];
  TimestampTz* entry_since;
  int entry_count, entry_room;
};

// select.cpp
// Fills worker->dirty, worker->affected and the arrays from the records visible in the active snapshot and the deferred keys that
// are due.  Marks consumed records as done in `pending`.  Ereports.
void Select(Batch* batch);
// Adds the locks that the reached TVIEWs need to batch->locks.
void WantLocks(Batch* batch);
// Adds the locks on what TVIEW t reads and is made of, except its object locks.
void WantTview(LockSet* locks, const IndexedGraph& indexed, int t);
// The first mapping of `point` in graph->mappings, which are sorted by it.
int FirstMapping(const catalog::Graph* graph, core::PointId point);

// More keys than this are deferred as the whole TVIEW.
inline constexpr size_t kMostDeferredKeys = 10000;

// detach.cpp
// Marks the reached TVIEWs that are left to the second process; those left to it that it cannot take are compared by this batch.
void FindDetached(Batch* batch);
// Would comparing all of TVIEW t keep the others waiting?
bool MayLeaveToLongProcess(const Batch* batch);
bool IsLong(const Batch* batch, int t);
// Leaves TVIEW t to the second process, which compares all of it with a snapshot that is still to come.  Ereports.
void LeaveToLongProcess(Batch* batch, int t);
// Defers the keys that batch has for a detached TVIEW.  Ereports.
void DeferWhileDetached(Batch* batch, int t);

// apply.cpp
// From the dirty keys of this batch to the affected keys of TVIEW t.  False: a mapping raises whatever it is given.  When the keys of
// some values could not be found, `failure` says why, else its sqlstate is empty.
struct MapFailure {
  char sqlstate[6];
  char message[256];
};
bool MapAll(Batch* batch, int t, MapFailure* failure);
// Refreshes the reached TVIEWs level by level under the active snapshot.  Ereports.
void ApplyLevels(Batch* batch);

// defer.cpp
// Writes rows for what the batch has for TVIEW t: one for the whole TVIEW, or one a key.  `until`: coalesced; 0: another reason.
void DeferAll(Batch* batch, int t, const char* reason, TimestampTz until, const char* sqlstate = nullptr, const char* message = nullptr);
// The same for a paused TVIEW: once its rows are too many, one takes the place of all.
void DeferPaused(Batch* batch, int t);

// timer.cpp
// Marks the TVIEWs that are due by refresh_every.  REQUIRES: FindDetached.
void CollectTimers(Batch* batch);
// TVIEW t has had its turn: if its timer asked for it, the next one is a period later.  Ereports.
void NoteTimed(Batch* batch, int t);
// When the next TVIEW is due; DT_NOEND: none ever.
TimestampTz NextTimer(const Batch* batch);

// outcome.cpp
// S as monitoring shows it.  While transactions were running in S, xmax is xmin: nothing is called visible that is not.
struct AppliedSnapshot {
  uint64 xmin, xmax;
  TimestampTz at;
};
// What a refresh that took `ms` came to, as the performance log has it.
void DescribeRefresh(const refresh::IsolatedResult& isolated, double ms, shmem::RefreshEntry* entry);
// S for monitoring.
AppliedSnapshot DescribeSnapshot(Snapshot snapshot);
// Logs the refreshes of a batch that has committed.
void LogBatch(const Batch* batch, const AppliedSnapshot& applied);
// min_interval: until when changes of this TVIEW wait, for it was refreshed just now; 0: they do not.
TimestampTz CoalesceUntil(const Batch* batch, const catalog::Tview& tview);
void NoteRefreshed(const Batch* batch, const catalog::Tview& tview);

}  // namespace tviews::bgw
