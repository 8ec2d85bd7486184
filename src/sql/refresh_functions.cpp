// pg_tviews_refresh, _refresh_all, _verify, _retry_parked: comparing and repairing TVIEWs in the calling session.
#include "capture/transaction_set.h"
#include "catalog/graph.h"
#include "catalog/register.h"
#include "catalog/registration.h"
#include "pg/extension.h"
#include "pg/owner_context.h"
#include "pg/primary.h"
#include "pg/waitpoint.h"
#include "refresh/deferred.h"
#include "refresh/key_collector.h"
#include "refresh/key_text.h"
#include "refresh/verify.h"
#include "shmem/segment.h"
#include "shmem/statistics.h"

namespace tviews::sql {
namespace {

struct WantedLock {
  Oid oid;
  LOCKMODE mode;
};

struct Locks {
  List* relations;  // of WantedLock*
  List* objects;    // OIDs
};

int ByOid(const ListCell* a, const ListCell* b) {
  const Oid left = static_cast<const WantedLock*>(lfirst(a))->oid, right = static_cast<const WantedLock*>(lfirst(b))->oid;
  return left < right ? -1 : left > right;
}

void Want(Locks* locks, Oid oid, LOCKMODE mode) {
  ListCell* cell;
  foreach (cell, locks->relations) {
    WantedLock* known = static_cast<WantedLock*>(lfirst(cell));
    if (known->oid == oid) {
      known->mode = Max(known->mode, mode);
      return;
    }
  }
  WantedLock* wanted = static_cast<WantedLock*>(palloc(sizeof(WantedLock)));
  *wanted = {oid, mode};
  locks->relations = lappend(locks->relations, wanted);
}

void WantTview(Locks* locks, const catalog::Graph* graph, const catalog::Tview* tview) {
  const int number = static_cast<int>(tview - graph->tviews);
  for (int i = 0; i < graph->reads_count; ++i) {
    if (graph->reads[i].tview != number) {
      continue;
    }
    ListCell* cell;
    foreach (cell, find_all_inheritors(graph->reads[i].relation, NoLock, nullptr)) {
      Want(locks, lfirst_oid(cell), AccessShareLock);
    }
  }
  Want(locks, tview->view, AccessShareLock);
  ListCell* leaf;
  foreach (leaf, find_all_inheritors(tview->table, NoLock, nullptr)) {  // a leaf may be emptied by itself
    Want(locks, lfirst_oid(leaf), RowExclusiveLock);
  }
  locks->objects = lappend_oid(locks->objects, tview->table);
}

// Relations by OID, then TVIEW objects by OID: the order of the worker and of DDL.
void TakeLocks(Locks* locks) {
  ListCell* cell;
  list_sort(locks->relations, ByOid);
  foreach (cell, locks->relations) {
    const WantedLock* wanted = static_cast<const WantedLock*>(lfirst(cell));
    LockRelationOid(wanted->oid, wanted->mode);
  }
  catalog::LockTviews(locks->objects);
}

bool MayWrite(Oid table) {
  constexpr AclMode kWrite = ACL_INSERT | ACL_UPDATE | ACL_DELETE;
  return pg_class_ownercheck(table, GetUserId()) || pg_class_aclmask(table, GetUserId(), kWrite, ACLMASK_ALL) == kWrite;
}

void RequireWrite(Oid table) {
  if (!MayWrite(table)) {
    aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(table));
  }
}

void RequireFreshSnapshots(const char* function) {
  pg::RequireWritable(function);
  if (IsolationUsesXactSnapshot()) {
    ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
                    errmsg("%s cannot run in a REPEATABLE READ or SERIALIZABLE transaction", function),
                    errhint("Call it in a READ COMMITTED transaction.")));
  }
}

const catalog::Tview* RequireTview(const catalog::Graph* graph, Oid table) {
  const catalog::Tview* tview = catalog::FindTview(graph, table);
  if (tview == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table with OID %u is not a TVIEW", table)));
  }
  return tview;
}

// The graph after the locks, as the snapshot that it leaves active sees it; pop that.
catalog::Graph* LockAndLoad(const List* tables) {
  catalog::Graph* before = catalog::LoadGraph(GetLatestSnapshot());
  Locks locks = {};
  ListCell* cell;
  foreach (cell, tables) {
    WantTview(&locks, before, RequireTview(before, lfirst_oid(cell)));
  }
  TakeLocks(&locks);
  PushCopiedSnapshot(GetLatestSnapshot());
  return catalog::LoadGraph(GetActiveSnapshot());
}

