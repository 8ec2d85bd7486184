// Dependencies of a TVIEW on what its view reads only through SQL functions: the server keeps none for a function whose body is text.
#include "catalog/hidden.h"

#include "catalog/rows.h"

namespace tviews::catalog {
namespace {

// Whether the table itself needs the dependency, whatever its view reads.
bool IsOwn(const FormData_pg_depend* depend, Oid view, bool is_partitioned) {
  if (depend->objsubid != 0 || depend->deptype != DEPENDENCY_NORMAL) {
    return true;
  }
  switch (depend->refclassid) {
    case RelationRelationId: {
      const char kind = get_rel_relkind(depend->refobjid);
      return depend->refobjid == view || (kind != RELKIND_VIEW && depend->refobjsubid == 0 && has_subclass(depend->refobjid));
    }
    case ProcedureRelationId:
    case OperatorRelationId:
      return is_partitioned;  // its partition key may be an expression
    default:
      return true;
  }
}

Oid ViewOf(Oid table) {
  RowScan scan = OpenRowsByKey(pg::Table::kTview, kTviewIndex, tview_column::kTview, ObjectIdGetDatum(table), true, nullptr);
  const Oid view = NextRow(&scan) ? OidColumn(scan, tview_column::kView) : InvalidOid;
  CloseRows(&scan);
  return view;
}

}  // namespace

void DependOnBodies(Oid table, List* bodies) {
  const Oid view = ViewOf(table);
  const bool is_partitioned = get_rel_relkind(table) == RELKIND_PARTITIONED_TABLE;
  Relation depends = table_open(DependRelationId, RowExclusiveLock);
  ScanKeyData keys[2];
  ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(RelationRelationId));
  ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(table));
  SysScanDesc scan = systable_beginscan(depends, DependDependerIndexId, true, nullptr, 2, keys);
  HeapTuple tuple;
  while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
    if (!IsOwn(reinterpret_cast<FormData_pg_depend*>(GETSTRUCT(tuple)), view, is_partitioned)) {
      CatalogTupleDelete(depends, &tuple->t_self);
    }
  }
  systable_endscan(scan);
  table_close(depends, RowExclusiveLock);
  if (bodies != NIL) {
    const ObjectAddress depender = {RelationRelationId, table, 0};
    recordDependencyOnExpr(&depender, reinterpret_cast<Node*>(bodies), NIL, DEPENDENCY_NORMAL);
  }
}

}  // namespace tviews::catalog
