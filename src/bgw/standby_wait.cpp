// Waiting on a standby, where no worker answers: by looking at what is replayed.
#include "bgw/standby_wait.h"

#include "bgw/nap.h"
#include "capture/journal.h"
#include "refresh/deferred.h"

namespace tviews::bgw {
namespace {

constexpr long kPollMs = 10;

// The query whose snapshot was given back; null: it keeps it.
QueryDesc* GiveSnapshotBack() {
  Portal portal = ActivePortal;
  if (portal == nullptr || portal->strategy != PORTAL_ONE_SELECT || portal->queryDesc == nullptr) {
    return nullptr;
  }
  QueryDesc* query = portal->queryDesc;
  // A query without tables has read nothing that a new snapshot could contradict.
  if (query->estate == nullptr || query->plannedstmt->relationOids != NIL || query->estate->es_snapshot != query->snapshot || !ActiveSnapshotSet() ||
      GetActiveSnapshot() != query->snapshot) {
    return nullptr;
  }
  PopActiveSnapshot();
  if (ActiveSnapshotSet()) {  // called by a function or a block that has a snapshot of its own
    PushActiveSnapshot(query->snapshot);
    return nullptr;
  }
  UnregisterSnapshotFromOwner(query->estate->es_snapshot, portal->resowner);
  UnregisterSnapshotFromOwner(query->snapshot, portal->resowner);
  query->estate->es_snapshot = query->snapshot = InvalidSnapshot;  // after an error nobody looks at them again
  return query;
}

void GiveNewSnapshot(QueryDesc* query) {
  PushActiveSnapshot(GetTransactionSnapshot());
  query->snapshot = RegisterSnapshotOnOwner(GetActiveSnapshot(), ActivePortal->resowner);
  query->estate->es_snapshot = RegisterSnapshotOnOwner(query->snapshot, ActivePortal->resowner);
}

// Replay that has met one of our snapshots waits for the end of the virtual transaction it was taken in, given back or not.
void EndVirtualTransaction() {
  if (TransactionIdIsValid(MyProc->xmin)) {
    return;
  }
  VirtualXactLockTableCleanup();
  VirtualTransactionId next;
#if PG_VERSION_NUM >= 170000
  next.procNumber = MyProcNumber;
#else
  next.backendId = MyBackendId;
#endif
  next.localTransactionId = GetNextLocalTransactionId();
  VirtualXactLockTableInsert(next);
#if PG_VERSION_NUM >= 170000
  MyProc->vxid.lxid = next.localTransactionId;
#else
  MyProc->lxid = next.localTransactionId;
#endif
}

bool AnythingDeferred() {
  PushActiveSnapshot(GetLatestSnapshot());
  const refresh::DeferredKinds kinds = refresh::FindDeferred();
  PopActiveSnapshot();
  return kinds.blocking || kinds.refreshing;
}

// Has the transaction ended, as far as is replayed?
bool HasEnded(FullTransactionId xid) {
  const FullTransactionId next = ReadNextFullTransactionId();
  if (!FullTransactionIdPrecedes(xid, next)) {
    return false;
  }
  const bool ancient = U64FromFullTransactionId(xid) + 0x7fffffff < U64FromFullTransactionId(next);
  return ancient || !TransactionIdIsInProgress(XidFromFullTransactionId(xid));
}

// The journal is looked at without a snapshot: the fewer there are, the less often replay meets one.
bool IsApplied(FullTransactionId xid, FullTransactionId before) {
  const bool one = FullTransactionIdIsValid(xid);
  return (!one || HasEnded(xid)) && !capture::JournalHolds(one ? U64FromFullTransactionId(xid) : 0, U64FromFullTransactionId(before)) && !AnythingDeferred();
}

bool Poll(FullTransactionId xid, TimestampTz end) {
  const FullTransactionId before = ReadNextFullTransactionId();
  XLogRecPtr seen = InvalidXLogRecPtr;
  for (;;) {
    const XLogRecPtr replayed = GetXLogReplayRecPtr(nullptr);
    if ((replayed != seen || !RecoveryInProgress()) && IsApplied(xid, before)) {
      return true;
    }
    seen = replayed;
    InvalidateCatalogSnapshot();
    EndVirtualTransaction();
    const long slice = NextSlice(end, kPollMs);
    if (slice <= 0) {
      return false;
    }
    Nap(slice);
  }
}

}  // namespace

bool WaitForReplay(FullTransactionId xid, TimestampTz end) {
  QueryDesc* query = GiveSnapshotBack();
  const bool applied = Poll(xid, end);
  if (query != nullptr) {
    GiveNewSnapshot(query);
  }
  return applied;
}

}  // namespace tviews::bgw
