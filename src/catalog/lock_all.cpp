// Locking many tables without making writers deadlock victims.
#include "catalog/lock_all.h"

namespace tviews::catalog {
namespace {

// One attempt in a subtransaction: its rollback gives back what was locked.  PG_TRY: a lock timeout and a deadlock mean "again".
// Returns the relation that was not to be had, or InvalidOid.
Oid TryAll(const List* relations, LOCKMODE mode, int timeout_ms) {
  MemoryContext context = CurrentMemoryContext;
  ResourceOwner owner = CurrentResourceOwner;
  volatile Oid missed = InvalidOid;
  BeginInternalSubTransaction(nullptr);
  MemoryContextSwitchTo(context);
  PG_TRY();
  {
    const int level = NewGUCNestLevel();
    set_config_option("lock_timeout", psprintf("%d", timeout_ms), PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, ERROR, false);
    const ListCell* cell;
    foreach (cell, relations) {
      missed = lfirst_oid(cell);
      LockRelationOid(lfirst_oid(cell), mode);
    }
    AtEOXact_GUC(true, level);
    ReleaseCurrentSubTransaction();
    missed = InvalidOid;
  }
  PG_CATCH();
  {
    MemoryContextSwitchTo(context);
    ErrorData* error = CopyErrorData();
    FlushErrorState();
    RollbackAndReleaseCurrentSubTransaction();
    if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE && error->sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED) {
      MemoryContextSwitchTo(context);
      CurrentResourceOwner = owner;
      ReThrowError(error);
    }
  }
  PG_END_TRY();
  MemoryContextSwitchTo(context);
  CurrentResourceOwner = owner;
  return missed;
}

}  // namespace

void LockAll(const List* relations, LOCKMODE mode) {
  List* sorted = list_copy(relations);
  list_sort(sorted, list_oid_cmp);
  const int attempt_ms = Max(1, Min(400, DeadlockTimeout / 2));
  const TimestampTz start = GetCurrentTimestamp();
  for (;;) {
    const Oid missed = TryAll(sorted, mode, LockTimeout > 0 ? Min(attempt_ms, LockTimeout) : attempt_ms);
    if (!OidIsValid(missed)) {
      return;
    }
    sorted = lcons_oid(missed, list_delete_oid(sorted, missed));  // next time wait for it with empty hands
    if (LockTimeout > 0 && TimestampDifferenceExceeds(start, GetCurrentTimestamp(), LockTimeout)) {
      ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE), errmsg("canceling statement due to lock timeout")));
    }
    pg_usleep(5000L + MyProcPid % 10 * 1000L);  // writers pass; not in step with another session that does the same
    CHECK_FOR_INTERRUPTS();
  }
}

}  // namespace tviews::catalog
