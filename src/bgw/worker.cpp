// The refresh worker of one database: waits on its latch, drains, runs batches, answers waiters.
#include "bgw/worker.h"

#include "capture/journal.h"
#include "catalog/register.h"
#include "core/backoff.h"
#include "pg/extension.h"
#include "pg/settings.h"
#include "refresh/deferred.h"
#include "shmem/lwlock.h"
#include "shmem/segment.h"

namespace tviews::bgw {
namespace {

constexpr long kForever = -1;
constexpr long kAgain = 0;
constexpr int64 kJournalTurnMs = 100;  // at most this often

Worker me;
bool am_refresh_worker = false;
shmem::WorkerState exit_state = shmem::WorkerState::kBackoff;  // what an unexpected exit leaves behind
TimestampTz last_turn = 0;
bool looked_at_catalog = false;

void HandleTerminate(SIGNAL_ARGS) {
  ShutdownRequestPending = true;  // an idle worker leaves without a FATAL in the log
  die(postgres_signal_arg);
}

void Detach(int code, Datum arg) {
  shmem::Database* slot = me.slot;
  if (shmem::CloseCrashFile()) {
    exit_state = shmem::WorkerState::kNone;  // it took its time: the next need not wait
  }
  {
    shmem::ScopedLock lock(&slot->lock, LW_EXCLUSIVE);
    slot->worker_latch = nullptr;
    slot->worker_pid = 0;
    slot->waiting_for[0] = '\0';
  }
  pg_atomic_write_u32(&slot->worker_state, static_cast<uint32>(exit_state));
  ConditionVariableBroadcast(&slot->applied);
  shmem::WakeLauncher();
}

[[noreturn]] void Leave(shmem::WorkerState state) {
  exit_state = state;
  proc_exit(0);
}

void Attach(Oid database) {
  me.slot = shmem::Attached() ? shmem::FindDatabase(database) : nullptr;
  if (me.slot == nullptr) {
    proc_exit(0);  // the database went away before the worker came
  }
  before_shmem_exit(Detach, 0);
  me.state = &me.slot->worker_state;
  me.waiting_for = me.slot->waiting_for;
  shmem::ScopedLock lock(&me.slot->lock, LW_EXCLUSIVE);
  me.slot->worker_latch = MyLatch;
  me.slot->worker_pid = MyProcPid;
  me.slot->started_at = GetCurrentTimestamp();
  me.slot->drained_before = me.slot->records_drained;
  me.slot->tally = {};
  me.slot->rescan = true;
}

void SetState(shmem::WorkerState state) {
  const auto value = static_cast<uint32>(state);
  if (pg_atomic_read_u32(&me.slot->worker_state) == value) {
    return;
  }
  pg_atomic_write_u32(&me.slot->worker_state, value);
  char name[NAMEDATALEN];
  snprintf(name, sizeof(name), "pg_tviews %s", shmem::WorkerStateName(state));
  pgstat_report_appname(name);
  pgstat_report_activity(state == shmem::WorkerState::kIdle || state == shmem::WorkerState::kResting ? STATE_IDLE : STATE_RUNNING, nullptr);
}

void Prepare() {
  me.pending = core::NewPending(kPendingPayload, kPendingRecords);
  me.dirty = core::NewKeySets();
  me.affected = core::NewKeySets();
  me.late = core::NewKeySets();
  me.scratch = core::NewKeySets();
  if (me.pending == nullptr || me.dirty == nullptr || me.affected == nullptr || me.late == nullptr || me.scratch == nullptr) {
    CheckMemory(core::Outcome::kOutOfMemory);
  }
  me.drain_buffer = static_cast<unsigned char*>(MemoryContextAlloc(TopMemoryContext, kDrainRoom));
  me.graph_context = AllocSetContextCreate(TopMemoryContext, "pg_tviews graph", ALLOCSET_DEFAULT_SIZES);
  me.batch_context = AllocSetContextCreate(TopMemoryContext, "pg_tviews batch", ALLOCSET_DEFAULT_SIZES);
  me.record_context = AllocSetContextCreate(TopMemoryContext, "pg_tviews record", ALLOCSET_DEFAULT_SIZES);
  me.scan.wanted = true;  // what was written before this worker came is in the journal only
  me.next_due = me.next_timer = DT_NOEND;
}

bool IsTransient(int sqlerrcode) {
  return sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE || sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED || sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

// An error that stays is logged at its first occurrence, and then each time their number doubles.
bool IsWorthLogging(const ErrorData* error) {
  static int last_code;
  static uint32 times;
  times = error->sqlerrcode == last_code && me.failures > 1 ? times + 1 : 1;
  last_code = error->sqlerrcode;
  return (times & (times - 1)) == 0;
}

// Called in PG_CATCH.  The records stay pending; the batch is tried again after a while.
void HandleFailure() {
  HOLD_INTERRUPTS();
  MemoryContextSwitchTo(TopMemoryContext);
  ErrorData* error = CopyErrorData();
  FlushErrorState();
  LWLockReleaseAll();
  ConditionVariableCancelSleep();
  AbortCurrentTransaction();
  RESUME_INTERRUPTS();
  if (!ExtensionIsHere()) {
    Leave(shmem::WorkerState::kStopping);  // dropped in the middle of the batch: that is no error
  }
  const bool transient = IsTransient(error->sqlerrcode);
  ++me.failures;
  {
    shmem::ScopedLock lock(&me.slot->lock, LW_EXCLUSIVE);
    snprintf(me.slot->last_error, sizeof(me.slot->last_error), "%s: %s", unpack_sql_state(error->sqlerrcode), error->message == nullptr ? "" : error->message);
  }
  NoteLockMissed(&me, error->sqlerrcode == ERRCODE_OUT_OF_MEMORY);
  const int64 wait_ms = core::BackoffMilliseconds(me.failures, transient ? 10 : 100, transient ? 1000 : 30000, MyProcPid + me.failures);
  me.indexed.graph = nullptr;  // its states may be of the batch that was rolled back
  me.retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), wait_ms);
  SetState(shmem::WorkerState::kBackoff);
  if (transient ? me.failures % 10 == 0 : IsWorthLogging(error)) {
    error->elevel = LOG;
    ThrowErrorData(error);
  }
  FreeErrorData(error);
}

// Once in a worker's life: what pg_upgrade left behind is made again, what a crash emptied is to be filled again.
void LookAtCatalogOnce() {
  if (!looked_at_catalog) {
    StartTransactionCommand();
    catalog::RegisterUpgraded();
    catalog::MarkUnlogged();
    CommitTransactionCommand();
    looked_at_catalog = true;
  }
}

// Scans the journal if something is there that did not come through the ring.
void ScanIfNeeded() {
  if (pg_atomic_exchange_u32(&me.slot->scan_needed, 0) != 0) {
    me.scan.wanted = true;
  }
  // In a backlog first what is known already.
  if (!ScanOwed(&me) || core::PendingCount(me.pending) > kScanUpTo / 2) {
    return;
  }
  StartTransactionCommand();
  Scan(&me);
  CommitTransactionCommand();
  // What the ring held when the flag was cleared must be known before the batch, lest it come again after its row is gone.
  Drain(&me);
}

void TurnJournalNowAndThen(TimestampTz now) {
  if (TimestampDifferenceExceeds(last_turn, now, kJournalTurnMs)) {
    last_turn = now;
    capture::TurnJournal();
  }
}

// Everything that can raise in one round.  False: it raised and was handled.
bool TryBatch(BatchOutcome* outcome) {
  volatile bool done = false;
  // The worker outlives a failed batch: the records stay pending and in the journal.
  PG_TRY();
  {
    const int64 batches = me.batches;
    LookAtCatalogOnce();
    ScanIfNeeded();
    *outcome = RunBatch(&me);
    me.backlog = outcome->leftover;
    if (me.batches != batches) {
      TurnJournalNowAndThen(GetCurrentTimestamp());
    }
    done = true;
  }
  PG_CATCH();
  { HandleFailure(); }
  PG_END_TRY();
  PublishTally(&me);
  return done;
}

void Answer(pg_atomic_uint64* completed, uint64 requested) {
  if (pg_atomic_read_u64(completed) < requested) {
    pg_atomic_write_u64(completed, requested);
    ConditionVariableBroadcast(&me.slot->applied);
  }
}

long MillisecondsUntil(TimestampTz time, TimestampTz now) {
  return time <= now ? kAgain : Min(TimestampDifferenceMilliseconds(now, time) + 1, 24L * 60 * 60 * 1000);
}

long Earlier(long a, long b) { return a == kForever ? b : b == kForever ? a : Min(a, b); }

// The journal keeps what comes: nothing is to be computed now.
bool IsResting() { return !pg::enabled || me.all_paused; }

// One round.  Returns how long to sleep (milliseconds; kForever; kAgain: not at all).
long Round() {
  // Read before the drain: what was committed before the request is in the ring, or flagged, by now.
  const uint64 requested = pg_atomic_read_u64(&me.slot->wait_requested);
  pg_atomic_write_u32(&me.slot->resting, IsResting() ? 1 : 0);
  pg_memory_barrier();
  Drain(&me);
  PublishTally(&me);
  if (!pg::enabled) {
    return kForever;
  }
  if (me.failures > 0 && GetCurrentTimestamp() < me.retry_at) {
    return MillisecondsUntil(me.retry_at, GetCurrentTimestamp());
  }
  if (pg::batch_delay_ms > 0 && core::PendingCount(me.pending) > 0) {
    WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, pg::batch_delay_ms, PG_WAIT_EXTENSION);
    Drain(&me);
  }
  BatchOutcome outcome;
  const bool was_paused = me.all_paused;
  if (!TryBatch(&outcome)) {
    return MillisecondsUntil(me.retry_at, GetCurrentTimestamp());
  }
  me.failures = me.lock_misses = 0;
  if (me.all_paused != was_paused) {
    return kAgain;  // whoever commits must know of it first
  }
  if (me.all_paused) {
    Answer(&me.slot->batch_completed, requested);
    Answer(&me.slot->wait_completed, requested);  // nobody waits for a paused TVIEW
    return kForever;
  }
  const long flush_ms = pgstat_report_stat(false);
  if (outcome.leftover || (ScanOwed(&me) && core::PendingCount(me.pending) <= kScanUpTo / 2)) {
    return kAgain;
  }
  if (outcome.detached) {
    shmem::WantLongProcess(me.slot);
  }
  if (!ScanOwed(&me) && !outcome.blocking) {
    Answer(&me.slot->batch_completed, requested);
    if (!outcome.refreshing) {
      Answer(&me.slot->wait_completed, requested);
    }
  }
  pg_atomic_write_u32(&me.slot->waiting_records, outcome.waiting);
  pg_memory_barrier();
  if (outcome.waiting > 0 && AnyFinished(&me)) {
    return kAgain;  // ended before the flag was up: nobody wakes us for it
  }
  long sleep_ms = outcome.waiting > 0 || ScanOwed(&me) ? pg::sweep_interval_ms : kForever;
  if (me.next_due != DT_NOEND) {
    // A row that is due and yet reached nothing (of a TVIEW that cannot be refreshed now) must not keep us busy.
    const long due_ms = MillisecondsUntil(me.next_due, GetCurrentTimestamp());
    sleep_ms = Earlier(sleep_ms, due_ms > 0 ? due_ms : outcome.anything ? 1L : static_cast<long>(pg::sweep_interval_ms));
  }
  if (me.next_timer != DT_NOEND) {
    sleep_ms = Earlier(sleep_ms, MillisecondsUntil(me.next_timer, GetCurrentTimestamp()));
  }
  return flush_ms > 0 ? Earlier(sleep_ms, flush_ms) : sleep_ms;
}

