// ReplaceTview: a TVIEW gets another definition; its table stays, its rows are brought up to date by difference.
#include "catalog/building.h"
#include "catalog/columns.h"
#include "catalog/internal_sql.h"
#include "catalog/register.h"
#include "catalog/registration.h"
#include "catalog/repair.h"
#include "catalog/replace_plan.h"
#include "catalog/replace_rows.h"
#include "catalog/reshape.h"
#include "lineage/lineage.h"
#include "pg/owner_context.h"

namespace tviews::catalog {
namespace {

void RequireOwner(Oid table) {
  if (!pg_class_ownercheck(table, GetUserId())) {
    aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(table));
  }
}

// Storage that the call names, of the table and its partitions; what it does not name stays as it is.
void SetStorage(Oid table, const Options& options) {
  const bool persistence = ChangesPersistence(table, options), fillfactor = GivesOption(options, "fillfactor");
  const List* members = find_all_inheritors(table, NoLock, nullptr);
  const SqlContext context = EnterSql(pg::OwnerOf(table));
  const ListCell* cell;
  foreach (cell, members) {
    const char* name = QualifiedName(lfirst_oid(cell));
    if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_RELATION) {
      continue;  // has no storage
    }
    if (persistence) {
      RunUtility(psprintf("ALTER TABLE %s SET %s", name, options.unlogged ? "UNLOGGED" : "LOGGED"));
    }
    if (fillfactor) {
      RunUtility(psprintf("ALTER TABLE %s SET (fillfactor = %d)", name, options.fillfactor));
    }
  }
  LeaveSql(context);
}

State NextState(State state, bool background) {
  return state == State::kPaused ? State::kPaused : background ? State::kRefreshing : State::kFresh;
}

void WriteRow(const Building& building, const char* const* key, int key_count, State state) {
  const Options& options = building.definition->options;
  const SqlContext context = EnterSql(ExtensionOwner());
  RunSql(
      "UPDATE %s.pg_tview_catalog SET view = $2, owns_view = $3, definition = pg_catalog.pg_get_viewdef($2), key_columns = $4, columns = $5, "
      "options = $6, settings = $7, state = $8 WHERE tview = $1",
      {OidArgument(building.table), OidArgument(building.view), BoolArgument(building.owns_view), ArrayArgument(TextArray(key, key_count)),
       ArrayArgument(TextArray(building.columns, building.column_count)), JsonArgument(options.json), ArrayArgument(options.settings), CharArgument(static_cast<char>(state))});
  LeaveSql(context);
  CommandCounterIncrement();
}

bool IsIndexed(Oid table, const char* column) {
  Relation relation = table_open(table, NoLock);
  const AttrNumber number = get_attnum(table, column);
  const List* indexes = RelationGetIndexList(relation);
  bool found = false;
  const ListCell* cell;
  foreach (cell, indexes) {
    Relation index = index_open(lfirst_oid(cell), AccessShareLock);
    found = found || (index->rd_index->indkey.values[0] == number && RelationGetIndexPredicate(index) == NIL);
    index_close(index, NoLock);
  }
  table_close(relation, NoLock);
  return found;
}

// The names of the columns that get the index their name asks for.
List* ColumnsToIndex(const Replacing& self, const Building& building, bool key_is_new) {
  List* names = NIL;
  const ListCell* cell;
  if (!self.definition->options.indexes) {
    return NIL;
  }
  foreach (cell, self.reshaping.added) {
    names = lappend(names, const_cast<char*>(static_cast<const Column*>(lfirst(cell))->name));
  }
  for (int i = 1; i < building.key_count && key_is_new; ++i) {
    if (!NamesContain(names, building.key[i]) && !IsIndexed(building.table, building.key[i])) {
      names = lappend(names, const_cast<char*>(building.key[i]));
    }
  }
  return names;
}

// An adopted table has the indexes that its user makes.
void MakeIndexes(const Replacing& self, Building* building, bool key_is_new) {
  if (!building->adopted) {
    IndexColumns(building, ColumnsToIndex(self, *building, key_is_new), key_is_new);
  } else if (key_is_new) {
    EnsureKeyIndex(*building);
  }
}

const char* JsonText(Datum json) { return JsonbToCString(nullptr, &DatumGetJsonbP(json)->root, -1); }

void AppendDefinition(StringInfo details, const char* name, const char* definition, Datum options) {
  appendStringInfo(details, ", \"%s\": {\"definition\": ", name);
  escape_json(details, definition);
  appendStringInfo(details, ", \"options\": %s}", JsonText(options));
}

