// What one refresh or comparison of a TVIEW holds open: owner's context, SPI, table, memory.
#include "refresh/session.h"

namespace tviews::refresh {

namespace {

bool HasDeferredTriggers(Relation table) {
  const TriggerDesc* triggers = table->trigdesc;
  for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i) {
    if (triggers->triggers[i].tgdeferrable) {
      return true;
    }
  }
  return false;
}

// Deferred triggers cannot be queued in a security-restricted context.
void MakeConstraintsImmediate(const catalog::Tview* tview) {
  Relation table = table_open(tview->table, RowExclusiveLock);
  if (table->rd_rel->relkind == RELKIND_PARTITIONED_TABLE || HasDeferredTriggers(table)) {
    ConstraintsSetStmt* immediate = makeNode(ConstraintsSetStmt);
    immediate->deferred = false;
    AfterTriggerSetState(immediate);
  }
  table_close(table, NoLock);
}

}  // namespace

void BeginSession(Session* session, const catalog::Tview* tview, bool writes) {
  memset(session, 0, sizeof(*session));
  session->outer = CurrentMemoryContext;
  session->own = AllocSetContextCreate(session->outer, "pg_tviews refresh", ALLOCSET_DEFAULT_SIZES);
  if (writes) {
    MakeConstraintsImmediate(tview);
  }
  if (SPI_connect() != SPI_OK_CONNECT) {
    elog(ERROR, "SPI_connect failed");
  }
  MemoryContextSwitchTo(session->own);
  session->owner = pg::EnterOwner(tview->owner, tview->settings);
  if (tview->narrowed != nullptr) {
    pg::PreferCatalog();
  }
  session->target =
      OpenTarget(tview, writes ? RowExclusiveLock : AccessShareLock, writes ? GetLatestSnapshot() : GetActiveSnapshot());
}

void EndSession(Session* session, DeferFunction defer, void* context) {
  for (Tuplestorestate* rows : session->changes.rows) {
    if (rows != nullptr) {
      tuplestore_end(rows);
    }
  }
  CloseTarget(session->target);
  if (MyBackendType == B_BG_WORKER) {
    LockReleaseSession(USER_LOCKMETHOD);  // a function of the view may have taken advisory locks
  }
  pg::LeaveOwner(session->owner);
  SPI_finish();
  MemoryContextSwitchTo(session->own);
  ListCell* cell;
  foreach (cell, session->changes.refused) {
    const Refused* refused = static_cast<const Refused*>(lfirst(cell));
    defer(context, refused->key, refused->reason, refused->sqlstate, refused->message);
  }
  MemoryContextSwitchTo(session->outer);
  MemoryContextDelete(session->own);
}

}  // namespace tviews::refresh
