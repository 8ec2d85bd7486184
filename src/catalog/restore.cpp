// The definition of a TVIEW in the arguments of its table's row trigger: there it goes through dump and restore.
#include "catalog/internal_sql.h"
#include "catalog/register.h"
#include "catalog/rows.h"
#include "catalog/triggers.h"
#include "pg/owner_context.h"
#include "shmem/segment.h"

namespace tviews::catalog {
namespace {

// The options with all pinned settings written out: the session that restores has others.
const char* FullOptions(Datum options, ArrayType* settings) {
  StringInfoData text;
  initStringInfo(&text);
  appendStringInfoString(&text, "{\"settings\": {");
  int count;
  char** pairs = ArrayTexts(settings, &count);
  for (int i = 0; i + 1 < count; i += 2) {
    appendStringInfoString(&text, i > 0 ? ", " : "");
    escape_json(&text, pairs[i]);
    appendStringInfoString(&text, ": ");
    escape_json(&text, pairs[i + 1]);
  }
  appendStringInfoString(&text, "}}");
  const Datum pinned = DirectFunctionCall1(jsonb_in, CStringGetDatum(text.data));
  const Datum all = DirectFunctionCall2(jsonb_concat, options, pinned);
  return JsonbToCString(nullptr, &DatumGetJsonbP(all)->root, -1);
}

const char* KeyText(char** key, int count) {
  StringInfoData text;
  initStringInfo(&text);
  for (int i = 0; i < count; ++i) {
    appendStringInfo(&text, "%s%s", i > 0 ? ", " : "", quote_identifier(key[i]));
  }
  return text.data;
}

}  // namespace

void CarryDefinition(Oid table) {
  RowScan scan = OpenRowsByKey(pg::Table::kTview, kTviewIndex, tview_column::kTview, ObjectIdGetDatum(table), true, nullptr);
  if (!NextRow(&scan)) {
    elog(ERROR, "table %u is not registered", table);
  }
  const Oid view = OidColumn(scan, tview_column::kView);
  const bool owns_view = BoolColumn(scan, tview_column::kOwnsView), adopted = BoolColumn(scan, tview_column::kAdopted);
  int count;
  char** key = ArrayTexts(ArrayColumn(scan, tview_column::kKeyColumns), &count);
  const char* options = FullOptions(CopiedColumn(scan, tview_column::kOptions), ArrayColumn(scan, tview_column::kSettings));
  CloseRows(&scan);
  CreateTviewTriggers(table, quote_qualified_identifier(get_namespace_name(get_rel_namespace(view)), get_rel_name(view)), KeyText(key, count), options, owns_view, adopted);
}

void RegisterRestored(Oid table, const char* view_name, const char* key_text, const char* options_text, bool owns_view, bool adopted) {
  shmem::RequireAttached();
  if (IsTviewTable(table)) {
    return;
  }
  List* names;
  if (!SplitIdentifierString(pstrdup(view_name), '.', &names) || list_length(names) != 2) {
    return;
  }
  const Oid schema = get_namespace_oid(static_cast<const char*>(linitial(names)), true);
  const Oid view = OidIsValid(schema) ? get_relname_relid(static_cast<const char*>(lsecond(names)), schema) : InvalidOid;
  List* key_names;
  if (!OidIsValid(view) || get_rel_relkind(view) != RELKIND_VIEW || !SplitIdentifierString(pstrdup(key_text), ',', &key_names) || key_names == NIL) {
    return;
  }
  if (IsolationUsesXactSnapshot()) {
    ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION), errmsg("cannot restore a TVIEW in a REPEATABLE READ or SERIALIZABLE transaction"),
                    errhint("Use READ COMMITTED.")));
  }
  const Options options = ParseOptions(DirectFunctionCall1(jsonb_in, CStringGetDatum(options_text)));
  const int key_count = list_length(key_names);
  const char** key = static_cast<const char**>(palloc(sizeof(char*) * key_count));
  AttrNumber* key_columns = static_cast<AttrNumber*>(palloc(sizeof(AttrNumber) * key_count));
  for (int i = 0; i < key_count; ++i) {
    key[i] = static_cast<const char*>(list_nth(key_names, i));
    key_columns[i] = get_attnum(view, key[i]);
    if (key_columns[i] <= 0 || get_attnum(table, key[i]) <= 0) {
      return;
    }
  }
  const Oid user = GetUserId();
  const pg::OwnerContext as_owner = pg::EnterOwner(pg::OwnerOf(table), options.settings);
  const List* relations = LockRelationsRead(view, user, ShareRowExclusiveLock);
  const lineage::Lineage lineage = lineage::DeriveLineage({view, key_count, key_columns, options.unkeyed_full, options.refresh_every_ms > 0, table});
  pg::LeaveOwner(as_owner);
  const char* name = get_rel_name(table);
  const Registration registration = {table, view, adopted, owns_view, EntityOf(name), key, key_count, ViewColumns(view), &options, State::kRestored};
  LockTview(table);
  Register(registration, relations, lineage);
  MarkForReconciliation(table);
  Audit("RESTORE", registration.entity, "{}");
}

}  // namespace tviews::catalog
