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

namespace {

// The arguments of the row trigger, from a relation that is open.
const Trigger* CarryingTrigger(Relation relation) {
  const TriggerDesc* triggers = relation->trigdesc;
  for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i) {
    const Trigger* trigger = &triggers->triggers[i];
    if (trigger->tgnargs >= 3 && !trigger->tgisclone && strncmp(trigger->tgname, kRowTrigger, strlen(kRowTrigger)) == 0 &&
        get_func_namespace(trigger->tgfoid) == pg::ExtensionSchemaOid()) {
      return trigger;
    }
  }
  return nullptr;
}

// What a definition names, looked up.
struct Found {
  Oid view;
  int key_count;
  const char** key;
  AttrNumber* key_columns;  // of the view
};

// Null, or what is missing.
const char* LookUp(Oid table, const Carried& carried, Found* found) {
  List* names;
  if (!SplitIdentifierString(pstrdup(carried.view), '.', &names) || list_length(names) != 2) {
    return psprintf("\"%s\" is no qualified name of a view", carried.view);
  }
  const Oid schema = get_namespace_oid(static_cast<const char*>(linitial(names)), true);
  found->view = OidIsValid(schema) ? get_relname_relid(static_cast<const char*>(lsecond(names)), schema) : InvalidOid;
  if (!OidIsValid(found->view) || get_rel_relkind(found->view) != RELKIND_VIEW) {
    return psprintf("view %s does not exist", carried.view);
  }
  List* keys;
  if (!SplitIdentifierString(pstrdup(carried.key), ',', &keys) || keys == NIL) {
    return psprintf("\"%s\" is no list of columns", carried.key);
  }
  found->key_count = list_length(keys);
  found->key = static_cast<const char**>(palloc(sizeof(char*) * found->key_count));
  found->key_columns = static_cast<AttrNumber*>(palloc(sizeof(AttrNumber) * found->key_count));
  for (int i = 0; i < found->key_count; ++i) {
    found->key[i] = static_cast<const char*>(list_nth(keys, i));
    found->key_columns[i] = get_attnum(found->view, found->key[i]);
    if (found->key_columns[i] <= 0 || get_attnum(table, found->key[i]) <= 0) {
      return psprintf("the view or the table has no column \"%s\", which is of the key", found->key[i]);
    }
  }
  return nullptr;
}

}  // namespace

bool ReadCarried(Oid table, Carried* carried) {
  Relation relation = table_open(table, AccessShareLock);
  const Trigger* trigger = CarryingTrigger(relation);
  if (trigger != nullptr) {
    char** arguments = trigger->tgargs;
    *carried = {pstrdup(arguments[0]), pstrdup(arguments[1]), pstrdup(arguments[2]), trigger->tgnargs > 3 && strcmp(arguments[3], "made") == 0,
                trigger->tgnargs > 4 && strcmp(arguments[4], "adopted") == 0};
  }
  table_close(relation, AccessShareLock);
  return trigger != nullptr;
}

const char* MissingFor(Oid table, const Carried& carried) {
  Found found;
  return LookUp(table, carried, &found);
}

const char* RegisterRestored(Oid table, const Carried& carried) {
  shmem::RequireAttached();
  // Its view is going to be read as its owner.
  if (!pg_class_ownercheck(table, GetUserId())) {
    aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(table));
  }
  Found found;
  const char* missing = LookUp(table, carried, &found);
  if (missing != nullptr) {
    return missing;
  }
  if (IsolationUsesXactSnapshot()) {
    ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION), errmsg("cannot restore a TVIEW in a REPEATABLE READ or SERIALIZABLE transaction"),
                    errhint("Use READ COMMITTED.")));
  }
  const Options options = ParseOptions(DirectFunctionCall1(jsonb_in, CStringGetDatum(carried.options)));
  const Oid user = GetUserId();
  const pg::OwnerContext as_owner = pg::EnterOwner(pg::OwnerOf(table), options.settings);
  const List* relations = LockRelationsRead(found.view, user, ShareRowExclusiveLock);
  const lineage::Lineage lineage = lineage::DeriveLineage({found.view, found.key_count, found.key_columns, options.unkeyed_full, options.refresh_every_ms > 0, table});
  pg::LeaveOwner(as_owner);
  // Else whoever makes such a trigger by hand had somebody else's view dropped with his table.
  const bool owns_view = carried.owns_view && pg_class_ownercheck(found.view, pg::OwnerOf(table));
  const Registration registration = {table,     found.view,      carried.adopted,         owns_view, EntityOf(get_rel_name(table)),
                                     found.key, found.key_count, ViewColumns(found.view), &options,          State::kRestored};
  LockTview(table);
  Register(registration, relations, lineage);
  MarkForReconciliation(table);
  Audit("RESTORE", registration.entity, "{}");
  return nullptr;
}

}  // namespace tviews::catalog
