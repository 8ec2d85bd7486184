// The refresh worker's own state, shared by the files that make it up.
#pragma once

#include "capture/journal.h"
#include "catalog/graph.h"
#include "core/key_sets.h"
#include "core/pending.h"
#include "pg/pg.h"
#include "shmem/crashes.h"
#include "shmem/database.h"

namespace tviews::bgw {

// The graph with the indexes that a batch walks; lives in Worker::graph_context.
struct IndexedGraph {
  catalog::Graph* graph;
  uint64 generation;
  // Mappings and reads grouped by TVIEW: those of TVIEW t are order[first[t]] .. order[first[t + 1] - 1].
  int *mapping_first, *mapping_order;
  int *reads_first, *reads_order;
};

// The journal is scanned page by page, as far as there is room in `pending`, and on from there when there is room again: each page once.
struct JournalScan {
  bool wanted;   // something was written that did not come through the ring: a scan from the start is owed
  bool running;  // one has begun, and goes on at `position`
  capture::JournalPosition position;
};

struct Worker {
  shmem::Database* slot;
  pg_atomic_uint32* state;  // in the slot: of the process that this is
  char* waiting_for;        // there too, guarded by its lock
  core::Pending* pending;
  core::KeySets* dirty;     // set number = capture point
  core::KeySets* affected;  // set number = index of the TVIEW in the graph
  core::KeySets* late;      // captured by this batch, for TVIEWs it has already passed; set number = capture point
  core::KeySets* scratch;
  unsigned char* drain_buffer;
  MemoryContext graph_context, batch_context, record_context;
  IndexedGraph indexed;  // graph == nullptr: must be loaded
  HTAB* refreshed;       // when TVIEWs with a min_interval were last refreshed; nullptr: none was
  shmem::RecordTally tally;  // `pending` is counted when it is published
  bool backlog;          // the last batch left ready records
  JournalScan scan;
  bool all_paused;       // as of the last batch: every TVIEW is, so that records stay where they are
  bool check_extension;
  int failures;
  TimestampTz retry_at;
  TimestampTz next_due;  // of pg_tview_deferred, as of the last batch
  TimestampTz next_timer;  // of refresh_every
  int64 batches;
  int64 parked;                      // failed rows of pg_tview_deferred, as of the last count
  TimestampTz parked_count_at;       // the next count, if something is deferred; many are not counted after each batch
  Oid lock_waited_for;  // the relation or TVIEW whose lock the batch was waiting for when it failed
  // Relations whose lock did not come three times running, or for whose partitions the lock table had no room: TVIEWs that need them are
  // deferred, so that the others go on.
  struct Avoided {
    Oid relation;
    TimestampTz until;  // no room: not tried before; 0: avoided until its lock is free
  };
  Avoided avoid[16];
  int avoid_count;
  Oid most_locks;  // the relation with the most partitions among those that the batch was locking when it failed
  int full_misses;
  TimestampTz full_missed_at;
  Oid lock_missed;
  int lock_misses;
};

inline constexpr size_t kDrainRoom = 256 * 1024;
inline constexpr size_t kPendingPayload = 32 * 1024 * 1024;
inline constexpr size_t kPendingRecords = 256 * 1024;
inline constexpr size_t kScanUpTo = kPendingRecords / 4 * 3;  // the rest is for what comes through the ring meanwhile

// session.cpp
// Sets what ALTER ROLE / DATABASE SET and the configuration file must not change for the worker.
void PinSession();
void PinLockTimeout();
// Has this database the extension?  In a transaction of its own.
bool ExtensionIsHere();

// crashes.cpp
// Takes up the accounting of crashes for this process, connected to its database; tells of the last one, and after several in a row
// makes the worker wait.
void StartCrashAccounting(Worker* worker, shmem::CrashProcess process);

// records.cpp
// Moves everything in the ring into `pending`.  Out of memory ereports.
void Drain(Worker* worker);
// Adds rows of the journal to `pending` while a scan is owed and there is room.  Needs a transaction.
void Scan(Worker* worker);
inline bool ScanOwed(const Worker* worker) { return worker->scan.wanted || worker->scan.running; }

// Shows in shared memory what became of the records so far.
void PublishTally(const Worker* worker);

enum class RecordStatus : uint8 { kReady, kWaiting, kGone };
RecordStatus StatusOf(uint64 full_xid, Snapshot snapshot);
// False once no record in `pending` belongs to a finished transaction.
bool AnyFinished(const Worker* worker);

// graph_index.cpp
// Makes sure that the graph is the one that the active snapshot sees.  `generation` was read before that snapshot was taken: it is
// bumped after the commit of a change, so whatever it counts is visible.  What the server's caches say of columns may lag behind until
// the relations are locked: the graph is loaded again when one of them is invalidated.
void EnsureGraph(Worker* worker, uint64 generation);

// locks.cpp
// What a batch has locked so far; zero it to begin.  In the batch's memory context.
enum class LockKind : uint8 {
  kRelation,
  kObject,      // the TVIEW's object lock
  kDeferred,    // its second one: for the deferred rows of a TVIEW that is detached, and taken last
};
struct LockSet {
  struct Entry {
    Oid oid;
    LockKind kind;
    LOCKMODE mode;
    bool held;
  };
  Entry* entries;
  int count, room;
  Oid largest;  // the relation with the most partitions or children
  int largest_members;
};
void Want(LockSet* locks, Oid oid, LockKind kind, LOCKMODE mode);
// Takes what is wanted and not held: relations in the order of their OIDs (with partitions and children), then TVIEW objects.
// Returns whether it had to take any.  Ereports lock_not_available after the worker's lock_timeout.
bool TakeLocks(Worker* worker, LockSet* locks);
// After a batch failed: counts a lock that did not come, and avoids it from the third time on; `full`: with 53200, which avoids the
// relation that needed the most locks at once, for a while.
void NoteLockMissed(Worker* worker, bool full);
// Stops avoiding relations whose lock, and that of their TVIEW, is free again, or whose time is over.  Needs a transaction.
void RecheckAvoided(Worker* worker);

// batch.cpp
struct BatchOutcome {
  bool leftover;          // records that are ready remain: go on at once
  bool anything;          // some TVIEW was reached
  uint32 waiting;         // records of transactions still running
  bool blocking;          // there are deferred keys that hold back a waiter ...
  bool refreshing;        // ... and such that hold back pg_tviews_wait() only
  bool detached;          // TVIEWs are left to the second process
};
// Applies what is ready in one transaction.  Ereports; the records then stay pending.
BatchOutcome RunBatch(Worker* worker);

// tview_state.cpp
// Writes the state of a TVIEW, unless it is paused meanwhile.  Ereports.
void WriteState(const catalog::Tview* tview, catalog::State state);

// True in a refresh worker's process, and in the second one.
bool AmRefreshWorker();
void SetRefreshWorker();

inline void CheckMemory(core::Outcome outcome) {
  if (outcome != core::Outcome::kOk) {
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"), errdetail("The keys of a batch of pg_tviews do not fit into memory.")));
  }
}

}  // namespace tviews::bgw
