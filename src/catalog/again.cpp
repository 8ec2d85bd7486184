// RegisterAgain: a TVIEW's view, or something it reads, changed shape.
#include "catalog/change.h"
#include "catalog/columns.h"
#include "catalog/graph_timer.h"
#include "catalog/internal_sql.h"
#include "catalog/register.h"
#include "catalog/registration.h"
#include "catalog/rows.h"
#include "catalog/triggers.h"
#include "lineage/lineage.h"
#include "pg/owner_context.h"

namespace tviews::catalog {
namespace {

struct Row {
  Oid view;
  int key_count;
  char** key;
  bool unkeyed_full, clock_allowed;
  ArrayType* settings;
  bool adopted;
};

bool ReadRow(Oid table, Row* row) {
  RowScan scan = OpenRowsByKey(pg::Table::kTview, kTviewIndex, tview_column::kTview, ObjectIdGetDatum(table), true, nullptr);
  const bool found = NextRow(&scan);
  if (found) {
    row->view = OidColumn(scan, tview_column::kView);
    row->adopted = BoolColumn(scan, tview_column::kAdopted);
    row->key = ArrayTexts(ArrayColumn(scan, tview_column::kKeyColumns), &row->key_count);
    row->settings = ArrayColumn(scan, tview_column::kSettings);
    const Datum json = CopiedColumn(scan, tview_column::kOptions);
    row->clock_allowed = IntervalOption(json, "refresh_every") > 0;
    Jsonb* options = DatumGetJsonbP(json);
    JsonbValue buffer;
    const JsonbValue* value = getKeyJsonValueFromContainer(&options->root, "on_unkeyed", strlen("on_unkeyed"), &buffer);
    row->unkeyed_full = value != nullptr && value->type == jbvString && value->val.string.len == 4 && memcmp(value->val.string.val, "full", 4) == 0;
  }
  CloseRows(&scan);
  return found;
}

// Adds to the table the columns that the view gained.  The table's owner does it: the view may be somebody else's.
void AddColumns(Oid table, Oid view, bool adopted) {
  StringInfoData sql;
  initStringInfo(&sql);
  Relation relation = relation_open(view, AccessShareLock);
  const TupleDesc columns = RelationGetDescr(relation);
  for (int i = 0; i < columns->natts; ++i) {
    const Form_pg_attribute column = TupleDescAttr(columns, i);
    const char* name = NameStr(column->attname);
    const AttrNumber existing = get_attnum(table, name);
    if (existing > 0) {
      Oid type, collation;
      int32 typmod;
      get_atttypetypmodcoll(table, existing, &type, &typmod, &collation);
      if (!TypeFits(column->atttypid, type, adopted)) {
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("column \"%s\" has type %s in table \"%s\" but type %s in its view", name, format_type_be(type), get_rel_name(table), format_type_be(column->atttypid)),
                        errhint("Drop the TVIEW and create it again.")));
      }
      continue;
    }
    if (get_attnum(table, name) == InvalidAttrNumber) {
      appendStringInfo(&sql, "%s ADD COLUMN %s", sql.len > 0 ? "," : "", ColumnDefinition(column));
    }
  }
  relation_close(relation, NoLock);
  if (sql.len == 0) {
    return;
  }
  const SqlContext context = EnterSql(OwnerOf(table));
  RunUtility(psprintf("ALTER TABLE %s%s", quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)), get_rel_name(table)), sql.data));
  LeaveSql(context);
  CommandCounterIncrement();
}

}  // namespace

ArrayType* ViewColumns(Oid view) {
  Relation relation = relation_open(view, AccessShareLock);
  const TupleDesc columns = RelationGetDescr(relation);
  const char** names = static_cast<const char**>(palloc(sizeof(char*) * (columns->natts + 1)));
  for (int i = 0; i < columns->natts; ++i) {
    names[i] = pstrdup(NameStr(TupleDescAttr(columns, i)->attname));
  }
  ArrayType* array = TextArray(names, columns->natts);
  relation_close(relation, NoLock);
  return array;
}

void RegisterAgain(Oid table) {
  if (DeriveAgain(table, false)) {
    MarkForReconciliation(table);
  }
}

bool DeriveAgain(Oid table, bool names_only) {
  Row row;
  if (!ReadRow(table, &row) || get_rel_relkind(row.view) != RELKIND_VIEW || !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table))) {
    return false;  // dropped: FinishDrops sees to it
  }
  AttrNumber* key_columns = static_cast<AttrNumber*>(palloc(sizeof(AttrNumber) * (row.key_count + 1)));
  for (int i = 0; i < row.key_count; ++i) {
    key_columns[i] = get_attnum(row.view, row.key[i]);
    if (key_columns[i] <= 0 || get_attnum(table, row.key[i]) <= 0) {
      ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST), errmsg("column \"%s\" is the key of TVIEW \"%s\"", row.key[i], get_rel_name(table)),
                      errhint("Drop the TVIEW and create it again with another key.")));
    }
  }
  // Names in SQL functions mean what they mean at a refresh; constants are folded, which may run the owner's functions.
  const pg::OwnerContext as_owner = pg::EnterOwner(OwnerOf(table), row.settings);
  const List* relations = LockRelationsRead(row.view, InvalidOid, names_only ? ShareUpdateExclusiveLock : ShareRowExclusiveLock);
  lineage::Request request = {row.view, row.key_count, key_columns, row.unkeyed_full, row.clock_allowed, table};
  const lineage::Lineage lineage = lineage::DeriveLineage(request);
  pg::LeaveOwner(as_owner);
  LockRelationOid(table, ShareRowExclusiveLock);  // before the object, as everybody
  LockTview(table);
  AddColumns(table, row.view, row.adopted);
  const char* name = get_rel_name(table);
  ArrayType* columns = ViewColumns(row.view);
  const SqlContext context = EnterSql(ExtensionOwner());
  RunSql("UPDATE %s.pg_tview_catalog SET entity = $2, definition = pg_catalog.pg_get_viewdef(view), columns = $3, level = $4 WHERE tview = $1",
         {OidArgument(table), TextArgument(EntityOf(name)), ArrayArgument(columns), IntArgument(LevelFor(relations))});
  LeaveSql(context);
  CommandCounterIncrement();
  WriteLineage(table, lineage, row.key, row.key_count, columns);
  CommandCounterIncrement();
  CarryDefinition(table);
  RecomputeLevels();
  return true;
}

}  // namespace tviews::catalog
