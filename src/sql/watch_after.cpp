// DDL on what TVIEWs read: what follows from it once it has run.
#include "catalog/change.h"
#include "catalog/columns.h"
#include "catalog/internal_sql.h"
#include "catalog/register.h"
#include "catalog/registration.h"
#include "catalog/rows.h"
#include "catalog/triggers.h"
#include "pg/owner_context.h"
#include "sql/affected.h"
#include "sql/follow.h"
#include "sql/restored.h"
#include "sql/watch.h"
#include "sql/watch_types.h"

namespace tviews::sql {
namespace {

using catalog::EnterSql;
using catalog::ExtensionOwner;
using catalog::LeaveSql;
using catalog::OidArgument;
using catalog::ResultOids;
using catalog::RunSql;
using catalog::SqlContext;
using catalog::TextArgument;

// In TopTransactionContext, of the running command:
List* functions;   // replaced
List* narrowed;    // relations that lost columns

bool Exists(Oid relation) { return OidIsValid(relation) && SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)); }

// A column of a TVIEW's view was renamed: its table follows.
void RenameInTable(Oid view, const char* old_name, const char* new_name) {
  const SqlContext context = EnterSql(ExtensionOwner());
  const uint64 rows = RunSql(
      "UPDATE %s.pg_tview_catalog SET columns = pg_catalog.array_replace(columns, $2, $3), key_columns = pg_catalog.array_replace(key_columns, $2, $3) "
      "WHERE view = $1 RETURNING tview",
      {OidArgument(view), TextArgument(old_name), TextArgument(new_name)});
  const List* tables = ResultOids(rows, 1, context);
  LeaveSql(context);
  CommandCounterIncrement();
  const ListCell* cell;
  foreach (cell, tables) {
    const Oid table = lfirst_oid(cell);
    if (!Exists(table)) {
      continue;
    }
    const SqlContext as_owner = EnterSql(pg::OwnerOf(table));
    catalog::RunUtility(psprintf("ALTER TABLE %s RENAME COLUMN %s TO %s", quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)), get_rel_name(table)),
                                 quote_identifier(old_name), quote_identifier(new_name)));
    LeaveSql(as_owner);
  }
}

// What failed may succeed now: the key index is there (a parallel restore makes it after the trigger), a constraint is gone.
void RetryFailed(Oid table) {
  const SqlContext context = EnterSql(ExtensionOwner());
  RunSql("UPDATE %s.pg_tview_deferred SET next_attempt = pg_catalog.now() WHERE tview = $1 AND reason = 'failed'", {OidArgument(table)});
  LeaveSql(context);
}

// ALTER TABLE tv_x: the columns of its view must all be there with their types.
void CheckTviewTable(Oid table) {
  catalog::RowScan scan = catalog::OpenRowsByKey(pg::Table::kTview, catalog::kTviewIndex, catalog::tview_column::kTview, ObjectIdGetDatum(table), true, nullptr);
  const bool is_tview = catalog::NextRow(&scan);
  if (is_tview) {
    const Oid view = catalog::OidColumn(scan, catalog::tview_column::kView);
    int count;
    char** columns = catalog::ArrayTexts(catalog::ArrayColumn(scan, catalog::tview_column::kColumns), &count);
    const bool adopted = catalog::BoolColumn(scan, catalog::tview_column::kAdopted);
    for (int i = 0; i < count; ++i) {
      const AttrNumber in_view = get_attnum(view, columns[i]), in_table = get_attnum(table, columns[i]);
      if (in_view > 0 && (in_table <= 0 || !catalog::TypeFits(get_atttype(view, in_view), get_atttype(table, in_table), adopted))) {
        ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                        errmsg("cannot %s column \"%s\" of TVIEW \"%s\"", in_table <= 0 ? "drop" : "change the type of", columns[i], get_rel_name(table)),
                        errhint("Change the TVIEW's query with pg_tviews_create_or_replace(); columns that are not in its view can be altered freely.")));
      }
    }
    catalog::GraphChanged();
  }
  catalog::CloseRows(&scan);
  if (is_tview) {
    RetryFailed(table);
  }
}

// A table got or lost a partition.  Rows that had no place may have one now; those that came or went with it are compared.
void AfterNewPartition(Oid parent, bool with_rows) {
  const Oid tview = catalog::TviewOf(parent);
  if (!OidIsValid(tview)) {
    return;
  }
  catalog::EnsureCaptureTriggers(tview);
  RetryFailed(tview);
  if (with_rows) {
    catalog::MarkForReconciliation(tview);
  }
}

