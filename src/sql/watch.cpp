// DDL on what TVIEWs read.
#include "sql/watch.h"

#include "catalog/change.h"
#include "catalog/internal_sql.h"
#include "catalog/register.h"
#include "catalog/registration.h"
#include "catalog/rows.h"
#include "catalog/triggers.h"

namespace tviews::sql {
namespace {

using catalog::ArrayArgument;
using catalog::EnterSql;
using catalog::ExtensionOwner;
using catalog::LeaveSql;
using catalog::OidArgument;
using catalog::ResultDatum;
using catalog::RunSql;
using catalog::SqlContext;
using catalog::TextArgument;

List* functions;  // replaced by the running command, in TopTransactionContext

Oid Find(const RangeVar* name) { return name == nullptr ? InvalidOid : RangeVarGetRelidExtended(name, NoLock, RVR_MISSING_OK, nullptr, nullptr); }

List* AllTviews() {
  List* found = NIL;
  catalog::RowScan scan = catalog::OpenRows(pg::Table::kTview, nullptr);
  while (catalog::NextRow(&scan)) {
    found = lappend_oid(found, catalog::OidColumn(scan, catalog::tview_column::kTview));
  }
  catalog::CloseRows(&scan);
  return found;
}

// TVIEWs that see `object`: through plain views, rules and ancestors; TVIEWs' own tables are a border.  Lowest level first.
// `whole_row`: only those that use a whole row of the relation.
List* TviewsOver(Oid object_class, Oid object, bool whole_row) {
  if (AllTviews() == NIL) {
    return NIL;
  }
  const SqlContext context = EnterSql(ExtensionOwner());
  const uint64 rows = RunSql(
      "WITH RECURSIVE o(class, id) AS (SELECT $1::oid, $2::oid UNION "
      "  SELECT n.class, n.id FROM o, LATERAL ("
      "    SELECT 'pg_class'::regclass::oid AS class, w.ev_class AS id FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid"
      "      WHERE d.refclassid = o.class AND d.refobjid = o.id AND d.classid = 'pg_rewrite'::regclass"
      "    UNION ALL SELECT d.classid, d.objid FROM pg_depend d WHERE o.class IN ('pg_proc'::regclass, 'pg_operator'::regclass)"
      "      AND d.refclassid = o.class AND d.refobjid = o.id AND d.classid IN ('pg_proc'::regclass, 'pg_operator'::regclass)"
      "    UNION ALL SELECT o.class, i.inhparent FROM pg_inherits i WHERE o.class = 'pg_class'::regclass AND i.inhrelid = o.id) n) "
      "SELECT c.tview FROM %s.pg_tview_catalog c WHERE c.view IN (SELECT id FROM o WHERE class = 'pg_class'::regclass) "
      "AND (NOT $3 OR EXISTS (SELECT FROM %s.pg_tview_mapping m JOIN %s.pg_tview_capture_point p USING (point) "
      "  WHERE m.tview = c.tview AND m.used IS NULL AND p.relation IN (SELECT id FROM o WHERE class = 'pg_class'::regclass))) "
      "ORDER BY c.level, c.tview",
      {OidArgument(object_class), OidArgument(object), {BOOLOID, BoolGetDatum(whole_row), false}});
  MemoryContext saved = MemoryContextSwitchTo(context.outer);
  List* found = NIL;
  for (uint64 i = 0; i < rows; ++i) {
    bool is_null;
    found = lappend_oid(found, DatumGetObjectId(ResultDatum(i, 1, &is_null)));
  }
  MemoryContextSwitchTo(saved);
  LeaveSql(context);
  return found;
}

// TVIEWs with a column of this type in a relation they read, or in their own table.
List* TviewsOverType(Oid type) {
  const SqlContext context = EnterSql(ExtensionOwner());
  const uint64 rows = RunSql(
      "SELECT DISTINCT c.level, c.tview FROM %s.pg_tview_catalog c LEFT JOIN %s.pg_tview_relation r USING (tview) "
      "JOIN pg_attribute a ON a.attrelid IN (r.relation, c.tview) AND a.atttypid IN ($1, (SELECT typarray FROM pg_type WHERE oid = $1)) ORDER BY 1, 2",
      {OidArgument(type)});
  MemoryContext saved = MemoryContextSwitchTo(context.outer);
  List* found = NIL;
  for (uint64 i = 0; i < rows; ++i) {
    bool is_null;
    found = lappend_oid(found, DatumGetObjectId(ResultDatum(i, 2, &is_null)));
  }
  MemoryContextSwitchTo(saved);
  LeaveSql(context);
  return found;
}

void WatchAlterTable(AlterTableStmt* statement, Watched* watched) {
  watched->relation = Find(statement->relation);
  if (!OidIsValid(watched->relation)) {
    return;
  }
  ListCell* cell;
  foreach (cell, statement->cmds) {
    AlterTableCmd* command = lfirst_node(AlterTableCmd, cell);
    switch (command->subtype) {
      case AT_AddColumn:
      case AT_DropColumn:
#if PG_VERSION_NUM < 160000
      case AT_AddColumnRecurse:
      case AT_DropColumnRecurse:
#endif
        watched->widened = true;
        break;
      case AT_AlterColumnType:
      case AT_SetLogged:
      case AT_SetUnLogged:
        watched->reshaped = true;
        break;
      case AT_AttachPartition:
      case AT_DetachPartition:
      case AT_DetachPartitionFinalize:
        watched->reshaped = true;
        watched->other = Find(reinterpret_cast<PartitionCmd*>(command->def)->name);
        if (command->subtype == AT_AttachPartition && OidIsValid(watched->other) && catalog::IsCaptured(watched->relation)) {
          LockRelationOid(watched->other, AccessExclusiveLock);  // as ATTACH does
          catalog::RemoveRowTriggers(watched->other);
        }
        break;
      case AT_AddInherit:
      case AT_DropInherit:
        watched->reshaped = true;
        watched->other = Find(reinterpret_cast<RangeVar*>(command->def));
        break;
      case AT_EnableTrig:
      case AT_EnableAlwaysTrig:
      case AT_EnableReplicaTrig:
      case AT_DisableTrig:
      case AT_EnableTrigAll:
      case AT_DisableTrigAll:
      case AT_EnableTrigUser:
      case AT_DisableTrigUser:
        watched->triggers = true;
        break;
      case AT_ChangeOwner:
      case AT_AddIndex:
      case AT_AddIndexConstraint:
      case AT_AddConstraint:
      case AT_DropConstraint:
        watched->indexed = true;
        break;
      default:
        break;
    }
  }
  watched->any = watched->reshaped || watched->widened || watched->triggers || watched->indexed;
}

void WatchRename(RenameStmt* statement, Watched* watched) {
  switch (statement->renameType) {
    case OBJECT_TABLE:
    case OBJECT_VIEW:
      break;
    case OBJECT_COLUMN:
      watched->old_column = statement->subname;
      watched->new_column = statement->newname;
      break;
    case OBJECT_TRIGGER: {
      const Oid relation = Find(statement->relation);
      if (OidIsValid(relation) && strncmp(statement->subname, catalog::kRowTrigger, strlen(catalog::kRowTrigger)) == 0 &&
          (catalog::IsCaptured(relation) || catalog::IsTviewTable(relation))) {
        ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                        errmsg("cannot rename trigger \"%s\" on table \"%s\" because TVIEWs depend on it", statement->subname, get_rel_name(relation))));
      }
      return;
    }
    case OBJECT_SCHEMA:
    case OBJECT_TYPE:
    case OBJECT_DOMAIN:
    case OBJECT_COLLATION:
      watched->schema = watched->any = true;
      return;
    default:
      return;
  }
  watched->relation = Find(statement->relation);
  watched->renamed = watched->any = OidIsValid(watched->relation);
  if (watched->any && watched->old_column != nullptr && catalog::IsTviewTable(watched->relation)) {
    // Of its columns only those that are not the view's may be renamed.
    catalog::RowScan scan = catalog::OpenRowsByKey(pg::Table::kTview, catalog::kTviewIndex, catalog::tview_column::kTview, ObjectIdGetDatum(watched->relation), true, nullptr);
    Oid view = catalog::NextRow(&scan) ? catalog::OidColumn(scan, catalog::tview_column::kView) : InvalidOid;
    catalog::CloseRows(&scan);
    if (OidIsValid(view) && get_attnum(view, watched->old_column) > 0) {
      ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                      errmsg("cannot rename column \"%s\" of TVIEW \"%s\"", watched->old_column, get_rel_name(watched->relation)),
                      errhint("Rename it in its view: ALTER VIEW %s RENAME COLUMN %s TO %s.",
                              quote_qualified_identifier(get_namespace_name(get_rel_namespace(view)), get_rel_name(view)), quote_identifier(watched->old_column),
                              quote_identifier(watched->new_column))));
    }
  }
}

