// pg_tviews_wait and pg_tviews_wait_for.
#include "bgw/wait.h"
#include "pg/extension.h"
#include "refresh/deferred.h"

namespace tviews::sql {
namespace {

constexpr AttrNumber kCatalogTview = 1, kCatalogState = 11;

int64 TimeoutMs(const Interval* timeout) {
  const int64 days = static_cast<int64>(timeout->month) * DAYS_PER_MONTH + timeout->day;
  const double ms = days * static_cast<double>(SECS_PER_DAY) * 1000.0 + timeout->time / 1000.0;
  return ms < 0 ? 0 : static_cast<int64>(Min(ms, 1e12));
}

// A TVIEW that was not waited for, and why.
struct Unwaited {
  Oid tview;
  const char* why;
};

bool IsListed(List* list, Oid tview) {
  ListCell* cell;
  foreach (cell, list) {
    if (static_cast<Unwaited*>(lfirst(cell))->tview == tview) {
      return true;
    }
  }
  return false;
}

List* Note(List* list, Oid tview, const char* why) {
  bool missing = false;
  if (IsListed(list, tview) || pg_class_aclcheck_ext(tview, GetUserId(), ACL_SELECT, &missing) != ACLCHECK_OK || missing) {
    return list;
  }
  auto* unwaited = static_cast<Unwaited*>(palloc(sizeof(Unwaited)));
  *unwaited = {tview, why};
  return lappend(list, unwaited);
}

const char* WhyOfState(char state) {
  switch (state) {
    case 'p':
      return "paused";
    case 'd':
      return "degraded";
    default:
      return nullptr;
  }
}

List* CollectStates(List* list) {
  Relation relation = table_open(pg::TableOid(pg::Table::kTview), AccessShareLock);
  Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
  TableScanDesc scan = table_beginscan(relation, snapshot, 0, nullptr);
  TupleTableSlot* slot = table_slot_create(relation, nullptr);
  while (table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
    CHECK_FOR_INTERRUPTS();
    bool null = false;
    const Datum tview = slot_getattr(slot, kCatalogTview, &null);
    const char* why = WhyOfState(DatumGetChar(slot_getattr(slot, kCatalogState, &null)));
    if (why != nullptr) {
      list = Note(list, DatumGetObjectId(tview), why);
    }
  }
  ExecDropSingleTupleTableSlot(slot);
  table_endscan(scan);
  UnregisterSnapshot(snapshot);
  table_close(relation, AccessShareLock);
  return list;
}

List* CollectReason(List* list, const char* reason, const char* why) {
  ListCell* cell;
  List* tviews = refresh::TviewsWith(reason);
  foreach (cell, tviews) {
    list = Note(list, lfirst_oid(cell), why);
  }
  return list;
}

// Names the TVIEWs that a wait leaves out.
void NoticeUnwaited() {
  List* list = CollectReason(CollectReason(CollectStates(NIL), "failed", "parked keys"), "coalesced", "coalescing");
  if (list == NIL) {
    return;
  }
  StringInfoData names;
  initStringInfo(&names);
  ListCell* cell;
  foreach (cell, list) {
    const auto* unwaited = static_cast<Unwaited*>(lfirst(cell));
    char* name = get_rel_name(unwaited->tview);
    if (name != nullptr) {
      appendStringInfo(&names, "%s%s (%s)", names.len > 0 ? ", " : "",
                       quote_qualified_identifier(get_namespace_name(get_rel_namespace(unwaited->tview)), name), unwaited->why);
    }
  }
  if (names.len > 0) {
    ereport(NOTICE, (errmsg("not waited for: %s", names.data)));
  }
}

}  // namespace
}  // namespace tviews::sql

extern "C" {

PG_FUNCTION_INFO_V1(pg_tviews_wait);
PG_FUNCTION_INFO_V1(pg_tviews_wait_for);

PGDLLEXPORT Datum pg_tviews_wait(PG_FUNCTION_ARGS) {
  const bool applied = tviews::bgw::WaitApplied(tviews::sql::TimeoutMs(PG_GETARG_INTERVAL_P(0)));
  if (applied) {
    tviews::sql::NoticeUnwaited();
  }
  PG_RETURN_BOOL(applied);
}

PGDLLEXPORT Datum pg_tviews_wait_for(PG_FUNCTION_ARGS) {
  const FullTransactionId xid = PG_GETARG_FULLTRANSACTIONID(0);
  const bool applied = tviews::bgw::WaitAppliedFor(xid, tviews::sql::TimeoutMs(PG_GETARG_INTERVAL_P(1)));
  if (applied) {
    tviews::sql::NoticeUnwaited();
  }
  PG_RETURN_BOOL(applied);
}
}
