// Locking many tables without making writers deadlock victims.
#include "catalog/lock_all.h"

namespace tviews::catalog {
namespace {

constexpr int kPatienceMs = 5000;

// One attempt in a subtransaction: its rollback gives back what was locked.  PG_TRY: a lock timeout means "again", and so does a deadlock unless
// `impatient`.  Returns what was not to be had, or null.
const WantedLock* TryAll(const List* wanted, int timeout_ms, bool impatient) {
  MemoryContext context = CurrentMemoryContext;
  ResourceOwner owner = CurrentResourceOwner;
  const WantedLock* volatile missed = nullptr;
  BeginInternalSubTransaction(nullptr);
  MemoryContextSwitchTo(context);
  PG_TRY();
  {
    const int level = NewGUCNestLevel();
    set_config_option("lock_timeout", psprintf("%d", timeout_ms), PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, ERROR, false);
    const ListCell* cell;
    foreach (cell, wanted) {
      const WantedLock* lock = static_cast<const WantedLock*>(lfirst(cell));
      missed = lock;
      LockRelationOid(lock->relation, lock->mode);
    }
    AtEOXact_GUC(true, level);
    ReleaseCurrentSubTransaction();
    missed = nullptr;
  }
  PG_CATCH();
  {
    MemoryContextSwitchTo(context);
    ErrorData* error = CopyErrorData();
    FlushErrorState();
    RollbackAndReleaseCurrentSubTransaction();
    if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE && (impatient || error->sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED)) {
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

int ByOid(const ListCell* a, const ListCell* b) {
  const Oid left = static_cast<const WantedLock*>(lfirst(a))->relation, right = static_cast<const WantedLock*>(lfirst(b))->relation;
  return left < right ? -1 : left > right;
}

}  // namespace

void LockAll(const List* relations, LOCKMODE mode) {
  List* wanted = NIL;
  const ListCell* cell;
  foreach (cell, relations) {
    WantedLock* lock = static_cast<WantedLock*>(palloc(sizeof(WantedLock)));
    *lock = {lfirst_oid(cell), mode};
    wanted = lappend(wanted, lock);
  }
  LockAllWanted(wanted);
}

void LockAllWanted(const List* wanted) {
  List* sorted = list_copy(wanted);
  list_sort(sorted, ByOid);
  const int attempt_ms = Max(1, Min(400, DeadlockTimeout / 2));
  const TimestampTz start = GetCurrentTimestamp();
  for (;;) {
    // The transaction may hold locks of its own that somebody waits for who has what we want.  Only who waits long enough sees such a circle.
    const bool impatient = TimestampDifferenceExceeds(start, GetCurrentTimestamp(), kPatienceMs);
    const int wait_ms = impatient ? 2 * DeadlockTimeout + MyProcPid % 500 : attempt_ms;
    const WantedLock* missed = TryAll(sorted, LockTimeout > 0 ? Min(wait_ms, LockTimeout) : wait_ms, impatient);
    if (missed == nullptr) {
      return;
    }
    sorted = lcons(const_cast<WantedLock*>(missed), list_delete_ptr(sorted, const_cast<WantedLock*>(missed)));  // next time wait for it with empty hands
    if (LockTimeout > 0 && TimestampDifferenceExceeds(start, GetCurrentTimestamp(), LockTimeout)) {
      ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE), errmsg("canceling statement due to lock timeout")));
    }
    pg_usleep(5000L + MyProcPid % 10 * 1000L);  // writers pass; not in step with another session that does the same
    CHECK_FOR_INTERRUPTS();
  }
}

}  // namespace tviews::catalog
