// The locks of a batch: relations by OID, then TVIEW objects by OID, all before the snapshot.
#include "bgw/worker.h"
#include "core/backoff.h"
#include "pg/extension.h"
#include "shmem/lwlock.h"

namespace tviews::bgw {
namespace {

constexpr int64 kFullBaseMs = 2000, kFullLimitMs = 60000;

void Avoid(Worker* worker, Oid relation, TimestampTz until) {
  if (worker->avoid_count < static_cast<int>(lengthof(worker->avoid))) {
    worker->avoid[worker->avoid_count++] = {relation, until};
  }
}

int Compare(const void* a, const void* b) {
  const auto* left = static_cast<const LockSet::Entry*>(a);
  const auto* right = static_cast<const LockSet::Entry*>(b);
  if (left->kind != right->kind) {
    return left->kind < right->kind ? -1 : 1;
  }
  return left->oid < right->oid ? -1 : left->oid > right->oid;
}

void SetWaitingFor(Worker* worker, const char* what) {
  shmem::ScopedLock lock(&worker->slot->lock, LW_EXCLUSIVE);
  strlcpy(worker->waiting_for, what, sizeof(worker->slot->waiting_for));
}

// Says in shared memory which lock is awaited, and who holds it.
void AnnounceWait(Worker* worker, const LockSet::Entry& entry, const LOCKTAG* tag) {
  char* name = get_rel_name(entry.oid);
  char* schema = name == nullptr ? nullptr : get_namespace_name(get_rel_namespace(entry.oid));
  char what[sizeof(worker->slot->waiting_for)];
  int length = snprintf(what, sizeof(what), "%s %s", entry.kind == LockKind::kRelation ? "relation" : "TVIEW",
                        schema == nullptr ? psprintf("%u", entry.oid) : quote_qualified_identifier(schema, name));
  int conflicts = 0;
  VirtualTransactionId* holders = GetLockConflicts(tag, entry.mode, &conflicts);
  if (conflicts > 0 && length < static_cast<int>(sizeof(what))) {
#if PG_VERSION_NUM >= 170000
    PGPROC* holder = ProcNumberGetProc(holders[0].procNumber);
#else
    PGPROC* holder = BackendIdGetProc(holders[0].backendId);
#endif
    if (holder != nullptr) {
      snprintf(what + length, sizeof(what) - length, ", held by process %d", holder->pid);
    }
  }
  SetWaitingFor(worker, what);
  worker->lock_waited_for = entry.kind == LockKind::kDeferred ? InvalidOid : entry.oid;  // that one comes soon
  pg_atomic_write_u32(worker->state, static_cast<uint32>(shmem::WorkerState::kWaitingForLock));
}

void TakeOne(Worker* worker, const LockSet::Entry& entry) {
  LOCKTAG tag;
  if (entry.kind == LockKind::kRelation) {
    SET_LOCKTAG_RELATION(tag, MyDatabaseId, entry.oid);
  } else {
    SET_LOCKTAG_OBJECT(tag, MyDatabaseId, pg::TableOid(pg::Table::kTview), entry.oid, entry.kind == LockKind::kDeferred ? 1 : 0);
  }
  LockAcquireResult got = LockAcquire(&tag, entry.mode, false, true);
  if (got == LOCKACQUIRE_NOT_AVAIL) {
    AnnounceWait(worker, entry, &tag);
    got = LockAcquire(&tag, entry.mode, false, false);
    if (worker->avoid_count == 0) {
      SetWaitingFor(worker, "");
    }
    worker->lock_waited_for = InvalidOid;
    pg_atomic_write_u32(worker->state, static_cast<uint32>(shmem::WorkerState::kWorking));
  }
  if (got != LOCKACQUIRE_ALREADY_HELD) {
    AcceptInvalidationMessages();
  }
}

// A leaf may be rewritten or emptied by itself; its lock keeps that away from the batch's snapshot.
void WantChildren(LockSet* locks) {
  const int count = locks->count;
  for (int i = 0; i < count; ++i) {
    const LockSet::Entry entry = locks->entries[i];
    // It may have been dropped since the graph was read.
    if (entry.held || entry.kind != LockKind::kRelation || !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(entry.oid)) || !has_subclass(entry.oid)) {
      continue;
    }
    ListCell* cell;
    List* members = find_all_inheritors(entry.oid, NoLock, nullptr);
    if (list_length(members) > locks->largest_members) {
      locks->largest = entry.oid;
      locks->largest_members = list_length(members);
    }
    foreach (cell, members) {
      Want(locks, lfirst_oid(cell), LockKind::kRelation, entry.mode);
    }
  }
}

// Would the relation, and the TVIEW if it is the table of one, be locked at once?
bool IsFree(const Worker* worker, Oid oid) {
  // ROW EXCLUSIVE stands for the weaker mode too: what conflicts with ACCESS SHARE conflicts with it.
  if (!ConditionalLockRelationOid(oid, RowExclusiveLock)) {
    return false;
  }
  UnlockRelationOid(oid, RowExclusiveLock);
  if (pg_atomic_read_u32(&worker->slot->long_process.tview) == oid) {
    return true;  // batches do not take its object lock
  }
  LOCKTAG tag;
  SET_LOCKTAG_OBJECT(tag, MyDatabaseId, pg::TableOid(pg::Table::kTview), oid, 0);
  if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL) {
    return false;
  }
  LockRelease(&tag, ExclusiveLock, false);
  return true;
}

}  // namespace