// DROP TRIGGER on a capture trigger that a TVIEW needs.
void RefuseDropOfTrigger(DropStmt* statement) {
  ListCell* cell;
  foreach (cell, statement->objects) {
    List* name = castNode(List, lfirst(cell));
    const char* trigger = strVal(llast(name));
    if (strncmp(trigger, catalog::kRowTrigger, strlen(catalog::kRowTrigger)) != 0) {
      continue;
    }
    const Oid relation = Find(makeRangeVarFromNameList(list_truncate(list_copy(name), list_length(name) - 1)));
    if (OidIsValid(relation) && OidIsValid(get_trigger_oid(relation, trigger, true)) && (catalog::IsCaptured(relation) || catalog::IsTviewTable(relation))) {
      ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST), errmsg("cannot drop trigger \"%s\" on table \"%s\" because TVIEWs depend on it", trigger, get_rel_name(relation)),
                      errhint("Drop the TVIEWs that read the table.")));
    }
  }
}

void RegisterAgainAll(const List* tviews) {
  const ListCell* cell;
  foreach (cell, tviews) {
    catalog::RegisterAgain(lfirst_oid(cell));
  }
}

bool Exists(Oid relation) { return OidIsValid(relation) && SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)); }

// A column of a relation was renamed: capture points keep their numbers, so that records on their way stay known.
void RenameInPoints(Oid relation, const char* old_name, const char* new_name) {
  const List* members = find_all_inheritors(relation, NoLock, nullptr);
  const SqlContext context = EnterSql(ExtensionOwner());
  const ListCell* cell;
  foreach (cell, members) {
    RunSql("UPDATE %s.pg_tview_capture_point SET columns = pg_catalog.array_replace(columns, $2, $3) WHERE relation = $1 AND $2 = ANY (columns)",
           {OidArgument(lfirst_oid(cell)), TextArgument(old_name), TextArgument(new_name)});
  }
  LeaveSql(context);
}