// Their own locks come first: who waits for a row of the catalog holds up a whole batch, who waits for a TVIEW's lock that TVIEW only.
void SetDegraded(List* tviews) {
  catalog::LockTviews(tviews);
  const SqlContext context = EnterSql(ExtensionOwner());
  const ListCell* cell;
  foreach (cell, tviews) {
    RunSql("UPDATE %s.pg_tview_catalog SET state = 'd' WHERE tview = $1 AND state <> 'p'", {OidArgument(lfirst_oid(cell))});
  }
  LeaveSql(context);
  catalog::GraphChanged();
}

// pg_restore's ENABLE TRIGGER ALL turns ALWAYS into ordinary; what happened while capture was off is found by reconciling.
void AfterTriggerChange(Oid relation) {
  const char state = catalog::RowTriggerState(relation);
  if (state == 0) {
    return;  // no TVIEW reads it, nor one of its partitions
  }
  List* readers = TviewsOverTree(relation, false);
  const Oid tview = catalog::TviewOf(relation);
  if (OidIsValid(tview)) {
    readers = list_append_unique_oid(readers, tview);  // users may have written to it
  }
  if (state == TRIGGER_DISABLED) {
    SetDegraded(readers);
    ereport(WARNING, (errmsg("capture is disabled on table \"%s\"", get_rel_name(relation)), errdetail("TVIEWs that read it are degraded until its triggers are enabled.")));
  } else if (state != TRIGGER_FIRES_ALWAYS) {
    const List* members = find_all_inheritors(relation, NoLock, nullptr);
    const ListCell* cell;
    foreach (cell, members) {  // a root carries the trigger for partitions that are read, too
      if (catalog::IsCaptured(lfirst_oid(cell)) || OidIsValid(catalog::TviewOf(lfirst_oid(cell)))) {
        catalog::EnsureCaptureTriggers(lfirst_oid(cell));
      }
    }
    foreach (cell, readers) {
      catalog::MarkForReconciliation(lfirst_oid(cell));
    }
  }
}

void ForgetUnneeded(Oid relation) {
  if (!catalog::IsCaptured(relation)) {
    catalog::RemoveUnneededTriggers(relation);  // left its parent
  }
  catalog::InvalidateRelations(list_make1_oid(relation));
}

// Columns came or went, or partitions.
void AfterReshape(const Watched& watched) {
  FollowAll(watched.parts ? TviewsOver(RelationRelationId, watched.relation, false) : TviewsOverTree(watched.relation, false), false);
  if (Exists(watched.other)) {
    FollowAll(TviewsOver(RelationRelationId, watched.other, false), false);
    ForgetUnneeded(watched.other);
    ForgetUnneeded(watched.relation);
  }
}

// A relation or a column of it has another name.
void AfterRename(const Watched& watched, bool is_tview) {
  const List* whole_row = TviewsOverTree(watched.relation, true);
  const List* readers = TviewsOverTree(watched.relation, false);
  FollowAll(readers, true);
  const ListCell* cell;
  foreach (cell, readers) {
    if (watched.old_column != nullptr && list_member_oid(whole_row, lfirst_oid(cell))) {
      catalog::MarkForReconciliation(lfirst_oid(cell));  // names of columns are part of a row as json
    }
  }
  if (is_tview) {
    FollowAll(list_make1_oid(watched.relation), true);  // its name is that of its entity
  }
}

// DROP TYPE ... CASCADE, DROP OWNED: a column went, and no ALTER TABLE said so.
void AfterLostColumn(Oid relation) {
  if (!Exists(relation)) {
    return;
  }
  const Oid tview = catalog::TviewOf(relation);
  if (OidIsValid(tview) && !catalog::IsBeingReplaced(tview)) {
    CheckTviewTable(tview);
  }
  FollowAll(TviewsOver(RelationRelationId, relation, true), false);
  FollowAll(TviewsOverType(get_rel_type_id(relation)), false);
}

void AfterRelationChange(const Watched& watched) {
  if (watched.old_column != nullptr) {
    RenameInPoints(watched.relation, watched.old_column, watched.new_column);
    RenameInTable(watched.relation, watched.old_column, watched.new_column);
  }
  const bool is_tview = catalog::IsTviewTable(watched.relation);
  const Oid tview = catalog::TviewOf(watched.relation);
  if (OidIsValid(tview) && !watched.renamed && !catalog::IsBeingReplaced(tview)) {
    CheckTviewTable(tview);
  }
  if (watched.parts) {
    AfterNewPartition(watched.relation, true);
  }
  if (watched.reshaped) {
    AfterReshape(watched);
  } else if (watched.widened) {
    FollowAll(TviewsOverTree(watched.relation, true), false);
    FollowAll(TviewsOverType(get_rel_type_id(watched.relation)), false);
  } else if (watched.renamed) {
    AfterRename(watched, is_tview);
  }
  if (watched.triggers) {
    AfterTriggerChange(watched.relation);
  }
}