void Want(LockSet* locks, Oid oid, LockKind kind, LOCKMODE mode) {
  for (int i = 0; i < locks->count; ++i) {
    LockSet::Entry* entry = &locks->entries[i];
    if (entry->oid == oid && entry->kind == kind) {
      if (mode > entry->mode) {
        entry->mode = mode;
        entry->held = false;
      }
      return;
    }
  }
  if (locks->count == locks->room) {
    locks->room = Max(32, locks->room * 2);
    const Size bytes = sizeof(LockSet::Entry) * locks->room;
    locks->entries = static_cast<LockSet::Entry*>(locks->entries == nullptr ? palloc(bytes) : repalloc(locks->entries, bytes));
  }
  locks->entries[locks->count++] = {oid, kind, mode, false};
}

bool TakeLocks(Worker* worker, LockSet* locks) {
  WantChildren(locks);
  worker->most_locks = locks->largest;
  qsort(locks->entries, locks->count, sizeof(LockSet::Entry), Compare);
  bool took = false;
  for (int i = 0; i < locks->count; ++i) {
    LockSet::Entry* entry = &locks->entries[i];
    if (!entry->held) {
      TakeOne(worker, *entry);
      entry->held = took = true;
    }
  }
  worker->most_locks = InvalidOid;
  return took;
}

void NoteLockMissed(Worker* worker, bool full) {
  if (full && OidIsValid(worker->most_locks)) {
    const TimestampTz now = GetCurrentTimestamp();
    worker->full_misses = TimestampDifferenceExceeds(worker->full_missed_at, now, 3 * kFullLimitMs) ? 1 : worker->full_misses + 1;
    worker->full_missed_at = now;
    Avoid(worker, worker->most_locks, TimestampTzPlusMilliseconds(now, core::BackoffMilliseconds(worker->full_misses, kFullBaseMs, kFullLimitMs, MyProcPid)));
  }
  worker->most_locks = InvalidOid;
  const Oid missed = worker->lock_waited_for;
  worker->lock_waited_for = InvalidOid;
  if (!OidIsValid(missed)) {
    return;
  }
  worker->lock_misses = missed == worker->lock_missed ? worker->lock_misses + 1 : 1;
  worker->lock_missed = missed;
  if (worker->lock_misses >= 3) {
    Avoid(worker, missed, 0);
    worker->lock_misses = 0;
  }
}

void RecheckAvoided(Worker* worker) {
  int kept = 0;
  for (int i = 0; i < worker->avoid_count; ++i) {
    const Worker::Avoided avoided = worker->avoid[i];
    if (avoided.until != 0 ? GetCurrentTimestamp() < avoided.until : !IsFree(worker, avoided.relation)) {
      worker->avoid[kept++] = avoided;
    }
  }
  worker->avoid_count = kept;
}

}  // namespace tviews::bgw
