// Waiting until committed changes are applied: by the worker's answer.
#include "bgw/wait.h"

#include "bgw/nap.h"
#include "bgw/standby_wait.h"
#include "capture/transaction_set.h"
#include "pg/extension.h"
#include "pg/settings.h"
#include "shmem/database.h"
#include "shmem/lwlock.h"
#include "shmem/segment.h"

namespace tviews::bgw {
namespace {

constexpr long kSliceMs = 100;  // how often a waiter looks up from its sleep
constexpr long kRunningPollMs = 20;
constexpr int kRestingMs = 1000;      // the worker may be about to hear that pg_tviews.enabled is on again

// Time runs out at `end`; DT_NOEND: never.
TimestampTz EndOf(int64 timeout_ms) {
  return timeout_ms < 0 ? DT_NOEND : TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
}

// Is this session what the worker says it waits for, or avoids?
bool IsNamedAsHolder(shmem::Database* slot) {
  char what[sizeof(slot->waiting_for)];
  {
    shmem::ScopedLock lock(&slot->lock, LW_SHARED);
    strlcpy(what, slot->waiting_for, sizeof(what));
  }
  char mine[64];
  const int length = snprintf(mine, sizeof(mine), "held by process %d", MyProcPid);
  const size_t whole = strlen(what);
  return whole >= static_cast<size_t>(length) && strcmp(what + whole - length, mine) == 0;
}

bool IsBlocking(shmem::Database* slot) {
  const pid_t worker = slot->worker_pid;
  if (static_cast<shmem::WorkerState>(pg_atomic_read_u32(&slot->worker_state)) != shmem::WorkerState::kWaitingForLock || worker == 0) {
    return false;
  }
  ArrayType* blockers = DatumGetArrayTypeP(DirectFunctionCall1(pg_blocking_pids, Int32GetDatum(worker)));
  const int count = ArrayGetNItems(ARR_NDIM(blockers), ARR_DIMS(blockers));
  const auto* pids = reinterpret_cast<const int32*>(ARR_DATA_PTR(blockers));
  for (int i = 0; i < count; ++i) {
    if (pids[i] == MyProcPid) {
      return true;
    }
  }
  return false;
}

// Does this session hold what the worker waits for?  Then waiting for the worker would never end.
void RefuseOwnLock(shmem::Database* slot) {
  if (IsNamedAsHolder(slot) || IsBlocking(slot)) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE), errmsg("the refresh worker waits for a lock that this session holds"),
                    errhint("Commit or roll back before you wait.")));
  }
}

// Why nobody answered, when that is known.
void WarnOfNoAnswer() {
  const shmem::Database* slot = shmem::MyDatabaseSlot();
  if (slot == nullptr) {
    ereport(WARNING, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("database \"%s\" has no refresh worker", get_database_name(MyDatabaseId)),
                      errhint("Raise pg_tviews.max_databases, then restart the server.")));
  } else if (slot->worker_pid == 0) {
    ereport(WARNING, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("the refresh worker of database \"%s\" is not running", get_database_name(MyDatabaseId)),
                      errhint("See pg_tviews_workers and the server's log; max_worker_processes may be too low.")));
  } else if (!pg::enabled) {
    ereport(WARNING, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("nothing is applied while pg_tviews.enabled is off")));
  }
}

// Does the worker rest because pg_tviews.enabled is off, and has for a while?  (With all TVIEWs paused it answers.)
bool RestsFor(const shmem::Database* slot, TimestampTz begin) {
  return pg_atomic_read_u32(const_cast<pg_atomic_uint32*>(&slot->resting)) != 0 && !pg::enabled && TimestampDifferenceExceeds(begin, GetCurrentTimestamp(), kRestingMs);
}

// Sleeps until the worker has answered `ticket`.  Looks for the slot again and again: the worker may be starting.
bool WaitForTicket(TimestampTz end) {
  shmem::Database* slot = nullptr;
  uint64 ticket = 0;
  bool answered = false;
  long slice;
  const TimestampTz begin = GetCurrentTimestamp();
  while (!answered && (slot == nullptr || !RestsFor(slot, begin)) && (slice = NextSlice(end, kSliceMs)) > 0) {
    if (slot == nullptr || slot != shmem::MyDatabaseSlot()) {
      slot = shmem::MyDatabaseSlot();
      if (slot == nullptr) {
        Nap(Min(slice, 10L));
        continue;
      }
      ticket = pg_atomic_add_fetch_u64(&slot->wait_requested, 1);
      shmem::WakeWorker(slot);
      ConditionVariablePrepareToSleep(&slot->applied);
    }
    answered = pg_atomic_read_u64(&slot->wait_completed) >= ticket;
    if (!answered && ConditionVariableTimedSleep(&slot->applied, slice, PG_WAIT_EXTENSION)) {
      RefuseOwnLock(slot);
      shmem::WakeWorker(slot);  // it may have been away when it was woken first
    }
  }
  ConditionVariableCancelSleep();
  if (!answered) {
    WarnOfNoAnswer();
  }
  return answered;
}

// Is it older than what the commit log still knows?  Then it ended long ago.
bool IsAncient(FullTransactionId xid) {
  const uint64 next = U64FromFullTransactionId(ReadNextFullTransactionId());
  return U64FromFullTransactionId(xid) + 0x7fffffff < next || !TransactionIdIsNormal(XidFromFullTransactionId(xid)) ||
         TransactionIdPrecedes(XidFromFullTransactionId(xid), TransactionXmin) ;
}

void RequireExtension() {
  shmem::RequireAttached();
  (void)pg::ExtensionSchema();
}

}  // namespace

bool WaitApplied(int64 timeout_ms) {
  RequireExtension();
  const TimestampTz end = EndOf(timeout_ms);
  if (RecoveryInProgress()) {
    return WaitForReplay(InvalidFullTransactionId, end);
  }
  if (capture::CapturedAnything()) {
    ereport(NOTICE, (errmsg("changes of the current transaction are not waited for: they are applied after it commits")));
  }
  return WaitForTicket(end);
}

bool WaitAppliedFor(FullTransactionId xid, int64 timeout_ms) {
  RequireExtension();
  const TimestampTz end = EndOf(timeout_ms);
  const uint64 full = U64FromFullTransactionId(xid);
  if (RecoveryInProgress()) {
    return WaitForReplay(xid, end);
  }
  if (!FullTransactionIdPrecedes(xid, ReadNextFullTransactionId())) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("transaction ID %llu is in the future", static_cast<unsigned long long>(full))));
  }
  const TransactionId short_xid = XidFromFullTransactionId(xid);
  if (!IsAncient(xid)) {
    if (TransactionIdIsCurrentTransactionId(short_xid)) {
      ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("cannot wait for the current transaction"),
                      errhint("Its changes are applied after it commits: wait after COMMIT.")));
    }
    long slice;
    while (TransactionIdIsInProgress(short_xid)) {
      if ((slice = NextSlice(end, kRunningPollMs)) <= 0) {
        return false;
      }
      Nap(slice);
    }
    if (!TransactionIdDidCommit(short_xid)) {
      return true;
    }
  }
  return WaitForTicket(end);
}

}  // namespace tviews::bgw
