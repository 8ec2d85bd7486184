// DDL on what TVIEWs read: what it touches, found before it runs.
#include "sql/watch.h"

#include "catalog/internal_sql.h"
#include "catalog/register.h"
#include "catalog/registration.h"
#include "catalog/rows.h"
#include "catalog/triggers.h"
#include "pg/query_tree.h"
#include "sql/affected.h"

namespace tviews::sql {
namespace {

Oid Find(const RangeVar* name) { return name == nullptr ? InvalidOid : RangeVarGetRelidExtended(name, NoLock, RVR_MISSING_OK, nullptr, nullptr); }

// As the server does for a view's column: a TVIEW's dependency on what it reads through an SQL function is one that it does not know.
void RefuseTypeChange(Oid relation, const char* name) {
  const AttrNumber column = get_attnum(relation, name);
  const Oid tview = column > 0 ? TviewNaming(relation, column) : InvalidOid;
  if (OidIsValid(tview)) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("cannot alter type of a column used by TVIEW \"%s\"", get_rel_name(tview)),
                    errdetail("It reads column \"%s\" through an SQL function.", name), errhint("Drop the TVIEW, alter the column, and create the TVIEW again.")));
  }
}

// A TVIEW keeps its rows in tables of its own database.
void RefuseForeignPartition(Oid parent, char kind) {
  if (kind == RELKIND_FOREIGN_TABLE && OidIsValid(catalog::TviewOf(parent))) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("a foreign table cannot be a partition of TVIEW \"%s\"", get_rel_name(catalog::TviewOf(parent)))));
  }
}

// The server refuses the rest, and says why; until then nobody waits for a lock that the user may not take.
bool MayAttach(Oid parent, Oid partition) {
  return OidIsValid(partition) && !get_rel_relispartition(partition) && pg_class_ownercheck(parent, GetUserId()) && pg_class_ownercheck(partition, GetUserId());
}

// Rows of a child would be read as rows of the TVIEW, and nobody keeps them.
void RefuseInheritance(Oid parent) {
  if (OidIsValid(parent) && catalog::IsTviewTable(parent) && get_rel_relkind(parent) == RELKIND_RELATION) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("cannot inherit from TVIEW \"%s\"", get_rel_name(parent)),
                    errhint("Use CREATE TABLE ... (LIKE %s), or a view of both.", quote_identifier(get_rel_name(parent)))));
  }
}

// Of a TVIEW's columns only the user's change their type by hand: a shorter one would cut what the worker writes.
void CheckAlterType(Oid table, const char* column) {
  catalog::Registered tview;
  if (catalog::ReadRegistered(table, &tview) && !tview.adopted && !catalog::IsBeingReplaced(table) && catalog::NamesContain(catalog::OwnedColumns(table), column)) {
    ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST), errmsg("cannot change the type of column \"%s\" of TVIEW \"%s\"", column, get_rel_name(table)),
                    errhint("Change the TVIEW's query with pg_tviews_create_or_replace(); columns that are not in its view can be altered freely.")));
  }
}

// ATTACH and DETACH.  A table that joins captured ones gets their triggers by cloning: its own must be gone by then.
void WatchPartition(const AlterTableCmd* command, Watched* watched) {
  watched->reshaped = watched->parts = true;
  watched->other = Find(reinterpret_cast<PartitionCmd*>(command->def)->name);
  if (command->subtype == AT_AttachPartition && MayAttach(watched->relation, watched->other) &&
      (catalog::IsCaptured(watched->relation) || OidIsValid(catalog::TviewOf(watched->relation)))) {
    RefuseForeignPartition(watched->relation, get_rel_relkind(watched->other));
    LockRelationOid(watched->other, AccessExclusiveLock);  // as ATTACH does
    catalog::RemoveRowTriggers(watched->other);
  }
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
        RefuseTypeChange(watched->relation, command->name);
        CheckAlterType(watched->relation, command->name);
        watched->reshaped = true;
        break;
      case AT_DropNotNull:  // lineage may rely on it (NOT IN)
#if PG_VERSION_NUM >= 170000
      case AT_SetExpression:  // rewrites the table without triggers
#endif
      case AT_SetLogged:
      case AT_SetUnLogged:
        watched->reshaped = true;
        break;
      case AT_AttachPartition:
      case AT_DetachPartition:
      case AT_DetachPartitionFinalize:
        WatchPartition(command, watched);
        break;
      case AT_AddInherit:
      case AT_DropInherit:
        watched->reshaped = true;
        watched->other = Find(reinterpret_cast<RangeVar*>(command->def));
        if (command->subtype == AT_AddInherit) {
          RefuseInheritance(watched->other);
        }
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
        watched->indexed = true;
        break;
      case AT_DropConstraint:
        watched->indexed = true;
        watched->reshaped = watched->reshaped || pg::IsNotNullConstraint(watched->relation, command->name);
        break;
      default:
        break;
    }
  }
  watched->any = watched->reshaped || watched->widened || watched->triggers || watched->indexed;
}

