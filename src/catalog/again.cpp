// RegisterAgain: a TVIEW's view, or something it reads, changed shape.
#include "catalog/change.h"
#include "catalog/graph_timer.h"
#include "catalog/internal_sql.h"
#include "catalog/register.h"
#include "catalog/registration.h"
#include "catalog/reshape.h"
#include "catalog/rows.h"
#include "catalog/triggers.h"
#include "lineage/lineage.h"
#include "pg/owner_context.h"

namespace tviews::catalog {
namespace {

Oid being_replaced;  // InvalidOid outside of pg_tviews_create_or_replace

void NameTview(void* name) { errcontext("lineage of TVIEW \"%s\", derived again", static_cast<const char*>(name)); }

}  // namespace

bool ReadRegistered(Oid table, Registered* row) {
  RowScan scan = OpenRowsByKey(pg::Table::kTview, kTviewIndex, tview_column::kTview, ObjectIdGetDatum(table), true, nullptr);
  const bool found = NextRow(&scan);
  if (found) {
    row->view = OidColumn(scan, tview_column::kView);
    row->owns_view = BoolColumn(scan, tview_column::kOwnsView);
    row->adopted = BoolColumn(scan, tview_column::kAdopted);
    row->key = ArrayTexts(ArrayColumn(scan, tview_column::kKeyColumns), &row->key_count);
    row->columns = ArrayColumn(scan, tview_column::kColumns);
    row->settings = ArrayColumn(scan, tview_column::kSettings);
    row->definition = TextColumn(scan, tview_column::kDefinition);
    row->options = CopiedColumn(scan, tview_column::kOptions);
    row->state = static_cast<State>(CharColumn(scan, tview_column::kState));
    row->clock_allowed = IntervalOption(row->options, "refresh_every") > 0;
    Jsonb* options = DatumGetJsonbP(row->options);
    JsonbValue buffer;
    const JsonbValue* value = getKeyJsonValueFromContainer(&options->root, "on_unkeyed", strlen("on_unkeyed"), &buffer);
    row->unkeyed_full = value != nullptr && value->type == jbvString && value->val.string.len == 4 && memcmp(value->val.string.val, "full", 4) == 0;
  }
  CloseRows(&scan);
  return found;
}

List* OwnedColumns(Oid table) {
  Registered row;
  List* names = NIL;
  int count = 0;
  char** columns = ReadRegistered(table, &row) ? ArrayTexts(row.columns, &count) : nullptr;
  for (int i = 0; i < count; ++i) {
    names = lappend(names, columns[i]);
  }
  return names;
}

void SetBeingReplaced(Oid table) { being_replaced = table; }
bool IsBeingReplaced(Oid table) { return being_replaced == table; }

ArrayType* ViewColumns(Oid view) {
  const Columns columns = ColumnsOf(view);
  const char** names = static_cast<const char**>(palloc(sizeof(char*) * (columns.count + 1)));
  for (int i = 0; i < columns.count; ++i) {
    names[i] = columns.items[i].name;
  }
  return TextArray(names, columns.count);
}

void RegisterAgain(Oid table) {
  if (DeriveAgain(table, false)) {
    MarkForReconciliation(table);
  }
}

bool DeriveAgain(Oid table, bool names_only) {
  Registered row;
  if (IsBeingReplaced(table) || !ReadRegistered(table, &row) || get_rel_relkind(row.view) != RELKIND_VIEW || !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table))) {
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
  // So that somebody whose DDL fails here sees that it is about a TVIEW.
  ErrorContextCallback callback = {error_context_stack, NameTview, get_rel_name(table)};
  error_context_stack = &callback;
  // Names in SQL functions mean what they mean at a refresh; constants are folded, which may run the owner's functions.
  const pg::OwnerContext as_owner = pg::EnterOwner(pg::OwnerOf(table), row.settings);
  if (!names_only) {  // what it did not read before: capture triggers come there
    CheckRights(list_difference_oid(lineage::RelationsRead(row.view), RelationsOf(table)), pg::OwnerOf(table));
  }
  const List* relations = names_only ? LockRelationsRead(row.view, InvalidOid, ShareUpdateExclusiveLock)
                                          : LockRelationsRead(row.view, InvalidOid, ShareRowExclusiveLock, table);
  lineage::Request request = {row.view, row.key_count, key_columns, row.unkeyed_full, row.clock_allowed, table};
  const lineage::Lineage lineage = lineage::DeriveLineage(request);
  pg::LeaveOwner(as_owner);
  error_context_stack = callback.previous;
  LockRelationOid(table, ShareRowExclusiveLock);  // before the object, as everybody
  LockTview(table);
  Reshape(table, PlanReshaping(table, row.adopted, row.columns, false, ColumnsOf(row.view)));
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
