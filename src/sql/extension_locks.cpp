// DROP EXTENSION beside writers: the tables with capture triggers first, in order, as writers do.
#include "sql/extension_locks.h"

#include "catalog/lock_all.h"
#include "pg/extension.h"

namespace tviews::sql {
namespace {

bool DropsUs(Node* statement) {
  if (!IsA(statement, DropStmt) || reinterpret_cast<DropStmt*>(statement)->removeType != OBJECT_EXTENSION) {
    return false;
  }
  ListCell* cell;
  foreach (cell, reinterpret_cast<DropStmt*>(statement)->objects) {
    if (strcmp(strVal(lfirst(cell)), "pg_tviews") == 0) {
      return true;
    }
  }
  return false;
}

bool MayDrop(Oid extension) {
#if PG_VERSION_NUM >= 160000
  return object_ownercheck(ExtensionRelationId, extension, GetUserId());
#else
  return pg_extension_ownercheck(extension, GetUserId());
#endif
}

// The values of an oid column, without duplicates.
List* Collect(pg::Table table, AttrNumber column, List* list) {
  Relation relation = table_open(pg::TableOid(table), AccessShareLock);
  Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
  TableScanDesc scan = table_beginscan(relation, snapshot, 0, nullptr);
  TupleTableSlot* slot = table_slot_create(relation, nullptr);
  while (table_scan_getnextslot(scan, ForwardScanDirection, slot)) {
    bool null = false;
    list = list_append_unique_oid(list, DatumGetObjectId(slot_getattr(slot, column, &null)));
  }
  ExecDropSingleTupleTableSlot(slot);
  table_endscan(scan);
  UnregisterSnapshot(snapshot);
  table_close(relation, AccessShareLock);
  return list;
}

}  // namespace

void LockForDropExtension(Node* statement) {
  if (!DropsUs(statement) || !pg::CatalogExists() || !MayDrop(pg::ExtensionOid())) {
    return;
  }
  List* relations = Collect(pg::Table::kPoint, 2, Collect(pg::Table::kTview, 1, NIL));
  List* all = NIL;
  ListCell* cell;
  foreach (cell, relations) {
    all = list_concat_unique_oid(list_append_unique_oid(all, lfirst_oid(cell)), find_all_inheritors(lfirst_oid(cell), NoLock, nullptr));
  }
  list_sort(all, list_oid_cmp);
  catalog::LockAll(all, AccessExclusiveLock);
}

}  // namespace tviews::sql
