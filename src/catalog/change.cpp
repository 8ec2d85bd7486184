// What a change of the graph entails.
#include "catalog/change.h"

#include "capture/transaction_set.h"
#include "catalog/drop.h"
#include "catalog/registration.h"
#include "catalog/rows.h"
#include "shmem/graph_cache.h"

namespace tviews::catalog {
namespace {

bool changed;  // the graph, in this transaction

void AtTransactionEvent(XactEvent event, void*) {
  switch (event) {
    case XACT_EVENT_PRE_PREPARE:
      if (changed) {  // the second phase may run anywhere, and must not raise
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("cannot PREPARE a transaction that has created, dropped or altered a TVIEW"),
                        errhint("Commit it in one phase.")));
      }
      break;
    case XACT_EVENT_COMMIT:
      if (changed) {
        shmem::ResetGraphCache(MyDatabaseId);
      }
      [[fallthrough]];
    case XACT_EVENT_ABORT:
      changed = false;
      shmem::EndBypassOfGraphCache();
      ForgetNotedDrops();
      break;
    default:
      break;
  }
}

}  // namespace

void InstallGraphCallback() { RegisterXactCallback(AtTransactionEvent, nullptr); }

void GraphChanged() {
  changed = true;
  shmem::BypassGraphCache();
  capture::WakeAtCommit();
}

void InvalidateRelations(const List* relations) {
  ListCell* cell;
  foreach (cell, relations) {
    if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lfirst_oid(cell)))) {
      continue;
    }
    const List* members = find_all_inheritors(lfirst_oid(cell), NoLock, nullptr);
    ListCell* member;
    foreach (member, members) {
      if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lfirst_oid(member)))) {
        CacheInvalidateRelcacheByRelid(lfirst_oid(member));
      }
    }
  }
}

}  // namespace tviews::catalog
