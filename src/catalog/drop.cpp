// Dropping a TVIEW, by whatever road.
#include "catalog/drop.h"

#include "catalog/change.h"
#include "catalog/graph.h"
#include "catalog/internal_sql.h"
#include "catalog/lock_all.h"
#include "catalog/register.h"
#include "catalog/registration.h"
#include "catalog/rows.h"
#include "catalog/triggers.h"
#include "pg/waitpoint.h"
#include "shmem/segment.h"

namespace tviews::catalog {
namespace {

struct NotedDrop {
  Oid table, view;
  bool owns_view;
};
List* noted;          // of NotedDrop*, in TopTransactionContext
List* lost_rows;      // OIDs of TVIEWs that lost rows with a partition or child, in TopTransactionContext
List* lost_members;   // OIDs of the roots whose partitions were dropped, in TopTransactionContext

// A partition or child goes, and its rows with it, without a trigger.
void NoteLostRows(Oid relation) {
  List* ancestors = list_delete_first(SelfAndAncestors(relation));
  ListCell* cell;
  foreach (cell, ancestors) {
    if (IsTviewTable(lfirst_oid(cell))) {
      MemoryContext saved = MemoryContextSwitchTo(TopTransactionContext);
      lost_rows = list_append_unique_oid(lost_rows, lfirst_oid(cell));
      MemoryContextSwitchTo(saved);
    }
    RowScan scan = OpenRowsByKey(pg::Table::kRelation, kRelationByRelation, relation_column::kRelation, ObjectIdGetDatum(lfirst_oid(cell)), true, nullptr);
    while (NextRow(&scan)) {
      MemoryContext saved = MemoryContextSwitchTo(TopTransactionContext);
      lost_rows = list_append_unique_oid(lost_rows, OidColumn(scan, relation_column::kTview));
      MemoryContextSwitchTo(saved);
    }
    CloseRows(&scan);
  }
}

// A partition that was read goes: afterwards nobody can tell that its root carries the trigger for its sake.
void NoteLostMember(Oid relation) {
  if (get_rel_relispartition(relation)) {
    MemoryContext saved = MemoryContextSwitchTo(TopTransactionContext);
    lost_members = list_append_unique_oid(lost_members, RowHost(relation));
    MemoryContextSwitchTo(saved);
  }
}

// The relations, with their partitions and children, that nobody reads any more.
List* LosingTriggers(const List* relations) {
  List* losing = NIL;
  const ListCell* cell;
  foreach (cell, relations) {
    if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lfirst_oid(cell)))) {
      continue;
    }
    const List* members = CaptureMembers(lfirst_oid(cell));
    const ListCell* member;
    foreach (member, members) {
      if (!IsCaptured(lfirst_oid(member)) && !OidIsValid(TviewOf(lfirst_oid(member)))) {
        losing = list_append_unique_oid(losing, lfirst_oid(member));
      }
    }
  }
  return losing;
}

bool Exists(Oid relation) { return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)); }

}  // namespace

void NoteDrop(Oid relation) {
  if (!pg::CatalogExists()) {
    return;
  }
  const char kind = get_rel_relkind(relation);
  if (kind == RELKIND_INDEX) {
    const Oid table = IndexGetRelation(relation, true);
    if (OidIsValid(table) && IsTviewTable(table)) {
      GraphChanged();  // it may have been the key's
    }
    return;
  }
  if ((kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE) || get_rel_persistence(relation) == RELPERSISTENCE_TEMP) {
    return;
  }
  NoteLostRows(relation);
  NoteLostMember(relation);
  RowScan scan = OpenRowsByKey(pg::Table::kTview, kTviewIndex, tview_column::kTview, ObjectIdGetDatum(relation), true, nullptr);
  if (NextRow(&scan)) {
    MemoryContext saved = MemoryContextSwitchTo(TopTransactionContext);
    NotedDrop* drop = static_cast<NotedDrop*>(palloc(sizeof(NotedDrop)));
    *drop = {relation, OidColumn(scan, tview_column::kView), BoolColumn(scan, tview_column::kOwnsView)};
    noted = lappend(noted, drop);
    MemoryContextSwitchTo(saved);
  }
  CloseRows(&scan);
}

void ForgetNotedDrops() {
  noted = NIL;
  lost_rows = NIL;
  lost_members = NIL;
}