// A column of a TVIEW's view was renamed: its table follows.
void RenameInTable(Oid view, const char* old_name, const char* new_name) {
  const SqlContext context = EnterSql(ExtensionOwner());
  const uint64 rows = RunSql(
      "UPDATE %s.pg_tview_catalog SET columns = pg_catalog.array_replace(columns, $2, $3), key_columns = pg_catalog.array_replace(key_columns, $2, $3) "
      "WHERE view = $1 RETURNING tview",
      {OidArgument(view), TextArgument(old_name), TextArgument(new_name)});
  MemoryContext saved = MemoryContextSwitchTo(context.outer);
  List* tables = NIL;
  for (uint64 i = 0; i < rows; ++i) {
    bool is_null;
    tables = lappend_oid(tables, DatumGetObjectId(ResultDatum(i, 1, &is_null)));
  }
  MemoryContextSwitchTo(saved);
  LeaveSql(context);
  CommandCounterIncrement();
  const ListCell* cell;
  foreach (cell, tables) {
    const Oid table = lfirst_oid(cell);
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
    if (!HeapTupleIsValid(tuple)) {
      continue;
    }
    const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
    ReleaseSysCache(tuple);
    const SqlContext as_owner = EnterSql(owner);
    catalog::RunUtility(psprintf("ALTER TABLE %s RENAME COLUMN %s TO %s", quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)), get_rel_name(table)),
                                 quote_identifier(old_name), quote_identifier(new_name)));
    LeaveSql(as_owner);
  }
}