// A capture trigger that TVIEWs depend on.
bool IsNeededTrigger(Oid relation, const char* trigger) {
  return OidIsValid(relation) && strncmp(trigger, catalog::kRowTrigger, strlen(catalog::kRowTrigger)) == 0 && OidIsValid(get_trigger_oid(relation, trigger, true)) &&
         (catalog::IsCaptured(relation) || catalog::IsTviewTable(relation));
}

void WatchRename(RenameStmt* statement, Watched* watched) {
  switch (statement->renameType) {
    case OBJECT_TABLE:
    case OBJECT_VIEW:
      break;
    case OBJECT_COLUMN:
    case OBJECT_ATTRIBUTE:
      watched->old_column = statement->subname;
      watched->new_column = statement->newname;
      break;
    case OBJECT_TRIGGER: {
      const Oid relation = Find(statement->relation);
      if (IsNeededTrigger(relation, statement->subname)) {
        ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                        errmsg("cannot rename trigger \"%s\" on table \"%s\" because TVIEWs depend on it", statement->subname, get_rel_name(relation)),
                        errhint("It is found by its name, and goes when the last TVIEW that needs it is dropped.")));
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

// DROP TRIGGER on a capture trigger that a TVIEW needs: refused; with IF EXISTS it is left in place (true), for pg_restore --clean drops
// the triggers before the tables that they go with.
bool KeepsTrigger(DropStmt* statement) {
  ListCell* cell;
  foreach (cell, statement->objects) {
    List* name = castNode(List, lfirst(cell));
    const char* trigger = strVal(llast(name));
    const Oid relation = Find(makeRangeVarFromNameList(list_truncate(list_copy(name), list_length(name) - 1)));
    if (IsNeededTrigger(relation, trigger)) {
      if (statement->missing_ok) {
        ereport(WARNING, (errmsg("trigger \"%s\" on table \"%s\" stays because TVIEWs depend on it", trigger, get_rel_name(relation)),
                          errdetail("It goes when the last TVIEW that needs it is dropped.")));
        return true;
      }
      ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST), errmsg("cannot drop trigger \"%s\" on table \"%s\" because TVIEWs depend on it", trigger, get_rel_name(relation)),
                      errhint("Drop the TVIEWs that read the table.")));
    }
  }
  return false;
}

void WatchSchemaChange(AlterObjectSchemaStmt* statement, Watched* watched) {
  switch (statement->objectType) {
    case OBJECT_EXTENSION:
    case OBJECT_OPERATOR:
    case OBJECT_TYPE:
    case OBJECT_DOMAIN:
    case OBJECT_COLLATION:
      watched->schema = watched->any = true;
      return;
    default:
      watched->relation = Find(statement->relation);
      watched->renamed = watched->any = OidIsValid(watched->relation);
  }
}

void WatchView(ViewStmt* statement, Watched* watched) {
  if (statement->replace) {
    watched->relation = Find(statement->view);
    watched->reshaped = OidIsValid(watched->relation);
  }
  watched->new_view = watched->reshaped ? nullptr : statement->view;
  watched->any = true;
}

// `kind`: of relation, as in pg_class.relkind.
void WatchNewTable(CreateStmt* statement, char kind, Watched* watched) {
  ListCell* cell;
  foreach (cell, statement->inhRelations) {
    const Oid parent = Find(reinterpret_cast<RangeVar*>(lfirst(cell)));
    if (OidIsValid(parent)) {
      RefuseInheritance(parent);
      RefuseForeignPartition(parent, kind);
      watched->parents = lappend_oid(watched->parents, parent);
      watched->any = true;
    }
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
      WatchSchemaChange(reinterpret_cast<AlterObjectSchemaStmt*>(statement), &watched);
      break;
    case T_ViewStmt:
      WatchView(reinterpret_cast<ViewStmt*>(statement), &watched);
      break;
    case T_CreateStmt:
      WatchNewTable(reinterpret_cast<CreateStmt*>(statement), RELKIND_RELATION, &watched);
      break;
    case T_CreateForeignTableStmt:
      WatchNewTable(reinterpret_cast<CreateStmt*>(statement), RELKIND_FOREIGN_TABLE, &watched);
      break;
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
        watched.nothing_to_do = KeepsTrigger(reinterpret_cast<DropStmt*>(statement));
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

}  // namespace tviews::sql
