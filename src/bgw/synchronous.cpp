// pg_tviews.synchronous: COMMIT itself waits, after all locks are gone, never undoing the commit.
#include "bgw/wait.h"
#include "bgw/worker.h"
#include "capture/transaction_set.h"
#include "pg/settings.h"
#include "shmem/database.h"
#include "shmem/segment.h"

namespace tviews::bgw {
namespace {

constexpr long kSliceMs = 50;  // how soon a cancel is noticed
bool committing = false;

void AtTransactionEnd(XactEvent event, void* arg) { committing = event == XACT_EVENT_COMMIT && pg::synchronous && !AmRefreshWorker() && shmem::Attached(); }

// Interrupts are held here, as in SyncRepWaitForLSN: the two that end a wait are polled.
bool IsInterrupted() {
  if (ProcDiePending) {
    ereport(WARNING, (errcode(ERRCODE_ADMIN_SHUTDOWN), errmsg("ending the wait for the refresh and the connection due to administrator command"),
                      errdetail("The transaction has committed; its changes are applied later.")));
    whereToSendOutput = DestNone;
    return true;
  }
  if (QueryCancelPending) {
    QueryCancelPending = false;
    ereport(WARNING, (errcode(ERRCODE_QUERY_CANCELED), errmsg("ending the wait for the refresh due to user request"),
                      errdetail("The transaction has committed; its changes are applied later.")));
    return true;
  }
  return false;
}

void Wait() {
  shmem::Database* slot = shmem::MyDatabaseSlot();
  const TimestampTz end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pg::synchronous_timeout_ms);
  const bool rests = slot != nullptr && pg_atomic_read_u32(&slot->resting) != 0 && !pg::enabled;
  if (slot != nullptr && !rests) {
    const uint64 ticket = pg_atomic_add_fetch_u64(&slot->wait_requested, 1);
    shmem::WakeWorker(slot);
    ConditionVariablePrepareToSleep(&slot->applied);
    bool applied;
    long left;
    while (!(applied = pg_atomic_read_u64(&slot->batch_completed) >= ticket) && (left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end)) > 0) {
      if (ConditionVariableTimedSleep(&slot->applied, Min(left, kSliceMs), PG_WAIT_EXTENSION)) {
        shmem::WakeWorker(slot);
      }
      if (IsInterrupted()) {
        ConditionVariableCancelSleep();
        return;
      }
    }
    ConditionVariableCancelSleep();
    if (applied) {
      return;
    }
  }
  ereport(WARNING, (errmsg("the changes of this transaction are committed but not yet applied to every TVIEW"),
                    errdetail(slot == nullptr ? "This database has no refresh worker." : rests ? "pg_tviews.enabled is off." : "pg_tviews.synchronous_timeout has passed."),
                    errhint("See pg_tviews_workers.")));
}

void AfterRelease(ResourceReleasePhase phase, bool isCommit, bool isTopLevel, void* arg) {
  if (phase != RESOURCE_RELEASE_AFTER_LOCKS || !isTopLevel || !committing) {
    return;
  }
  committing = false;
  if (isCommit && capture::CapturedAnything()) {
    Wait();
  }
}

}  // namespace

void InstallSynchronousWait() {
  RegisterXactCallback(AtTransactionEnd, nullptr);
  RegisterResourceReleaseCallback(AfterRelease, nullptr);
}

}  // namespace tviews::bgw