void FinishDrops(DropBehavior behavior) {
  while (noted != NIL) {
    const NotedDrop drop = *static_cast<NotedDrop*>(linitial(noted));
    noted = list_delete_first(noted);
    CommandCounterIncrement();
    if (Exists(drop.table) || !pg::CatalogExists()) {
      continue;  // the drop was rolled back, or the extension went with it
    }
    ForgetTview(drop.table);
    if (drop.owns_view && get_rel_relkind(drop.view) == RELKIND_VIEW) {
      const ObjectAddress view = {RelationRelationId, drop.view, 0};
      performDeletion(&view, behavior, 0);
    }
  }
  while (lost_rows != NIL) {
    const Oid tview = linitial_oid(lost_rows);
    lost_rows = list_delete_first(lost_rows);
    if (pg::CatalogExists() && IsTviewTable(tview)) {
      MarkForReconciliation(tview);
    }
  }
  while (lost_members != NIL) {
    const Oid root = linitial_oid(lost_members);
    lost_members = list_delete_first(lost_members);
    if (pg::CatalogExists() && Exists(root) && RowTriggerState(root) != 0) {
      LockAll(LosingTriggers(list_make1_oid(root)), AccessExclusiveLock);
      RemoveUnneededTriggers(root);
    }
  }
}

void ForgetTview(Oid table) {
  RowScan scan = OpenRowsByKey(pg::Table::kTview, kTviewIndex, tview_column::kTview, ObjectIdGetDatum(table), true, nullptr);
  const bool found = NextRow(&scan);
  const char* entity = found ? TextColumn(scan, tview_column::kEntity) : nullptr;
  CloseRows(&scan);
  if (!found) {
    return;
  }
  const List* relations = RelationsOf(table);
  ListCell* cell;
  foreach (cell, relations) {  // no registration beside us; writers go on
    LockRelationOid(lfirst_oid(cell), ShareUpdateExclusiveLock);
  }
  const SqlContext context = EnterSql(ExtensionOwner());
  DeleteLineageRows(table);
  RunSql("DELETE FROM %s.pg_tview_deferred WHERE tview = $1", {OidArgument(table)});
  RunSql("DELETE FROM %s.pg_tview_timer WHERE tview = $1", {OidArgument(table)});
  RunSql("DELETE FROM %s.pg_tview_catalog WHERE tview = $1", {OidArgument(table)});
  LeaveSql(context);
  CommandCounterIncrement();
  LockAll(LosingTriggers(relations), AccessExclusiveLock);
  foreach (cell, relations) {
    RemoveUnneededTriggers(lfirst_oid(cell));
  }
  pg::Waitpoint("drop_forgotten");
  InvalidateRelations(relations);
  GraphChanged();
  Audit("DROP", entity, "{}");
}

namespace {

bool IsAdopted(Oid table) {
  RowScan scan = OpenRowsByKey(pg::Table::kTview, kTviewIndex, tview_column::kTview, ObjectIdGetDatum(table), true, nullptr);
  const bool adopted = NextRow(&scan) && BoolColumn(scan, tview_column::kAdopted);
  CloseRows(&scan);
  return adopted;
}

// An adopted table goes back to its user, rows and all.
void Release(Oid table, DropBehavior behavior) {
  RowScan scan = OpenRowsByKey(pg::Table::kTview, kTviewIndex, tview_column::kTview, ObjectIdGetDatum(table), true, nullptr);
  const ObjectAddress view = {RelationRelationId, NextRow(&scan) ? OidColumn(scan, tview_column::kView) : InvalidOid, 0};
  const bool owns_view = BoolColumn(scan, tview_column::kOwnsView);
  CloseRows(&scan);
  ForgetTview(table);
  CommandCounterIncrement();
  deleteDependencyRecordsForSpecific(RelationRelationId, table, DEPENDENCY_NORMAL, RelationRelationId, view.objectId);
  RemoveTviewTriggers(table);
  const SqlContext context = EnterSql(ExtensionOwner());
  RunSql("UPDATE %s.pg_tview_relation SET is_tview = false WHERE relation = $1", {OidArgument(table)});
  LeaveSql(context);
  CommandCounterIncrement();
  RecomputeLevels();
  InvalidateRelations(list_make1_oid(table));
  if (owns_view) {
    performDeletion(&view, behavior, 0);
  }
  ereport(NOTICE, (errmsg("table \"%s\" is no TVIEW any more; it stays with its rows", get_rel_name(table)), errdetail("It was there before pg_tviews adopted it."),
                   errhint("DROP TABLE drops it.")));
}

}  // namespace

void DropTview(Oid table, bool cascade) {
  shmem::RequireAttached();  // without the hooks the rows would stay
  if (!pg_class_ownercheck(table, GetUserId())) {
    aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(table));
  }
  LockRelationOid(table, AccessExclusiveLock);
  if (!Exists(table)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("TVIEW was dropped concurrently")));
  }
  LockTview(table);
  if (IsAdopted(table)) {
    Release(table, cascade ? DROP_CASCADE : DROP_RESTRICT);
    return;
  }
  const SqlContext context = EnterSql(GetUserId());
  RunUtility(psprintf("DROP TABLE %s%s", quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)), get_rel_name(table)), cascade ? " CASCADE" : ""));
  LeaveSql(context);
}

}  // namespace tviews::catalog
