// What publications of this database are seen to have by subscribers.
//
// A subscriber asks over a replication connection, by a query on pg_get_publication_tables() joined to pg_class: for such a query the
// extension's own tables do not exist in pg_class.  What it is sent later has none of their rows (pg/own_rows.h).
#include "sql/publications.h"

#include "lineage/walker.h"
#include "pg/extension.h"

namespace tviews::sql {
namespace {

constexpr Oid kOidEquals = 607;  // pg_operator.dat

planner_hook_type next_planner;

bool AsksForPublications(Node* node, void* context) {
  if (node == nullptr) {
    return false;
  }
  if (IsA(node, FuncExpr) && castNode(FuncExpr, node)->funcid == F_PG_GET_PUBLICATION_TABLES) {
    return true;
  }
  return IsA(node, Query) ? lineage::WalkQuery(castNode(Query, node), AsksForPublications, context, 0)
                          : lineage::WalkChildren(node, AsksForPublications, context);
}

Const* OwnTables() {
  Datum tables[pg::kOwnTables];
  for (int i = 0; i < pg::kOwnTables; ++i) {
    tables[i] = ObjectIdGetDatum(pg::TableOid(static_cast<pg::Table>(i)));
  }
  ArrayType* array = construct_array(tables, pg::kOwnTables, OIDOID, sizeof(Oid), true, TYPALIGN_INT);
  return makeConst(OIDARRAYOID, -1, InvalidOid, -1, PointerGetDatum(array), false, false);
}

// pg_class.oid <> ALL (own tables)
Node* IsNotOurs(int pg_class) {
  ScalarArrayOpExpr* differs = makeNode(ScalarArrayOpExpr);
  differs->opno = get_negator(kOidEquals);
  differs->opfuncid = get_opcode(differs->opno);
  differs->useOr = false;
  differs->args = list_make2(makeVar(pg_class, Anum_pg_class_oid, OIDOID, -1, InvalidOid, 0), OwnTables());
  differs->location = -1;
  return reinterpret_cast<Node*>(differs);
}

bool HideOurs(Node* node, void* context) {
  if (node == nullptr) {
    return false;
  }
  if (!IsA(node, Query)) {
    return lineage::WalkChildren(node, HideOurs, context);
  }
  Query* query = castNode(Query, node);
  int number = 0;
  ListCell* cell;
  foreach (cell, query->rtable) {
    const RangeTblEntry* entry = lfirst_node(RangeTblEntry, cell);
    ++number;
    if (entry->rtekind == RTE_RELATION && entry->relid == RelationRelationId) {
      query->jointree->quals = make_and_qual(query->jointree->quals, IsNotOurs(number));
    }
  }
  return lineage::WalkQuery(query, HideOurs, context, 0);
}

PlannedStmt* Plan(Query* query, const char* text, int options, ParamListInfo parameters) {
  if (am_walsender && AsksForPublications(reinterpret_cast<Node*>(query), nullptr) && pg::CatalogExists()) {
    HideOurs(reinterpret_cast<Node*>(query), nullptr);
  }
  return next_planner != nullptr ? next_planner(query, text, options, parameters) : standard_planner(query, text, options, parameters);
}

}  // namespace

void HideFromSubscribers() {
  next_planner = planner_hook;
  planner_hook = Plan;
}

}  // namespace tviews::sql
