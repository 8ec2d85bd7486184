// The second process of a database: its life.
#include "bgw/long_process.h"

#include "pg/extension.h"
#include "pg/settings.h"
#include "shmem/lwlock.h"
#include "shmem/segment.h"

namespace tviews::bgw {
namespace {

constexpr int64 kIdleMs = 30 * 1000;  // it ends when there was nothing to do for so long

Worker me;
shmem::WorkerState exit_state = shmem::WorkerState::kBackoff;  // what an unexpected exit leaves behind

shmem::LongProcess* Shared() { return &me.slot->long_process; }

void SetState(shmem::WorkerState state) {
  pg_atomic_write_u32(me.state, static_cast<uint32>(state));
  char name[NAMEDATALEN];
  snprintf(name, sizeof(name), "pg_tviews long refresh %s", shmem::WorkerStateName(state));
  pgstat_report_appname(name);
  pgstat_report_activity(state == shmem::WorkerState::kIdle ? STATE_IDLE : STATE_RUNNING, nullptr);
}

void HandleTerminate(SIGNAL_ARGS) {
  ShutdownRequestPending = true;  // idle it leaves without a FATAL in the log
  die(postgres_signal_arg);
}

void Detach(int code, Datum arg) {
  (void)shmem::CloseCrashFile();
  {
    shmem::ScopedLock lock(&me.slot->lock, LW_EXCLUSIVE);
    Shared()->latch = nullptr;
    Shared()->pid = 0;
    Shared()->waiting_for[0] = '\0';
  }
  pg_atomic_write_u32(&Shared()->tview, InvalidOid);
  pg_atomic_write_u32(me.state, static_cast<uint32>(exit_state));
  shmem::WakeLauncher();
}

[[noreturn]] void Leave() {
  exit_state = shmem::WorkerState::kNone;
  proc_exit(0);
}

void Attach(Oid database) {
  me.slot = shmem::Attached() ? shmem::FindDatabase(database) : nullptr;
  if (me.slot == nullptr) {
    proc_exit(0);
  }
  me.state = &Shared()->state;
  me.waiting_for = Shared()->waiting_for;
  before_shmem_exit(Detach, 0);
  shmem::ScopedLock lock(&me.slot->lock, LW_EXCLUSIVE);
  Shared()->latch = MyLatch;
  Shared()->pid = MyProcPid;
  Shared()->started_at = GetCurrentTimestamp();
}

void Prepare() {
  me.scratch = core::NewKeySets();
  if (me.scratch == nullptr) {
    CheckMemory(core::Outcome::kOutOfMemory);
  }
  me.graph_context = AllocSetContextCreate(TopMemoryContext, "pg_tviews graph", ALLOCSET_DEFAULT_SIZES);
  me.batch_context = AllocSetContextCreate(TopMemoryContext, "pg_tviews long refresh", ALLOCSET_DEFAULT_SIZES);
}

// Called in PG_CATCH: the TVIEW is still detached and will be tried again.
void HandleFailure(Oid tview) {
  HOLD_INTERRUPTS();
  MemoryContextSwitchTo(TopMemoryContext);
  ErrorData* error = CopyErrorData();
  FlushErrorState();
  LWLockReleaseAll();
  ConditionVariableCancelSleep();
  AbortCurrentTransaction();
  QueryCancelPending = false;
  RESUME_INTERRUPTS();
  me.indexed.graph = nullptr;
  me.lock_waited_for = InvalidOid;
  if (!ExtensionIsHere()) {
    Leave();
  }
  const bool gave_way = error->sqlerrcode == ERRCODE_QUERY_CANCELED;
  const bool transient = gave_way || error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE || error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
                         error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
  {
    shmem::ScopedLock lock(&me.slot->lock, LW_EXCLUSIVE);
    Shared()->waiting_for[0] = '\0';
    snprintf(Shared()->last_error, sizeof(Shared()->last_error), "%s: %s", unpack_sql_state(error->sqlerrcode), error->message == nullptr ? "" : error->message);
  }
  NoteFailed(tview, gave_way);
  if (!transient) {
    error->elevel = LOG;
    ThrowErrorData(error);
  }
  FreeErrorData(error);
}

void TryRefresh(Oid tview) {
  pg_atomic_write_u32(&Shared()->tview, tview);
  SetState(shmem::WorkerState::kWorking);
  shmem::WakeLauncher();  // it looks who waits for our locks
  // The process outlives a comparison that failed.
  PG_TRY();
  { RefreshDetached(&me, tview); }
  PG_CATCH();
  { HandleFailure(tview); }
  PG_END_TRY();
  pg_atomic_write_u32(&Shared()->tview, InvalidOid);
}

void HandleEvents() {
  QueryCancelPending = false;  // meant for a comparison that has ended
  if (ShutdownRequestPending || pg_atomic_read_u32(&me.slot->stop_holders) > 0 || pg_atomic_read_u32(&me.slot->oid) != MyDatabaseId) {
    Leave();
  }
  CHECK_FOR_INTERRUPTS();
  if (!PostmasterIsAlive()) {
    proc_exit(1);
  }
  if (ConfigReloadPending) {
    ConfigReloadPending = false;
    ProcessConfigFile(PGC_SIGHUP);
    PinLockTimeout();
  }
}

[[noreturn]] void Run() {
  TimestampTz idle_since = GetCurrentTimestamp();
  for (;;) {
    HandleEvents();
    pg_atomic_write_u32(&Shared()->wanted, 0);
    pg_memory_barrier();
    if (!ExtensionIsHere()) {
      Leave();
    }
    TimestampTz next = DT_NOEND;
    const TimestampTz now = GetCurrentTimestamp();
    const Oid tview = pg::enabled ? NextDetached(&me, now, &next) : InvalidOid;
    if (OidIsValid(tview)) {
      TryRefresh(tview);
      idle_since = GetCurrentTimestamp();
      continue;
    }
    SetState(shmem::WorkerState::kIdle);
    const TimestampTz end = TimestampTzPlusMilliseconds(idle_since, kIdleMs);
    if (next == DT_NOEND && now >= end) {
      Leave();
    }
    (void)pgstat_report_stat(true);
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Max(1L, TimestampDifferenceMilliseconds(now, Min(next, Max(end, now)))), PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
  }
}

}  // namespace
}  // namespace tviews::bgw

extern "C" {
PGDLLEXPORT void pg_tviews_long_main(Datum database);

void pg_tviews_long_main(Datum database) {
  using namespace tviews;
  using namespace tviews::bgw;
  SetRefreshWorker();
  Attach(DatumGetObjectId(database));
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGINT, StatementCancelHandler);
  pqsignal(SIGTERM, HandleTerminate);
  BackgroundWorkerUnblockSignals();
  if (pg_atomic_read_u32(&me.slot->stop_holders) > 0) {
    Leave();
  }
  BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(database), InvalidOid, 0);
  PinSession();
  Prepare();
  StartCrashAccounting(&me, shmem::CrashProcess::kLongRefresh);
  Run();
}
}