// What the command changed without naming it.  `widened`: an ALTER TABLE that adds or drops columns looks at its relation anyway.
// `names_only`: functions have another name or place, not other results.
void AfterNoted(bool widened, bool names_only) {
  while (functions != NIL) {
    const Oid function = linitial_oid(functions);
    functions = list_delete_first(functions);
    CommandCounterIncrement();
    FollowAll(TviewsOver(ProcedureRelationId, function, false), names_only);
  }
  while (narrowed != NIL) {
    const Oid relation = linitial_oid(narrowed);
    narrowed = list_delete_first(narrowed);
    if (!widened) {
      CommandCounterIncrement();
      AfterLostColumn(relation);
    }
  }
}

void AfterNewMember(Oid parent) {
  AfterNewPartition(parent, false);
  if (catalog::IsCaptured(parent)) {
    catalog::EnsureCaptureTriggers(parent);
    catalog::InvalidateRelations(list_make1_oid(parent));
    catalog::GraphChanged();
  }
}

}  // namespace

// What the command altered, under the name it has now: while it waited for its lock, another session may have made the relation anew.
Oid Altered(Node* statement, Oid before) {
  RangeVar* name = nullptr;
  switch (nodeTag(statement)) {
    case T_AlterTableStmt:
      name = reinterpret_cast<AlterTableStmt*>(statement)->relation;
      break;
    case T_ViewStmt:
      name = reinterpret_cast<ViewStmt*>(statement)->view;
      break;
    case T_RenameStmt: {
      const RenameStmt* rename = reinterpret_cast<RenameStmt*>(statement);
      name = static_cast<RangeVar*>(copyObjectImpl(rename->relation));
      if (name != nullptr && (rename->renameType == OBJECT_TABLE || rename->renameType == OBJECT_VIEW)) {
        name->relname = rename->newname;
      }
      break;
    }
    default:
      break;
  }
  const Oid now = name == nullptr ? InvalidOid : RangeVarGetRelid(name, NoLock, true);
  return OidIsValid(now) ? now : before;
}

void WatchAfter(Node* statement, const Watched& before) {
  Watched watched = before;
  if (OidIsValid(before.relation)) {
    CommandCounterIncrement();
    watched.relation = Altered(statement, before.relation);
  }
  AfterNoted(watched.widened, IsA(statement, RenameStmt) || IsA(statement, AlterObjectSchemaStmt));
  if (!watched.any) {
    return;
  }
  CommandCounterIncrement();
  if (IsA(statement, AlterEnumStmt)) {
    AfterEnumChange(reinterpret_cast<AlterEnumStmt*>(statement));
    return;
  }
  if (watched.owners) {
    catalog::GraphChanged();  // the worker refreshes as the owner it knows
    return;
  }
  if (watched.new_view != nullptr) {
    AfterNewView(RangeVarGetRelid(watched.new_view, NoLock, true));
    return;
  }
  if (watched.schema) {  // mapping queries name it, or an operator or type in it
    FollowAll(AllTviews(), true);
    return;
  }
  const ListCell* cell;
  foreach (cell, watched.parents) {
    AfterNewMember(lfirst_oid(cell));
  }
  if (!Exists(watched.relation)) {
    return;
  }
  if (get_rel_relkind(watched.relation) == RELKIND_COMPOSITE_TYPE) {
    AfterCompositeChange(watched);
    return;
  }
  if (watched.restored) {
    AfterRestore(watched.relation);
    return;
  }
  AfterRelationChange(watched);
}

void NoteFunction(Oid function) {
  MemoryContext saved = MemoryContextSwitchTo(TopTransactionContext);
  functions = list_append_unique_oid(functions, function);
  MemoryContextSwitchTo(saved);
}

void NoteLostColumn(Oid relation) {
  MemoryContext saved = MemoryContextSwitchTo(TopTransactionContext);
  narrowed = list_append_unique_oid(narrowed, relation);
  MemoryContextSwitchTo(saved);
}

void ForgetNoted() { functions = narrowed = NIL; }

}  // namespace tviews::sql
