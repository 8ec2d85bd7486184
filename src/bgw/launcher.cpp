// The launcher: probes each database once, then keeps one refresh worker per database that has the extension.
#include "bgw/launcher.h"

#include "bgw/long_process.h"
#include "bgw/managed.h"
#include "pg/settings.h"
#include "shmem/crashes.h"
#include "shmem/database.h"
#include "shmem/lwlock.h"
#include "shmem/segment.h"

namespace tviews::bgw {
namespace {

constexpr int kProbesAtOnce = 2;

Managed* managed;  // the worker of each slot

// Databases that take connections and are no templates; those already probed.  In TopMemoryContext.
List* databases = NIL;
List* probed = NIL;
bool said_no_worker_slot = false, said_no_database_slot = false;

shmem::WorkerState StateOf(shmem::Database* slot) { return static_cast<shmem::WorkerState>(pg_atomic_read_u32(&slot->worker_state)); }
void SetState(shmem::Database* slot, shmem::WorkerState state) { pg_atomic_write_u32(&slot->worker_state, static_cast<uint32>(state)); }

void ReadDatabases() {
  list_free(databases);
  databases = NIL;
  StartTransactionCommand();
  PushActiveSnapshot(GetTransactionSnapshot());
  Relation relation = table_open(DatabaseRelationId, AccessShareLock);
  TableScanDesc scan = table_beginscan_catalog(relation, 0, nullptr);
  HeapTuple tuple;
  while ((tuple = heap_getnext(scan, ForwardScanDirection)) != nullptr) {
    const auto form = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple));
    if (form->datallowconn && !form->datistemplate) {
      const MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
      databases = lappend_oid(databases, form->oid);
      MemoryContextSwitchTo(caller);
    }
  }
  table_endscan(scan);
  table_close(relation, AccessShareLock);
  PopActiveSnapshot();
  CommitTransactionCommand();
}

// Frees the slot of a database without the extension.  A session that announced it meanwhile gets it back.
void Free(shmem::Database* slot, Managed* worker) {
  const Oid database = pg_atomic_read_u32(&slot->oid);
  shmem::FreeDatabase(slot);
  shmem::RemoveCrashFile(database);
  pg_memory_barrier();
  if (pg_atomic_exchange_u32(&slot->check_extension, 0) != 0 && list_member_oid(databases, database)) {
    shmem::ClaimDatabase(database);
    SetLatch(MyLatch);
  }
  memset(worker, 0, sizeof(*worker));
}

void Start(shmem::Database* slot, Managed* worker, TimestampTz now) {
  SetState(slot, shmem::WorkerState::kStarting);
  if (Launch(worker, "pg_tviews refresh worker", "pg_tviews_worker_main", now)) {
    said_no_worker_slot = false;
    return;
  }
  SetState(slot, shmem::WorkerState::kNone);
  if (!said_no_worker_slot) {
    said_no_worker_slot = true;
    ereport(LOG, (errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("pg_tviews: no free background worker slot for the refresh worker of database %u", worker->database),
                  errhint("Raise max_worker_processes.  The launcher keeps trying.")));
  }
}

// The worker of this slot has stopped: why, and when to start it again.
void NoteStopped(shmem::Database* slot, Managed* worker, TimestampTz now) {
  pfree(worker->handle);
  worker->handle = nullptr;
  const shmem::WorkerState state = StateOf(slot);
  if (state == shmem::WorkerState::kStopping) {
    return;  // the extension is not there; Supervise frees the slot
  }
  {
    shmem::ScopedLock lock(&slot->lock, LW_EXCLUSIVE);
    slot->worker_latch = nullptr;  // a worker that never came to its exit callback
    slot->worker_pid = 0;
    if (state != shmem::WorkerState::kNone) {
      slot->last_crash_at = now;
    }
  }
  NoteExit(worker, state == shmem::WorkerState::kNone, now);
  if (state != shmem::WorkerState::kNone) {
    SetState(slot, shmem::WorkerState::kBackoff);
  }
}

bool IsRunning(shmem::Database* slot, Managed* worker, TimestampTz now) {
  if (worker->handle == nullptr) {
    return slot->worker_pid != 0;  // started by a launcher before this one
  }
  pid_t pid;
  if (GetBackgroundWorkerPid(worker->handle, &pid) != BGWH_STOPPED) {
    return true;
  }
  NoteStopped(slot, worker, now);
  return false;
}

