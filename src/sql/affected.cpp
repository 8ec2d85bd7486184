// Which TVIEWs a change of an object concerns.
#include "sql/affected.h"

#include "catalog/internal_sql.h"
#include "catalog/rows.h"

namespace tviews::sql {
namespace {

using catalog::EnterSql;
using catalog::ExtensionOwner;
using catalog::LeaveSql;
using catalog::OidArgument;
using catalog::ResultOids;
using catalog::RunSql;
using catalog::SqlContext;

// `tree`: from the relation's partitions and children, too.
List* FindTviews(Oid object_class, Oid object, bool tree, bool whole_row) {
  if (AllTviews() == NIL) {
    return NIL;
  }
  const SqlContext context = EnterSql(ExtensionOwner());
  const uint64 rows = RunSql(
      "WITH RECURSIVE t(id) AS (SELECT $2::oid UNION SELECT i.inhrelid FROM t JOIN pg_inherits i ON $4 AND i.inhparent = t.id), "
      "o(class, id) AS (SELECT $1::oid, t.id FROM t UNION "
      "  SELECT n.class, n.id FROM o, LATERAL ("
      "    SELECT 'pg_class'::regclass::oid AS class, w.ev_class AS id FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid"
      "      WHERE d.refclassid = o.class AND d.refobjid = o.id AND d.classid = 'pg_rewrite'::regclass"
      "    UNION ALL SELECT d.classid, d.objid FROM pg_depend d WHERE o.class IN ('pg_proc'::regclass, 'pg_operator'::regclass)"
      "      AND d.refclassid = o.class AND d.refobjid = o.id AND d.classid IN ('pg_proc'::regclass, 'pg_operator'::regclass)"
      "    UNION ALL SELECT 0::oid, c.tview FROM %s.pg_tview_catalog c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.tview"
      "      AND d.objsubid = 0 AND d.deptype = 'n' WHERE d.refclassid = o.class AND d.refobjid = o.id"
      "    UNION ALL SELECT o.class, i.inhparent FROM pg_inherits i WHERE o.class = 'pg_class'::regclass AND i.inhrelid = o.id) n) "
      "SELECT c.tview FROM %s.pg_tview_catalog c WHERE (c.view IN (SELECT id FROM o WHERE class = 'pg_class'::regclass) "
      "  OR c.tview IN (SELECT id FROM o WHERE class = 0)) "
      "AND (NOT $3 OR EXISTS (SELECT FROM %s.pg_tview_mapping m JOIN %s.pg_tview_capture_point p USING (point) "
      "  WHERE m.tview = c.tview AND m.used IS NULL AND p.relation IN (SELECT id FROM o WHERE class = 'pg_class'::regclass))) "
      "ORDER BY c.level, c.tview",
      {OidArgument(object_class), OidArgument(object), {BOOLOID, BoolGetDatum(whole_row), false}, {BOOLOID, BoolGetDatum(tree), false}});
  List* found = ResultOids(rows, 1, context);
  LeaveSql(context);
  return found;
}

}  // namespace

List* AllTviews() {
  List* found = NIL;
  catalog::RowScan scan = catalog::OpenRows(pg::Table::kTview, nullptr);
  while (catalog::NextRow(&scan)) {
    found = lappend_oid(found, catalog::OidColumn(scan, catalog::tview_column::kTview));
  }
  catalog::CloseRows(&scan);
  return found;
}

List* TviewsOver(Oid object_class, Oid object, bool whole_row) { return FindTviews(object_class, object, false, whole_row); }

List* TviewsOverTree(Oid relation, bool whole_row) { return FindTviews(RelationRelationId, relation, true, whole_row); }

Oid TviewNaming(Oid relation, AttrNumber column) {
  const SqlContext context = EnterSql(ExtensionOwner());
  const uint64 rows = RunSql(
      "SELECT c.tview FROM %s.pg_tview_catalog c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.tview AND d.objsubid = 0 AND d.deptype = 'n' "
      "WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.refobjsubid = $2 LIMIT 1",
      {OidArgument(relation), catalog::IntArgument(column)});
  List* found = ResultOids(rows, 1, context);
  LeaveSql(context);
  return found == NIL ? InvalidOid : linitial_oid(found);
}

List* TviewsOverType(Oid type) {
  const SqlContext context = EnterSql(ExtensionOwner());
  const uint64 rows = RunSql(
      "WITH RECURSIVE t(id) AS (SELECT $1::oid UNION "  // domains, arrays, ranges, rows of it
      "  SELECT n.id FROM t, LATERAL (SELECT oid AS id FROM pg_type WHERE typbasetype = t.id OR (typelem = t.id AND typcategory = 'A')"
      "    UNION ALL SELECT rngtypid FROM pg_range WHERE rngsubtype = t.id"
      "    UNION ALL SELECT rngmultitypid FROM pg_range WHERE rngtypid = t.id"
      "    UNION ALL SELECT r.reltype FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid AND r.relkind <> 'i' WHERE a.atttypid = t.id AND NOT a.attisdropped) n"
      "  WHERE n.id <> 0), "
      "seen(level, tview) AS (SELECT c.level, c.tview FROM %s.pg_tview_catalog c LEFT JOIN %s.pg_tview_relation r USING (tview) "
      "  JOIN pg_attribute a ON a.attrelid IN (r.relation, c.tview) AND a.atttypid IN (SELECT id FROM t)) "
      "SELECT DISTINCT level, tview FROM seen ORDER BY 1, 2",
      {OidArgument(type)});
  List* found = ResultOids(rows, 2, context);
  LeaveSql(context);
  // Constants and casts in a view's text.
  const List* named = TviewsOver(TypeRelationId, type, false);
  return list_concat_unique_oid(found, named);
}

}  // namespace tviews::sql
