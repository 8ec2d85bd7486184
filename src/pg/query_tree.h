// Query trees and columns as PostgreSQL 15 has them, for whoever reads trees of any major.
#pragma once

#include "pg/pg.h"

namespace tviews::pg {

// Since 16 a Var says which outer joins may null it.  Lineage judges that itself, and compares Vars by column only.
inline void ForgetNullingRels(Var* var) {
#if PG_VERSION_NUM >= 160000
  var->varnullingrels = nullptr;
#else
  (void)var;
#endif
}

// Since 18 grouped expressions are Vars of a range table entry of their own: the expressions take their places again.
inline void FlattenGroups(Query* query) {
#if PG_VERSION_NUM >= 180000
  if (query->hasGroupRTE) {
    query->targetList = castNode(List, flatten_group_exprs(nullptr, query, reinterpret_cast<Node*>(query->targetList)));
    query->havingQual = flatten_group_exprs(nullptr, query, query->havingQual);
  }
#else
  (void)query;
#endif
}

// Whether the column is declared NOT NULL and no row breaks it; false for no column.  Since 18 a NOT NULL constraint may be NOT VALID.
inline bool IsColumnNotNull(Oid relation, AttrNumber column) {
  HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relation), Int16GetDatum(column));
  if (!HeapTupleIsValid(tuple)) {
    return false;
  }
  bool not_null = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple))->attnotnull;
  ReleaseSysCache(tuple);
#if PG_VERSION_NUM >= 180000
  HeapTuple constraint = not_null ? findNotNullConstraintAttnum(relation, column) : nullptr;
  if (HeapTupleIsValid(constraint)) {
    not_null = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(constraint))->convalidated;
    heap_freetuple(constraint);
  }
#endif
  return not_null;
}

// Since 18 NOT NULL has a constraint that can be dropped by its name.
inline bool IsNotNullConstraint(Oid relation, const char* name) {
  bool is_not_null = false;
#if PG_VERSION_NUM >= 180000
  const Oid constraint = get_relation_constraint_oid(relation, name, true);
  HeapTuple tuple = OidIsValid(constraint) ? SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint)) : nullptr;
  if (HeapTupleIsValid(tuple)) {
    is_not_null = reinterpret_cast<Form_pg_constraint>(GETSTRUCT(tuple))->contype == CONSTRAINT_NOTNULL;
    ReleaseSysCache(tuple);
  }
#else
  (void)relation;
  (void)name;
#endif
  return is_not_null;
}

// Since 18 a generated column may be computed at reading.
inline bool IsColumnVirtual(Oid relation, AttrNumber column) {
#if PG_VERSION_NUM >= 180000
  return get_attgenerated(relation, column) == ATTRIBUTE_GENERATED_VIRTUAL;
#else
  (void)relation;
  (void)column;
  return false;
#endif
}

}  // namespace tviews::pg
