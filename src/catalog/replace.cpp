// ReplaceTview: a TVIEW gets another definition; its table stays, its rows are brought up to date by difference.
#include "catalog/building.h"
#include "catalog/change.h"
#include "catalog/columns.h"
#include "catalog/reshape.h"
#include "catalog/internal_sql.h"
#include "catalog/lock_all.h"
#include "catalog/register.h"
#include "catalog/registration.h"
#include "catalog/repair.h"
#include "catalog/replace_rows.h"
#include "catalog/replace_view.h"
#include "catalog/rows.h"
#include "catalog/triggers.h"
#include "lineage/lineage.h"
#include "pg/owner_context.h"

namespace tviews::catalog {
namespace {

struct Replacing {
  Oid table;
  Query* query;  // analysed
  const NewTview* definition;
  // What is, and what follows from it; planned again when the locks are held.
  Registered before;
  Columns after;
  ViewStep view_step;
  Reshaping reshaping;
};

bool GivesOption(const Options& options, const char* name) {
  JsonbValue buffer;
  return getKeyJsonValueFromContainer(&DatumGetJsonbP(options.json)->root, name, strlen(name), &buffer) != nullptr;
}

bool ChangesPersistence(Oid table, const Options& options) {
  return GivesOption(options, "unlogged") && options.unlogged != (get_rel_persistence(table) == RELPERSISTENCE_UNLOGGED);
}

// As ChooseKey, before the view is there; without any of these the key stays.
bool MayChangeKey(const Replacing& self) {
  const Options& options = self.definition->options;
  const char* chosen = psprintf("pk_%s", EntityOf(get_rel_name(self.table)));
  if (options.key == nullptr && FindColumn(self.after, chosen) == nullptr) {
    chosen = "id";
  }
  if (options.key == nullptr && FindColumn(self.after, chosen) == nullptr) {
    return false;
  }
  return !SameNames(self.before.key, self.before.key_count, options.key != nullptr ? options.key : &chosen, options.key != nullptr ? options.key_count : 1);
}

// Another redefinition may make the view anew until it is locked.
void ReadLocked(Oid table, Registered* before) {
  Oid locked = InvalidOid;
  for (;;) {
    if (!ReadRegistered(table, before) || !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table))) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("TVIEW was dropped concurrently")));
    }
    if (before->view == locked) {
      return;
    }
    locked = before->view;
    LockRelationOid(locked, AccessShareLock);
  }
}

void Plan(Replacing* self) {
  ReadLocked(self->table, &self->before);
  self->after = OidIsValid(self->definition->view) ? ColumnsOf(self->definition->view) : ColumnsOfQuery(self->query);
  self->view_step = PlanView(self->before.view, self->before.owns_view, *self->definition, self->after);
  self->reshaping = PlanReshaping(self->table, self->before.adopted, self->before.columns, true, self->after);
}

void Want(List** wanted, Oid relation, LOCKMODE mode) {
  WantedLock* lock = static_cast<WantedLock*>(palloc(sizeof(WantedLock)));
  *lock = {relation, mode};
  *wanted = lappend(*wanted, lock);
}

// Names in SQL functions mean what they will mean at a refresh.
List* RelationsOfQuery(const Replacing& self, List** views) {
  const pg::OwnerContext as_owner = pg::EnterOwner(OwnerOf(self.table), self.definition->options.settings);
  List* relations = lineage::RelationsReadBy(self.query, views);
  pg::LeaveOwner(as_owner);
  return relations;
}

// Readers of the table go on unless it has to be altered; nobody else may hold a row of it.
List* WantedLocks(const Replacing& self) {
  List *wanted = NIL, *views = NIL;
  const List* relations = RelationsOfQuery(self, &views);
  const bool rewritten = self.view_step == ViewStep::kReplace || self.view_step == ViewStep::kRemake;
  if (list_member_oid(relations, self.table) || (rewritten && list_member_oid(views, self.before.view))) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION), errmsg("the query of TVIEW \"%s\" reads the TVIEW itself", get_rel_name(self.table))));
  }
  CheckRights(relations, OwnerOf(self.table));
  List* members = NIL;
  const ListCell* cell;
  foreach (cell, relations) {
    members = list_concat_unique_oid(members, CaptureMembers(lfirst_oid(cell)));
  }
  foreach (cell, members) {
    Want(&wanted, lfirst_oid(cell), ShareRowExclusiveLock);
  }
  const bool alters = NeedsAlter(self.reshaping) || MayChangeKey(self) || ChangesPersistence(self.table, self.definition->options);
  Want(&wanted, self.table, alters ? AccessExclusiveLock : ExclusiveLock);
  if (self.before.owns_view && self.view_step != ViewStep::kKeep) {
    Want(&wanted, self.before.view, AccessExclusiveLock);
  }
  return wanted;
}

bool Covers(const List* locked, const WantedLock& lock) {
  const ListCell* cell;
  foreach (cell, locked) {
    const WantedLock* have = static_cast<const WantedLock*>(lfirst(cell));
    if (have->relation == lock.relation && have->mode >= lock.mode) {
      return true;
    }
  }
  return false;
}

// Relations, then TVIEW objects.  The plan may change until the locks are held.
void PlanAndLock(Replacing* self) {
  List* locked = NIL;
  for (;;) {
    Plan(self);
    const List* wanted = WantedLocks(*self);
    List* missing = NIL;
    const ListCell* cell;
    foreach (cell, wanted) {
      if (!Covers(locked, *static_cast<const WantedLock*>(lfirst(cell)))) {
        missing = lappend(missing, lfirst(cell));
      }
    }
    if (missing == NIL) {
      break;
    }
    LockAllWanted(missing);
    locked = list_concat(locked, missing);
  }
  List* views = NIL;
  List* objects = list_make1_oid(self->table);
  const List* relations = RelationsOfQuery(*self, &views);
  const ListCell* cell;
  foreach (cell, relations) {
    if (IsTviewTable(lfirst_oid(cell))) {
      objects = list_append_unique_oid(objects, lfirst_oid(cell));
    }
  }
  list_sort(objects, list_oid_cmp);
  foreach (cell, objects) {
    LockTview(lfirst_oid(cell));
  }
}

void RequireOwner(Oid table) {
  if (!pg_class_ownercheck(table, GetUserId())) {
    aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(table));
  }
}

// Storage that the call names; what it does not name stays as it is.
void SetStorage(Oid table, const Options& options) {
  const SqlContext context = EnterSql(OwnerOf(table));
  if (ChangesPersistence(table, options)) {
    RunUtility(psprintf("ALTER TABLE %s SET %s", QualifiedName(table), options.unlogged ? "UNLOGGED" : "LOGGED"));
  }
  if (GivesOption(options, "fillfactor")) {
    RunUtility(psprintf("ALTER TABLE %s SET (fillfactor = %d)", QualifiedName(table), options.fillfactor));
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
  building.user = OwnerOf(self.table);
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
  RequireOwner(table);
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