struct Refusals {
  const catalog::Tview* tview;
  int64 locked, failed;
  char first[256];
};

void KeepRefused(void* context, core::ByteSpan key, const char* reason, const char* sqlstate, const char* message) {
  Refusals* refusals = static_cast<Refusals*>(context);
  if (sqlstate == nullptr) {
    ++refusals->locked;
  } else if (refusals->failed++ == 0) {
    snprintf(refusals->first, sizeof(refusals->first), "Key %s: %s", refresh::KeyText(refusals->tview, key), message);
  }
  refresh::DeferKey(refusals->tview, key, reason, sqlstate, message);
}

void Log(const catalog::Tview* tview, const refresh::Result& result, double duration_ms) {
  shmem::RefreshEntry entry = {};
  entry.at = GetCurrentTimestamp();
  entry.database = MyDatabaseId;
  entry.tview = tview->table;
  strlcpy(entry.entity, tview->entity, sizeof(entry.entity));
  entry.duration_ms = duration_ms;
  entry.keys = result.keys;
  entry.inserted = result.inserted;
  entry.updated = result.updated;
  entry.deleted = result.deleted;
  entry.unchanged = result.unchanged;
  strlcpy(entry.form, refresh::FormName(result.form), sizeof(entry.form));
  shmem::LogRefresh(entry, nullptr);
}

// REQUIRES: LockAndLoad.  Returns rows changed.
int64 RefreshTview(const catalog::Tview* tview) {
  Refusals refusals = {};
  refusals.tview = tview;
  instr_time start, duration;
  INSTR_TIME_SET_CURRENT(start);
  const refresh::Result result = refresh::RefreshWhole(tview, KeepRefused, &refusals);
  INSTR_TIME_SET_CURRENT(duration);
  INSTR_TIME_SUBTRACT(duration, start);
  // A TVIEW that is not fresh has a row that makes the worker bring it back; that one has to stay.
  if (tview->state == catalog::State::kFresh) {
    refresh::ForgetDeferred(tview, nullptr, 0, true);
  }
  if (refusals.locked > 0) {
    ereport(WARNING, (errmsg(INT64_FORMAT " rows of TVIEW \"%s\" are locked by other sessions and will be refreshed later",
                             refusals.locked, tview->entity)));
  }
  if (refusals.failed > 0) {
    ereport(WARNING,
            (errmsg(INT64_FORMAT " rows of TVIEW \"%s\" could not be refreshed and are parked", refusals.failed, tview->entity),
             errdetail("%s", refusals.first), errhint("See pg_tview_parked_keys.")));
  }
  UpdateActiveSnapshotCommandId();
  Log(tview, result, INSTR_TIME_GET_MILLISEC(duration));
  const int64 changed = result.inserted + result.updated + result.deleted;
  catalog::Audit("REFRESH", tview->entity, psprintf("{\"rows_changed\": " INT64_FORMAT "}", changed));
  capture::WakeAtCommit();
  return changed;
}

bool MayRead(Oid table) { return pg_class_aclcheck(table, GetUserId(), ACL_SELECT) == ACLCHECK_OK; }

refresh::Comparison CompareTview(const catalog::Tview* tview, bool sampled, int64 rows) {
  if (!sampled) {
    return refresh::Compare(tview, nullptr, 0);
  }
  core::KeySets* keys = refresh::NewKeySetsHere();
  refresh::SampleKeys(tview, rows, keys, 0);
  return refresh::Compare(tview, keys, 0);
}

}  // namespace
}  // namespace tviews::sql

