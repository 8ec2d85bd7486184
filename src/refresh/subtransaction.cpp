// Running something in a subtransaction and looking at its error instead of raising it.
#include "refresh/subtransaction.h"

#include "pg/settings.h"
#include "shmem/crashes.h"

namespace tviews::refresh {

namespace {

constexpr int kAgainMs = 5000;    // from one cancel to the next
constexpr int kMostCaught = 2;    // cancels that code may catch

volatile sig_atomic_t timed_out;  // how often
TimeoutId timeout_id = MAX_TIMEOUTS;
bool armed;

// In a signal handler: as StatementCancelHandler, remembering that it was us; in the end as die().
void OnRefreshTimeout() {
  if (timed_out > 0 && QueryCancelPending) {
    return;  // nothing has looked at the last one yet
  }
  timed_out = timed_out + 1;
  if (timed_out > kMostCaught) {
    shmem::NoteStubborn();
    ProcDiePending = true;
  }
  InterruptPending = true;
  QueryCancelPending = true;
  SetLatch(MyLatch);
}

}  // namespace

bool TryInSubtransaction(void (*body)(void*), void* argument, ErrorData** error) {
  MemoryContext const context = CurrentMemoryContext;
  ResourceOwner const owner = CurrentResourceOwner;
  volatile bool done = false;
  BeginInternalSubTransaction(nullptr);
  MemoryContextSwitchTo(context);
  // The one way to look at an error and go on; the rollback below releases what `body` held.
  PG_TRY();
  {
    body(argument);
    ReleaseCurrentSubTransaction();
    MemoryContextSwitchTo(context);
    CurrentResourceOwner = owner;
    done = true;
  }
  PG_CATCH();
  {
    MemoryContextSwitchTo(context);
    *error = CopyErrorData();
    FlushErrorState();
    RollbackAndReleaseCurrentSubTransaction();
    MemoryContextSwitchTo(context);
    CurrentResourceOwner = owner;
  }
  PG_END_TRY();
  return done;
}

Failing Classify(const ErrorData* error) {
  switch (error->sqlerrcode) {
    case ERRCODE_T_R_SERIALIZATION_FAILURE:
    case ERRCODE_T_R_DEADLOCK_DETECTED:
      return Failing::kRetry;
    case ERRCODE_LOCK_NOT_AVAILABLE:
      return Failing::kLocked;
    case ERRCODE_QUERY_CANCELED:
      return IsTimeout(error) ? Failing::kRow : Failing::kCancel;
    case ERRCODE_ADMIN_SHUTDOWN:
    case ERRCODE_CRASH_SHUTDOWN:
      return Failing::kCancel;
    case ERRCODE_OUT_OF_MEMORY:
    case ERRCODE_CONFIGURATION_LIMIT_EXCEEDED:  // temp_file_limit
      return Failing::kRow;                     // perhaps one key wants too much
    default:
      break;
  }
  const int category = ERRCODE_TO_CATEGORY(error->sqlerrcode);
  return category == ERRCODE_INSUFFICIENT_RESOURCES || category == ERRCODE_SYSTEM_ERROR ? Failing::kMachine : Failing::kRow;
}

bool IsResource(int sqlerrcode) { return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES; }

const char* Describe(const ErrorData* error) {
  if (IsTimeout(error)) {
    return psprintf("refresh took longer than pg_tviews.refresh_timeout (%d ms)", pg::refresh_timeout_ms);
  }
  const char* message = error->message != nullptr ? error->message : "missing error text";
  return error->detail != nullptr ? psprintf("%s: %s", message, error->detail) : message;
}

bool IsTimeout(const ErrorData* error) { return error->sqlerrcode == ERRCODE_QUERY_CANCELED && timed_out > 0; }

void ArmRefreshTimeout() { ArmTimeout(pg::refresh_timeout_ms); }

void ArmTimeout(int limit_ms) {
  if (MyBackendType != B_BG_WORKER || limit_ms <= 0) {
    return;
  }
  if (timeout_id == MAX_TIMEOUTS) {
    timeout_id = RegisterTimeout(USER_TIMEOUT, OnRefreshTimeout);
  }
  timed_out = 0;
  armed = true;
  enable_timeout_every(timeout_id, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), limit_ms), Min(Max(limit_ms, kAgainMs / 5), kAgainMs));
}

void DisarmRefreshTimeout() {
  if (!armed) {
    return;
  }
  armed = false;
  disable_timeout(timeout_id, false);
  if (timed_out > 0) {
    QueryCancelPending = false;  // it fired too late to cancel anything
  }
}

}  // namespace tviews::refresh