// Looks after one slot; returns when to look again.
TimestampTz Supervise(int i, TimestampTz now) {
  shmem::Database* slot = shmem::DatabaseAt(i);
  Managed* worker = &managed[i];
  const Oid database = pg_atomic_read_u32(&slot->oid);
  if (!OidIsValid(database)) {
    return DT_NOEND;
  }
  if (worker->database != database) {
    memset(worker, 0, sizeof(*worker));
    worker->database = database;
    // What connects to the database soon needs no probe.
    const MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
    probed = list_append_unique_oid(probed, database);
    MemoryContextSwitchTo(caller);
  }
  bool busy;
  const bool here = list_member_oid(databases, database) && StateOf(slot) != shmem::WorkerState::kStopping;
  const TimestampTz look = SuperviseLong(i, here, now, &busy);
  if (IsRunning(slot, worker, now) || pg_atomic_read_u32(&slot->stop_holders) > 0) {
    return look;  // its end, or the release, wakes the launcher
  }
  if (busy && !here) {
    const pid_t pid = slot->long_process.pid;
    if (pid != 0) {
      kill(pid, SIGTERM);  // its end wakes the launcher
    }
    return look;
  }
  if (!list_member_oid(databases, database)) {
    Free(slot, worker);
    return now;  // room for another probe
  }
  if (StateOf(slot) == shmem::WorkerState::kStopping && pg_atomic_read_u32(&slot->check_extension) == 0) {
    Free(slot, worker);
    return now;  // room for another probe
  }
  if (worker->next_attempt <= now) {
    Start(slot, worker, now);
  }
  return worker->handle == nullptr ? Min(worker->next_attempt, look) : look;
}

// Claims slots for databases not looked at yet, a few at a time: the worker leaves when the extension is not there.
void Probe() {
  int starting = 0;
  for (int i = 0; i < shmem::DatabaseCount(); ++i) {
    shmem::Database* slot = shmem::DatabaseAt(i);
    if (OidIsValid(pg_atomic_read_u32(&slot->oid)) && StateOf(slot) == shmem::WorkerState::kStarting) {
      ++starting;
    }
  }
  ListCell* cell;
  foreach (cell, databases) {
    const Oid database = lfirst_oid(cell);
    if (starting >= kProbesAtOnce) {
      return;
    }
    if (list_member_oid(probed, database)) {
      continue;
    }
    if (shmem::ClaimDatabase(database) == nullptr) {
      if (!said_no_database_slot) {
        said_no_database_slot = true;
        ereport(LOG, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), errmsg("pg_tviews: more than %d databases may have the extension", pg::max_databases),
                      errhint("Raise pg_tviews.max_databases and restart the server.")));
      }
      return;
    }
    const MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
    probed = lappend_oid(probed, database);
    MemoryContextSwitchTo(caller);
    ++starting;
  }
}

// Databases that are gone may come again under the same OID only after wraparound; keep the list short all the same.
void ForgetGone() {
  ListCell* cell;
  foreach (cell, probed) {
    if (!list_member_oid(databases, lfirst_oid(cell))) {
      probed = foreach_delete_current(probed, cell);
    }
  }
}

long Round() {
  ReadDatabases();
  ForgetGone();
  Probe();
  const TimestampTz now = GetCurrentTimestamp();
  TimestampTz next = DT_NOEND;
  for (int i = 0; i < shmem::DatabaseCount(); ++i) {
    const TimestampTz again = Supervise(i, now);  // not inside Min, which evaluates it twice
    next = Min(next, again);
  }
  return next == DT_NOEND ? -1 : Max(1L, TimestampDifferenceMilliseconds(now, next) + 1);
}

void LeaveLauncher(int code, Datum arg) { shmem::SetLauncherLatch(nullptr); }

}  // namespace

void RegisterLauncher() {
  if (IsBinaryUpgrade) {
    return;
  }
  BackgroundWorker definition = {};
  strlcpy(definition.bgw_name, "pg_tviews launcher", BGW_MAXLEN);
  strlcpy(definition.bgw_type, "pg_tviews launcher", BGW_MAXLEN);
  definition.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  definition.bgw_start_time = BgWorkerStart_RecoveryFinished;
  definition.bgw_restart_time = 5;
  strlcpy(definition.bgw_library_name, "pg_tviews", BGW_MAXLEN);
  strlcpy(definition.bgw_function_name, "pg_tviews_launcher_main", BGW_MAXLEN);
  RegisterBackgroundWorker(&definition);
}

}  // namespace tviews::bgw

extern "C" {
PGDLLEXPORT void pg_tviews_launcher_main(Datum unused);

void pg_tviews_launcher_main(Datum unused) {
  using namespace tviews;
  using namespace tviews::bgw;
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
  BackgroundWorkerUnblockSignals();
  BackgroundWorkerInitializeConnection(nullptr, nullptr, 0);
  pgstat_report_appname("pg_tviews launcher");
  managed = static_cast<Managed*>(MemoryContextAllocZero(TopMemoryContext, sizeof(Managed) * shmem::DatabaseCount()));
  before_shmem_exit(LeaveLauncher, 0);
  shmem::SetLauncherLatch(MyLatch);
  while (!ShutdownRequestPending) {
    CHECK_FOR_INTERRUPTS();
    if (ConfigReloadPending) {
      ConfigReloadPending = false;
      ProcessConfigFile(PGC_SIGHUP);
    }
    const long sleep_ms = Round();
    WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (sleep_ms < 0 ? 0 : WL_TIMEOUT), sleep_ms, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
  }
  proc_exit(1);  // not 0: after pg_terminate_backend the postmaster starts it again
}
}
