// What the processes of one database share: its ring, its worker, its waiters, its counters.
#pragma once

#include "core/crash_book.h"
#include "core/histogram.h"
#include "core/ring.h"
#include "pg/pg.h"

namespace tviews::shmem {

enum class WorkerState : uint32 { kNone, kStarting, kIdle, kResting, kWorking, kWaitingForLock, kBackoff, kStopping };
const char* WorkerStateName(WorkerState state);

// What became of the records that a worker received in its life: from_ring + scanned = merged + refused + applied + gone + pending.
struct RecordTally {
  uint64 from_ring, scanned;  // received
  uint64 merged;              // known already: ring and scan, or two scans, brought the same record
  uint64 refused;             // no room for it; it stays in the journal, and a scan is owed
  uint64 applied;             // its journal row was deleted by a batch that committed
  uint64 gone;                // rolled back
  uint64 pending;
};

// The second process of a database, for long work.  It runs while there is some, and a while longer.
struct LongProcess {
  pg_atomic_uint32 wanted;       // there is, or may be, something to do; the process clears it before it looks
  pg_atomic_uint32 unavailable;  // there is no free slot for it: the refresh worker does its work
  pg_atomic_uint32 tview;        // what it is at work on; InvalidOid: nothing.  Set before it locks it, cleared after the commit
  pg_atomic_uint32 state;        // WorkerState

  // Guarded by the lock of the Database; the latch and the pid may be read without it.
  Latch* volatile latch;
  pid_t pid;
  uint64 refreshes, keys, restarts;
  TimestampTz started_at, last_refresh_at;
  char waiting_for[128];
  char last_error[256];
};

// One slot per database that has the extension; pg_tviews.max_databases of them.  A slot is claimed by the launcher (or by the
// session that creates the extension) and freed when the database or its extension is gone.
struct Database {
  // Guarded by the registry lock (ClaimDatabase, FreeDatabase); stable while claimed.
  pg_atomic_uint32 oid;  // InvalidOid: free

  // Guarded by `lock`.
  LWLock lock;
  core::RingControl ring;
  uint64 records_pushed, records_overflowed;
  uint64 records_drained;  // ever taken out of the ring: records_pushed, once it is empty
  uint64 drained_before;   // by earlier workers
  RecordTally tally;       // of this worker
  bool rescan;             // it has refused records, or not read the journal yet

  // Set when a record could not be pushed, or a transaction wrote early: the worker must scan the journal.
  // Order: the worker clears it, then scans.
  pg_atomic_uint32 scan_needed;

  // Journal table that writers use now, 0..3.
  pg_atomic_uint32 current_journal;

  // Records the worker holds whose transaction is still running or prepared.  Above zero every commit wakes the worker.
  // To lose no wake-up, the worker raises it for all records it drained before it tests whether they are visible.
  pg_atomic_uint32 waiting_records;
  pg_atomic_uint32 parked_keys;

  // Bumped after the commit of each change of the graph.
  pg_atomic_uint64 graph_generation;

  // Waiting.  A waiter increments wait_requested and wakes the worker; the worker reads it before it drains, and publishes
  // that number in wait_completed once a batch left nothing committed before its snapshot unapplied.
  pg_atomic_uint64 wait_requested, wait_completed;
  pg_atomic_uint64 batch_completed;  // the same, but TVIEWs that are being compared as a whole do not count
  ConditionVariable applied;

  // The worker.  Guarded by `lock`, except the latch, which may be read without it (setting a stale latch is harmless).
  Latch* volatile worker_latch;
  pid_t worker_pid;
  pg_atomic_uint32 worker_state;     // WorkerState
  pg_atomic_uint32 resting;          // pg_tviews.enabled is off: commits need not wake it
  pg_atomic_uint32 stop_holders;     // sessions that want no worker here (DROP DATABASE and the like)
  pg_atomic_uint32 check_extension;  // the worker must look whether the extension is still there
  uint64 batches, keys, restarts;
  TimestampTz started_at, last_batch_at, last_crash_at;
  TimestampTz oldest_unapplied;  // push time of the oldest record not applied; 0: none
  char waiting_for[128];
  char last_error[256];

  LongProcess long_process;

  // Crash accounting (shmem/crashes.h).  The book is guarded by `lock`; crashes_read: the file was read in this life of the server.
  core::CrashBook crashes;
  pg_atomic_uint32 crashes_read;

  // The snapshot S of the last batch, for monitoring.  Guarded by `lock`.
  uint64 applied_xmin, applied_xmax;
  TimestampTz applied_at;
};

// The slot of a database, nullptr when it has none (extension absent, max_databases exceeded, or not preloaded).
Database* FindDatabase(Oid oid);
Database* MyDatabaseSlot();  // of MyDatabaseId, cached in the backend

// Claims a slot (or finds it); nullptr when all are taken.
Database* ClaimDatabase(Oid oid);
void FreeDatabase(Database* database);

int DatabaseCount();  // max_databases
Database* DatabaseAt(int i);

// Pushes one record, or sets scan_needed and counts an overflow.  Never blocks on anything but the slot's lock; never raises.
void PushToRing(Database* database, const core::RingRecord& record, const unsigned char* payload);

// Moves records out of the ring into `out` (see core::DrainRing).
size_t DrainFromRing(Database* database, unsigned char* out, size_t room, uint32* records);

// Wakes the worker of this database.  Cheap; safe at any point, also in XACT_EVENT_COMMIT.
void WakeWorker(Database* database);

// Tells the second process, or the launcher that there should be one.  Safe as above.
void WantLongProcess(Database* database);

}  // namespace tviews::shmem