extern "C" {

PG_FUNCTION_INFO_V1(pg_tviews_refresh);
Datum pg_tviews_refresh(PG_FUNCTION_ARGS) {
  using namespace tviews;
  shmem::RequireAttached();
  sql::RequireFreshSnapshots("pg_tviews_refresh()");
  const Oid table = catalog::ResolveTview(text_to_cstring(PG_GETARG_TEXT_PP(0)));
  sql::RequireWrite(table);
  const catalog::Graph* graph = sql::LockAndLoad(list_make1_oid(table));
  const int64 changed = sql::RefreshTview(sql::RequireTview(graph, table));
  PopActiveSnapshot();
  PG_RETURN_INT64(changed);
}

PG_FUNCTION_INFO_V1(pg_tviews_refresh_all);
Datum pg_tviews_refresh_all(PG_FUNCTION_ARGS) {
  using namespace tviews;
  shmem::RequireAttached();
  sql::RequireFreshSnapshots("pg_tviews_refresh_all()");
  ReturnSetInfo* rows = BeginRows(fcinfo);
  const catalog::Graph* before = catalog::LoadGraph(GetLatestSnapshot());
  List* tables = NIL;
  for (int i = 0; i < before->tview_count; ++i) {
    if (sql::MayWrite(before->tviews[i].table)) {
      tables = lappend_oid(tables, before->tviews[i].table);
    }
  }
  const catalog::Graph* graph = sql::LockAndLoad(tables);
  for (int i = 0; i < graph->tview_count; ++i) {  // ordered by level
    if (!list_member_oid(tables, graph->tviews[i].table)) {
      continue;
    }
    CHECK_FOR_INTERRUPTS();
    Datum values[2] = {CStringGetTextDatum(graph->tviews[i].entity), Int64GetDatum(sql::RefreshTview(&graph->tviews[i]))};
    bool nulls[2] = {};
    tuplestore_putvalues(rows->setResult, rows->setDesc, values, nulls);
  }
  PopActiveSnapshot();
  return static_cast<Datum>(0);
}

PG_FUNCTION_INFO_V1(pg_tviews_verify);
Datum pg_tviews_verify(PG_FUNCTION_ARGS) {
  using namespace tviews;
  shmem::RequireAttached();
  if (PG_ARGISNULL(0)) {
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the TVIEW must not be null")));
  }
  const bool sampled = !PG_ARGISNULL(1);
  const int64 sample = sampled ? PG_GETARG_INT64(1) : 0;
  const bool repair = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
  if (sampled && sample <= 0) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("sample_rows must be greater than zero")));
  }
  const Oid table = catalog::ResolveTview(text_to_cstring(PG_GETARG_TEXT_PP(0)));
  ReturnSetInfo* rows = BeginRows(fcinfo);
  const catalog::Graph* graph;
  if (repair) {
    sql::RequireFreshSnapshots("pg_tviews_verify()");
    sql::RequireWrite(table);
    graph = sql::LockAndLoad(list_make1_oid(table));
  } else {
    if (!sql::MayRead(table)) {
      aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(table));
    }
    PushCopiedSnapshot(GetLatestSnapshot());
    graph = catalog::LoadGraph(GetActiveSnapshot());
  }
  const catalog::Tview* tview = sql::RequireTview(graph, table);
  const refresh::Comparison comparison = sql::CompareTview(tview, sampled, sample);
  if (repair && comparison.missing + comparison.extra + comparison.different > 0) {
    sql::RefreshTview(tview);
  }
  Datum values[5] = {CStringGetTextDatum(tview->entity), Int64GetDatum(comparison.missing), Int64GetDatum(comparison.extra),
                     Int64GetDatum(comparison.different), 0};
  bool nulls[5] = {false, false, false, false, comparison.example.data == nullptr || !pg::MayReadAllRows(table)};
  if (!nulls[4]) {
    values[4] = CStringGetTextDatum(refresh::KeyText(tview, comparison.example));
  }
  tuplestore_putvalues(rows->setResult, rows->setDesc, values, nulls);
  PopActiveSnapshot();
  return static_cast<Datum>(0);
}

PG_FUNCTION_INFO_V1(pg_tviews_retry_parked);
Datum pg_tviews_retry_parked(PG_FUNCTION_ARGS) {
  using namespace tviews;
  shmem::RequireAttached();
  pg::RequireWritable("pg_tviews_retry_parked()");
  int64 count = 0;
  if (!PG_ARGISNULL(0)) {
    const Oid table = catalog::ResolveTview(text_to_cstring(PG_GETARG_TEXT_PP(0)));
    sql::RequireWrite(table);
    catalog::LockTviews(list_make1_oid(table));
    count = refresh::MakeFailedDue(table);
  } else {
    const catalog::Graph* graph = catalog::LoadGraph(GetLatestSnapshot());
    List* tables = NIL;
    for (int i = 0; i < graph->tview_count; ++i) {
      if (sql::MayWrite(graph->tviews[i].table)) {
        tables = lappend_oid(tables, graph->tviews[i].table);
      }
    }
    catalog::LockTviews(tables);
    ListCell* cell;
    foreach (cell, tables) {
      count += refresh::MakeFailedDue(lfirst_oid(cell));
    }
  }
  pg::Waitpoint("retry_parked");
  capture::WakeAtCommit();
  PG_RETURN_INT64(count);
}
}