// ALTER TABLE tv_x: the columns of its view must all be there with their types.
void CheckTviewTable(Oid table) {
  catalog::RowScan scan = catalog::OpenRowsByKey(pg::Table::kTview, catalog::kTviewIndex, catalog::tview_column::kTview, ObjectIdGetDatum(table), true, nullptr);
  if (catalog::NextRow(&scan)) {
    const Oid view = catalog::OidColumn(scan, catalog::tview_column::kView);
    int count;
    char** columns = catalog::ArrayTexts(catalog::ArrayColumn(scan, catalog::tview_column::kColumns), &count);
    for (int i = 0; i < count; ++i) {
      const AttrNumber in_view = get_attnum(view, columns[i]), in_table = get_attnum(table, columns[i]);
      if (in_view > 0 && (in_table <= 0 || get_atttype(view, in_view) != get_atttype(table, in_table))) {
        ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                        errmsg("cannot %s column \"%s\" of TVIEW \"%s\"", in_table <= 0 ? "drop" : "change the type of", columns[i], get_rel_name(table)),
                        errhint("Change the TVIEW's definition; columns that are not in its view can be altered freely.")));
      }
    }
    catalog::GraphChanged();
  }
  catalog::CloseRows(&scan);
}

void SetDegraded(const List* tviews) {
  const SqlContext context = EnterSql(ExtensionOwner());
  const ListCell* cell;
  foreach (cell, tviews) {
    RunSql("UPDATE %s.pg_tview_catalog SET state = 'd' WHERE tview = $1", {OidArgument(lfirst_oid(cell))});
  }
  LeaveSql(context);
  catalog::GraphChanged();
}

// pg_restore's ENABLE TRIGGER ALL turns ALWAYS into ordinary; what happened while capture was off is found by reconciling.
void AfterTriggerChange(Oid relation) {
  if (!catalog::IsCaptured(relation)) {
    return;
  }
  List* readers = TviewsOver(RelationRelationId, relation, false);
  const char state = catalog::RowTriggerState(relation);
  if (state == TRIGGER_DISABLED) {
    SetDegraded(readers);
    ereport(WARNING, (errmsg("capture is disabled on table \"%s\"", get_rel_name(relation)), errdetail("TVIEWs that read it are degraded until its triggers are enabled.")));
  } else if (state != TRIGGER_FIRES_ALWAYS) {
    catalog::EnsureCaptureTriggers(relation);
    const ListCell* cell;
    foreach (cell, readers) {
      catalog::MarkForReconciliation(lfirst_oid(cell));
    }
  }
}

