// The launcher's part of the second process: starts it when there is long work, makes it give way to who waits for its locks.
#include "bgw/long_process.h"
#include "bgw/managed.h"
#include "shmem/lwlock.h"

namespace tviews::bgw {
namespace {

constexpr int64 kLookMs = 250;  // how long a session waits at most before a long refresh gives way
constexpr int kPatience = 20;  // looks; then it has to end: code of a user can catch each cancel

Managed* managed;  // the second process of each slot

void SetState(shmem::Database* slot, shmem::WorkerState state) { pg_atomic_write_u32(&slot->long_process.state, static_cast<uint32>(state)); }

bool IsBlockedBy(pid_t waiter, pid_t holder) {
  ArrayType* blockers = DatumGetArrayTypeP(DirectFunctionCall1(pg_blocking_pids, Int32GetDatum(waiter)));
  const int count = ArrayGetNItems(ARR_NDIM(blockers), ARR_DIMS(blockers));
  const auto* pids = reinterpret_cast<const int32*>(ARR_DATA_PTR(blockers));
  for (int i = 0; i < count; ++i) {
    if (pids[i] == holder) {
      return true;
    }
  }
  return false;
}

// Does a session of the database wait for a table or a TVIEW that the second process has locked?  What is read here of other processes
// may be a moment old: a look in vain, or another one in a quarter of a second.
bool SomebodyWaits(const shmem::Database* slot, Oid database, pid_t holder) {
  for (uint32 i = 0; i < ProcGlobal->allProcCount; ++i) {
    const PGPROC* proc = &ProcGlobal->allProcs[i];
    const pid_t pid = proc->pid;
    const LOCK* awaited = proc->waitLock;
    if (pid == 0 || pid == holder || pid == slot->worker_pid || proc->databaseId != database || awaited == nullptr) {
      continue;
    }
    const auto kind = static_cast<LockTagType>(awaited->tag.locktag_type);
    if ((kind == LOCKTAG_RELATION || kind == LOCKTAG_OBJECT) && IsBlockedBy(pid, holder)) {
      return true;
    }
  }
  return false;
}

void LetGiveWay(const shmem::Database* slot, Managed* process) {
  const pid_t pid = slot->long_process.pid;
  const MemoryContext look = AllocSetContextCreate(TopMemoryContext, "pg_tviews waiters", ALLOCSET_DEFAULT_SIZES);
  const MemoryContext caller = MemoryContextSwitchTo(look);
  const bool waits = pid != 0 && SomebodyWaits(slot, process->database, pid);
  process->refusals = waits ? process->refusals + 1 : 0;
  if (waits) {
    kill(pid, process->refusals > kPatience ? SIGTERM : SIGINT);
  }
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(look);
}

void Start(shmem::Database* slot, Managed* process, TimestampTz now) {
  SetState(slot, shmem::WorkerState::kStarting);  // before it can set another
  const bool launched = Launch(process, "pg_tviews long refresh", "pg_tviews_long_main", now);
  const bool was_unavailable = pg_atomic_exchange_u32(&slot->long_process.unavailable, launched ? 0 : 1) != 0;
  if (launched) {
    return;
  }
  SetState(slot, shmem::WorkerState::kNone);
  if (!was_unavailable) {
    shmem::WakeWorker(slot);
    ereport(LOG, (errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("pg_tviews: no free background worker slot for long refreshes of database %u", process->database),
                  errdetail("The refresh worker does them, and its other TVIEWs wait for it."), errhint("Raise max_worker_processes.")));
  }
}

void NoteStopped(shmem::Database* slot, Managed* process, TimestampTz now) {
  shmem::LongProcess* shared = &slot->long_process;
  pfree(process->handle);
  process->handle = nullptr;
  const bool left = pg_atomic_read_u32(&shared->state) == static_cast<uint32>(shmem::WorkerState::kNone);
  {
    shmem::ScopedLock lock(&slot->lock, LW_EXCLUSIVE);
    shared->latch = nullptr;  // a process that never came to its exit callback
    shared->pid = 0;
    shared->restarts += left ? 0 : 1;
  }
  pg_atomic_write_u32(&shared->tview, InvalidOid);
  SetState(slot, shmem::WorkerState::kNone);
  NoteExit(process, left, now);
  if (!left) {
    pg_atomic_write_u32(&shared->wanted, 1);
  }
}

}  // namespace

TimestampTz SuperviseLong(int i, bool may_start, TimestampTz now, bool* running) {
  if (managed == nullptr) {
    managed = static_cast<Managed*>(MemoryContextAllocZero(TopMemoryContext, sizeof(Managed) * shmem::DatabaseCount()));
  }
  shmem::Database* slot = shmem::DatabaseAt(i);
  Managed* process = &managed[i];
  const Oid database = pg_atomic_read_u32(&slot->oid);
  if (process->database != database) {
    memset(process, 0, sizeof(*process));
    process->database = database;
  }
  pid_t pid;
  if (process->handle != nullptr && GetBackgroundWorkerPid(process->handle, &pid) == BGWH_STOPPED) {
    NoteStopped(slot, process, now);
  }
  *running = process->handle != nullptr || slot->long_process.pid != 0;  // started by a launcher before this one
  if (*running) {
    if (!OidIsValid(pg_atomic_read_u32(&slot->long_process.tview))) {
      return DT_NOEND;
    }
    LetGiveWay(slot, process);
    return TimestampTzPlusMilliseconds(now, kLookMs);
  }
  if (!may_start || pg_atomic_read_u32(&slot->long_process.wanted) == 0 || pg_atomic_read_u32(&slot->stop_holders) > 0) {
    return DT_NOEND;
  }
  if (process->next_attempt <= now) {
    Start(slot, process, now);
    *running = process->handle != nullptr;
  }
  return *running ? DT_NOEND : process->next_attempt;
}

}  // namespace tviews::bgw