void HandleEvents() {
  if (ShutdownRequestPending || pg_atomic_read_u32(&me.slot->stop_holders) > 0) {
    Leave(shmem::WorkerState::kNone);
  }
  CHECK_FOR_INTERRUPTS();
  if (!PostmasterIsAlive()) {
    proc_exit(1);  // a worker that has enough to do never comes to WaitLatch, and would keep the server from starting again
  }
  if (ConfigReloadPending) {
    ConfigReloadPending = false;
    ProcessConfigFile(PGC_SIGHUP);
    PinLockTimeout();
  }
  if (pg_atomic_exchange_u32(&me.slot->check_extension, 0) != 0 || me.check_extension) {
    me.check_extension = false;
    if (!ExtensionIsHere()) {
      Leave(shmem::WorkerState::kStopping);
    }
  }
}

[[noreturn]] void Run() {
  for (;;) {
    HandleEvents();
    const long sleep_ms = Round();
    if (sleep_ms == kAgain) {
      continue;
    }
    SetState(me.failures > 0 ? shmem::WorkerState::kBackoff : IsResting() ? shmem::WorkerState::kResting : shmem::WorkerState::kIdle);
    WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (sleep_ms == kForever ? 0 : WL_TIMEOUT), sleep_ms, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
  }
}

}  // namespace

bool AmRefreshWorker() { return am_refresh_worker; }
void SetRefreshWorker() { am_refresh_worker = true; }

}  // namespace tviews::bgw

extern "C" {
PGDLLEXPORT void pg_tviews_worker_main(Datum database);

void pg_tviews_worker_main(Datum database) {
  using namespace tviews;
  using namespace tviews::bgw;
  am_refresh_worker = true;
  Attach(DatumGetObjectId(database));
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGTERM, HandleTerminate);
  BackgroundWorkerUnblockSignals();
  if (pg_atomic_read_u32(&me.slot->stop_holders) > 0) {
    Leave(shmem::WorkerState::kNone);
  }
  BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(database), InvalidOid, 0);
  PinSession();
  pg_atomic_write_u32(&me.slot->check_extension, 0);
  if (!ExtensionIsHere()) {
    Leave(shmem::WorkerState::kStopping);
  }
  Prepare();
  StartCrashAccounting(&me, shmem::CrashProcess::kRefreshWorker);
  SetState(shmem::WorkerState::kWorking);
  shmem::WakeLauncher();  // it may go on to the next database
  Run();
}
}