// The row trigger of a TVIEW's table came back from a dump.
void AfterRestore(const CreateTrigStmt* statement, Oid relation) {
  if (IsBinaryUpgrade) {
    return;  // the catalog tables come over as files
  }
  if (list_length(statement->args) < 3 || catalog::IsTviewTable(relation)) {
    if (catalog::IsCaptured(relation)) {
      catalog::EnsureCaptureTriggers(relation);  // replaced by one that is not ALWAYS
    }
    return;
  }
  const char* arguments[4] = {"", "", "", "adopted"};
  for (int i = 0; i < Min(4, list_length(statement->args)); ++i) {
    arguments[i] = strVal(list_nth(statement->args, i));
  }
  catalog::RegisterRestored(relation, arguments[0], arguments[1], arguments[2], strcmp(arguments[3], "made") == 0);
  const List* readers = TviewsOver(RelationRelationId, relation, false);
  const ListCell* cell;
  foreach (cell, readers) {  // came back before it, and took it for a base table
    catalog::RegisterAgain(lfirst_oid(cell));
  }
}

}  // namespace

bool IsCaptureTrigger(Node* statement) {
  if (!IsA(statement, CreateTrigStmt)) {
    return false;
  }
  const CreateTrigStmt* create = reinterpret_cast<CreateTrigStmt*>(statement);
  if (create->isconstraint || strncmp(create->trigname, catalog::kRowTrigger, strlen(catalog::kRowTrigger)) != 0) {
    return false;
  }
  const Oid function = LookupFuncName(create->funcname, 0, nullptr, true);
  return OidIsValid(function) && get_func_namespace(function) == pg::ExtensionSchemaOid() && strcmp(get_func_name(function), "pg_tviews_capture") == 0;
}

Watched WatchBefore(Node* statement) {
  Watched watched = {};
  switch (nodeTag(statement)) {
    case T_AlterTableStmt:
      WatchAlterTable(reinterpret_cast<AlterTableStmt*>(statement), &watched);
      break;
    case T_RenameStmt:
      WatchRename(reinterpret_cast<RenameStmt*>(statement), &watched);
      break;
    case T_ReassignOwnedStmt:
      watched.owners = watched.any = true;
      break;
    case T_AlterObjectSchemaStmt:
      switch (reinterpret_cast<AlterObjectSchemaStmt*>(statement)->objectType) {
        case OBJECT_OPERATOR:
        case OBJECT_TYPE:
        case OBJECT_DOMAIN:
        case OBJECT_COLLATION:
          watched.schema = watched.any = true;
          return watched;
        default:
          break;
      }
      watched.relation = Find(reinterpret_cast<AlterObjectSchemaStmt*>(statement)->relation);
      watched.renamed = watched.any = OidIsValid(watched.relation);
      break;
    case T_ViewStmt:
      if (reinterpret_cast<ViewStmt*>(statement)->replace) {
        watched.relation = Find(reinterpret_cast<ViewStmt*>(statement)->view);
        watched.reshaped = watched.any = OidIsValid(watched.relation);
      }
      break;
    case T_CreateStmt: {
      const CreateStmt* create = reinterpret_cast<CreateStmt*>(statement);
      ListCell* cell;
      foreach (cell, create->inhRelations) {
        const Oid parent = Find(reinterpret_cast<RangeVar*>(lfirst(cell)));
        if (OidIsValid(parent)) {
          watched.parents = lappend_oid(watched.parents, parent);
          watched.any = true;
        }
      }
      break;
    }
    case T_IndexStmt:
      watched.relation = Find(reinterpret_cast<IndexStmt*>(statement)->relation);
      watched.indexed = watched.any = OidIsValid(watched.relation);
      break;
    case T_CreateTrigStmt:
      if (IsCaptureTrigger(statement)) {
        watched.restored = watched.any = true;
        watched.relation = Find(reinterpret_cast<CreateTrigStmt*>(statement)->relation);
      }
      break;
    case T_DropStmt:
      if (reinterpret_cast<DropStmt*>(statement)->removeType == OBJECT_TRIGGER) {
        RefuseDropOfTrigger(reinterpret_cast<DropStmt*>(statement));
      }
      break;
    case T_AlterEnumStmt:
      watched.any = reinterpret_cast<AlterEnumStmt*>(statement)->oldVal != nullptr;
      break;
    default:
      break;
  }
  return watched;
}