void AuditReplaced(const Replacing& self, const Building& building, int64 changed) {
  Registered now;
  ReadRegistered(self.table, &now);
  StringInfoData details;
  initStringInfo(&details);
  appendStringInfoString(&details, "{\"table\": ");
  escape_json(&details, building.qualified);
  appendStringInfoString(&details, ", \"view\": ");
  escape_json(&details, building.qualified_view);
  appendStringInfo(&details, ", \"rows_changed\": " INT64_FORMAT, changed);
  AppendDefinition(&details, "before", self.before.definition, self.before.options);
  AppendDefinition(&details, "after", now.definition, now.options);
  appendStringInfoChar(&details, '}');
  Audit("REPLACE", building.entity, details.data);
}

// How a TVIEW is partitioned is settled when its table is made.
void CheckPartitionBy(Oid table, const PartitionBy& wanted) {
  if (wanted.strategy == nullptr) {
    return;
  }
  StringInfoData key;
  initStringInfo(&key);
  const ListCell* cell;
  foreach (cell, wanted.columns) {
    appendStringInfo(&key, "%s%s", foreach_current_index(cell) > 0 ? ", " : "", quote_identifier(static_cast<const char*>(lfirst(cell))));
  }
  const SqlContext context = EnterSql(ExtensionOwner());
  RunSql("SELECT COALESCE(pg_get_partkeydef($1), '')", {OidArgument(table)});
  bool is_null;
  const bool same = strcmp(TextDatumGetCString(ResultDatum(0, 1, &is_null)), psprintf("%s (%s)", wanted.strategy, key.data)) == 0;
  LeaveSql(context);
  if (!same) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("the partitioning of TVIEW \"%s\" cannot be changed", get_rel_name(table)),
                    errhint("Leave the option \"partition_by\" out, or drop the TVIEW and create it again.")));
  }
}

Building NewBuilding(const Replacing& self) {
  Building building = {};
  building.definition = self.definition;
  building.table = self.table;
  building.adopted = self.before.adopted;
  building.user = pg::OwnerOf(self.table);
  building.entity = EntityOf(get_rel_name(self.table));
  building.schema = get_namespace_name(get_rel_namespace(self.table));
  building.qualified = QualifiedName(self.table);
  return building;
}

void Replace(Replacing* self) {
  Building building = NewBuilding(*self);
  const Options& options = self->definition->options;
  ChangeView(&building, self->view_step, self->before.view, self->before.owns_view);
  ChooseKey(&building);
  const bool key_is_new = !SameNames(self->before.key, self->before.key_count, building.key, building.key_count);
  const RowMatch match = key_is_new ? MatchRows(building, self->before, self->reshaping) : RowMatch::kByKey;
  if (match == RowMatch::kNone) {
    ClearForNewKey(building, self->before);
  }
  Reshape(self->table, self->reshaping);
  if (building.adopted) {
    CheckOwnedColumns(building);
  }
  SetStorage(self->table, options);
  LockFor(building, InvalidOid);  // what is locked already, unless a view inside was replaced meanwhile
  const lineage::Lineage lineage = DeriveFor(building);
  const State state = NextState(self->before.state, options.background);
  const bool by_old_key = match == RowMatch::kByOldKey;
  WriteRow(building, by_old_key ? self->before.key : building.key, by_old_key ? self->before.key_count : building.key_count, state);
  if (match == RowMatch::kNone) {
    MakeIndexes(*self, &building, true);
  }
  ForgetDeferredRows(self->table);
  const int64 changed = options.background ? 0 : RepairNow(self->table);
  if (by_old_key) {
    DropOldKey(building, self->before);
    WriteRow(building, building.key, building.key_count, state);
  }
  if (match != RowMatch::kNone) {
    MakeIndexes(*self, &building, key_is_new);
  }
  WriteLineage(self->table, lineage, building.key, building.key_count, TextArray(building.columns, building.column_count));
  CommandCounterIncrement();
  CarryDefinition(self->table);
  RecomputeLevels();
  if (options.background) {
    MarkForReconciliation(self->table);
  }
  AuditReplaced(*self, building, changed);
}

}  // namespace

Oid ReplaceTview(Oid table, Query* query, const NewTview& definition) {
  CheckSession();
  RequireOwner(table);  // a lock is a right
  LockRelationOid(table, ShareUpdateExclusiveLock);  // one redefinition at a time: planning reads the view that each wants for itself
  CheckPartitionBy(table, definition.options.partition_by);
  Replacing self = {};
  self.table = table;
  self.query = query;
  self.definition = &definition;
  PlanAndLock(&self);
  RequireOwner(table);
  SetBeingReplaced(table);
  PG_TRY();  // what the hooks are told must not outlive an error in a savepoint
  {
    Replace(&self);
  }
  PG_FINALLY();
  {
    SetBeingReplaced(InvalidOid);
  }
  PG_END_TRY();
  return table;
}

}  // namespace tviews::catalog
