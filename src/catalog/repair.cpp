// RepairNow: the whole TVIEW by difference, failing instead of parking.
#include "catalog/repair.h"

#include "catalog/graph.h"
#include "refresh/deferred.h"
#include "refresh/refresh.h"
#include "refresh/key_text.h"

namespace tviews::catalog {
namespace {

// A locked row has no SQLSTATE and waits; anything else fails the registration.
void DeferOrFail(void* context, core::ByteSpan key, const char* reason, const char* sqlstate, const char* message) {
  const Tview* tview = static_cast<const Tview*>(context);
  if (sqlstate == nullptr) {
    refresh::DeferKey(tview, key, reason, sqlstate, message);
    return;
  }
  ereport(ERROR, (errcode(MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2], sqlstate[3], sqlstate[4])), errmsg_internal("%s", message),
                  errdetail("Key: %s.", refresh::KeyText(tview, key)), strcmp(sqlstate, "21000") == 0 ? errhint("The key must be unique in the query.") : 0));
}

}  // namespace

int64 RepairNow(Oid table) {
  PushCopiedSnapshot(GetLatestSnapshot());
  UpdateActiveSnapshotCommandId();
  const Graph* graph = LoadGraph(GetActiveSnapshot());
  const Tview* tview = FindTview(graph, table);
  if (tview == nullptr) {
    elog(ERROR, "table %u is not registered", table);
  }
  const refresh::Result result = refresh::RefreshWhole(tview, DeferOrFail, const_cast<Tview*>(tview));
  PopActiveSnapshot();
  CommandCounterIncrement();
  return result.inserted + result.updated + result.deleted;
}

}  // namespace tviews::catalog