void WatchAfter(Node* statement, const Watched& watched) {
  while (functions != NIL) {
    const Oid function = linitial_oid(functions);
    functions = list_delete_first(functions);
    CommandCounterIncrement();
    RegisterAgainAll(TviewsOver(ProcedureRelationId, function, false));
  }
  if (!watched.any) {
    return;
  }
  CommandCounterIncrement();
  if (IsA(statement, AlterEnumStmt)) {
    const TypeName* name = makeTypeNameFromNameList(reinterpret_cast<AlterEnumStmt*>(statement)->typeName);
    const List* tviews = TviewsOverType(typenameTypeId(nullptr, name));
    const ListCell* cell;
    foreach (cell, tviews) {
      catalog::MarkForReconciliation(lfirst_oid(cell));
    }
    return;
  }
  if (watched.owners) {
    catalog::GraphChanged();  // the worker refreshes as the owner it knows
    return;
  }
  const ListCell* cell;
  if (watched.schema) {  // mapping queries name it, or an operator or type in it
    const List* all = AllTviews();
    foreach (cell, all) {
      catalog::DeriveAgain(lfirst_oid(cell), true);
    }
    return;
  }
  foreach (cell, watched.parents) {
    if (catalog::IsCaptured(lfirst_oid(cell))) {
      catalog::EnsureCaptureTriggers(lfirst_oid(cell));
      catalog::InvalidateRelations(list_make1_oid(lfirst_oid(cell)));
      catalog::GraphChanged();
    }
  }
  if (!Exists(watched.relation)) {
    return;
  }
  if (watched.restored) {
    AfterRestore(reinterpret_cast<CreateTrigStmt*>(statement), watched.relation);
    return;
  }
  if (watched.old_column != nullptr) {
    RenameInPoints(watched.relation, watched.old_column, watched.new_column);
    RenameInTable(watched.relation, watched.old_column, watched.new_column);
  }
  const bool is_tview = catalog::IsTviewTable(watched.relation);
  if (is_tview && !watched.renamed) {
    CheckTviewTable(watched.relation);
  }
  if (watched.reshaped) {
    RegisterAgainAll(TviewsOver(RelationRelationId, watched.relation, false));
    if (Exists(watched.other)) {
      RegisterAgainAll(TviewsOver(RelationRelationId, watched.other, false));
      if (!catalog::IsCaptured(watched.other)) {
        catalog::RemoveUnneededTriggers(watched.other);  // left its parent
      }
      catalog::InvalidateRelations(list_make1_oid(watched.other));
      if (!catalog::IsCaptured(watched.relation)) {
        catalog::RemoveUnneededTriggers(watched.relation);
      }
      catalog::InvalidateRelations(list_make1_oid(watched.relation));
    }
  } else if (watched.widened) {
    RegisterAgainAll(TviewsOver(RelationRelationId, watched.relation, true));
  } else if (watched.renamed) {
    const List* whole_row = TviewsOver(RelationRelationId, watched.relation, true);
    const List* readers = TviewsOver(RelationRelationId, watched.relation, false);
    foreach (cell, readers) {
      catalog::DeriveAgain(lfirst_oid(cell), true);
      if (watched.old_column != nullptr && list_member_oid(whole_row, lfirst_oid(cell))) {
        catalog::MarkForReconciliation(lfirst_oid(cell));  // names of columns are part of a row as json
      }
    }
    if (is_tview) {
      catalog::DeriveAgain(watched.relation, true);  // its name is that of its entity
    }
  }
  if (watched.triggers) {
    AfterTriggerChange(watched.relation);
  }
}

void NoteFunction(Oid function) {
  MemoryContext saved = MemoryContextSwitchTo(TopTransactionContext);
  functions = list_append_unique_oid(functions, function);
  MemoryContextSwitchTo(saved);
}

void ForgetNotedFunctions() { functions = NIL; }

}  // namespace tviews::sql
