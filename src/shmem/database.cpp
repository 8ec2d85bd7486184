// Slots of databases, their rings and the way to wake their workers.
#include "shmem/database.h"

#include "pg/settings.h"
#include "shmem/graph_cache.h"
#include "shmem/layout.h"
#include "shmem/lwlock.h"
#include "shmem/segment.h"

namespace tviews::shmem {
namespace {

// The slot of MyDatabaseId when it was last looked up; checked again at each use, for slots come and go.
Database* my_slot = nullptr;

// A slot left by another database starts again, except what only grows (generations, wait numbers).
void ResetSlot(Database* database) {
  ScopedLock lock(&database->lock, LW_EXCLUSIVE);
  database->ring.tail = database->ring.head;
  database->records_pushed = database->records_overflowed = database->records_drained = database->drained_before = 0;
  database->tally = {};
  database->worker_latch = nullptr;
  database->worker_pid = 0;
  database->batches = database->keys = database->restarts = 0;
  database->started_at = database->last_batch_at = database->last_crash_at = 0;
  database->oldest_unapplied = 0;
  database->waiting_for[0] = database->last_error[0] = '\0';
  memset(database->long_process.waiting_for, 0, sizeof(database->long_process.waiting_for));
  memset(database->long_process.last_error, 0, sizeof(database->long_process.last_error));
  database->long_process.latch = nullptr;
  database->long_process.pid = 0;
  database->long_process.refreshes = database->long_process.keys = database->long_process.restarts = 0;
  database->long_process.started_at = database->long_process.last_refresh_at = 0;
  pg_atomic_write_u32(&database->long_process.wanted, 0);
  pg_atomic_write_u32(&database->long_process.unavailable, 0);
  pg_atomic_write_u32(&database->long_process.tview, InvalidOid);
  pg_atomic_write_u32(&database->long_process.state, static_cast<uint32>(WorkerState::kNone));
  database->applied_xmin = database->applied_xmax = 0;
  database->applied_at = 0;
  pg_atomic_write_u32(&database->scan_needed, 1);
  pg_atomic_write_u32(&database->current_journal, 0);
  pg_atomic_write_u32(&database->waiting_records, 0);
  pg_atomic_write_u32(&database->parked_keys, 0);
  pg_atomic_write_u32(&database->worker_state, static_cast<uint32>(WorkerState::kNone));
  pg_atomic_write_u32(&database->resting, 0);
  pg_atomic_write_u32(&database->stop_holders, 0);
  pg_atomic_write_u32(&database->check_extension, 0);
  core::InitBook(&database->crashes);
  pg_atomic_write_u32(&database->crashes_read, 0);
}

}  // namespace

const char* WorkerStateName(WorkerState state) {
  switch (state) {
    case WorkerState::kNone:
      return "none";
    case WorkerState::kStarting:
      return "starting";
    case WorkerState::kIdle:
      return "idle";
    case WorkerState::kResting:
      return "resting";
    case WorkerState::kWorking:
      return "working";
    case WorkerState::kWaitingForLock:
      return "waiting for lock";
    case WorkerState::kBackoff:
      return "backoff";
    case WorkerState::kStopping:
      return "stopping";
  }
  return "unknown";
}

int DatabaseCount() { return Attached() ? pg::max_databases : 0; }

Database* DatabaseAt(int i) { return reinterpret_cast<Database*>(SegmentBytes(MySegment()->layout.databases)) + i; }

int SlotIndex(const Database* database) { return static_cast<int>(database - DatabaseAt(0)); }

unsigned char* RingBytes(const Database* database) {
  const Layout& layout = MySegment()->layout;
  return SegmentBytes(layout.rings + SlotIndex(database) * layout.ring_bytes);
}

Database* FindDatabase(Oid oid) {
  if (OidIsValid(oid)) {
    for (int i = 0; i < DatabaseCount(); ++i) {
      if (pg_atomic_read_u32(&DatabaseAt(i)->oid) == oid) {
        return DatabaseAt(i);
      }
    }
  }
  return nullptr;
}

Database* MyDatabaseSlot() {
  if (!OidIsValid(MyDatabaseId)) {
    return nullptr;
  }
  if (my_slot == nullptr || pg_atomic_read_u32(&my_slot->oid) != MyDatabaseId) {
    my_slot = FindDatabase(MyDatabaseId);
  }
  return my_slot;
}

Database* ClaimDatabase(Oid oid) {
  if (!Attached() || !OidIsValid(oid)) {
    return nullptr;
  }
  ScopedLock lock(&MySegment()->registry_lock, LW_EXCLUSIVE);
  Database* claimed = FindDatabase(oid);
  for (int i = 0; claimed == nullptr && i < DatabaseCount(); ++i) {
    if (pg_atomic_read_u32(&DatabaseAt(i)->oid) == InvalidOid) {
      claimed = DatabaseAt(i);
      ResetSlot(claimed);
      pg_write_barrier();
      pg_atomic_write_u32(&claimed->oid, oid);
    }
  }
  return claimed;
}

void FreeDatabase(Database* database) {
  const Oid oid = pg_atomic_read_u32(&database->oid);
  {
    ScopedLock lock(&MySegment()->registry_lock, LW_EXCLUSIVE);
    if (pg_atomic_read_u32(&database->oid) == oid) {
      pg_atomic_write_u32(&database->oid, InvalidOid);
    }
  }
  if (OidIsValid(oid)) {
    ResetGraphCache(oid);
    ForgetStatistics(oid, SlotIndex(database));
  }
  ConditionVariableBroadcast(&database->applied);
}

void PushToRing(Database* database, const core::RingRecord& record, const unsigned char* payload) {
  {
    ScopedLock lock(&database->lock, LW_EXCLUSIVE);
    if (database->oldest_unapplied == 0) {
      database->oldest_unapplied = record.pushed_at;  // lag grows also while no worker looks
    }
    if (!pg::debug_drop_pushes && core::PushRecord(&database->ring, RingBytes(database), record, payload) == core::Push::kPushed) {
      ++database->records_pushed;
      return;
    }
    ++database->records_overflowed;
  }
  pg_atomic_write_u32(&database->scan_needed, 1);
}

size_t DrainFromRing(Database* database, unsigned char* out, size_t room, uint32* records) {
  ScopedLock lock(&database->lock, LW_EXCLUSIVE);
  const size_t size = core::DrainRing(&database->ring, RingBytes(database), out, room, records);
  database->records_drained += *records;
  return size;
}

void WakeWorker(Database* database) {
  // Read without the lock: a latch lies in shared memory for ever, setting a stale one wakes somebody in vain.
  Latch* latch = database->worker_latch;
  if (latch != nullptr) {
    SetLatch(latch);
  }
}

void WantLongProcess(Database* database) {
  pg_atomic_write_u32(&database->long_process.wanted, 1);
  pg_memory_barrier();
  Latch* latch = database->long_process.latch;
  if (latch != nullptr) {
    SetLatch(latch);
  } else {
    WakeLauncher();
  }
}

}  // namespace tviews::shmem
