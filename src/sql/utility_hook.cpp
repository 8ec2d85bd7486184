// The hooks on utility commands and object access.
#include "sql/utility_hook.h"

#include "bgw/launcher.h"
#include "capture/transaction_set.h"
#include "catalog/change.h"
#include "catalog/drop.h"
#include "pg/extension.h"
#include "sql/extension_locks.h"
#include "pg/owner_context.h"
#include "pg/pg.h"
#include "sql/create_table_as.h"
#include "sql/watch.h"

namespace tviews::sql {
namespace {

ProcessUtility_hook_type previous_utility;
object_access_hook_type previous_access;

bool altering_function;  // a command that replaces, alters, renames or moves a function is running

// As have_createdb_privilege(), which 15 exports only in its latest minor versions.
bool MayCreateDatabases() {
  HeapTuple role = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
  if (!HeapTupleIsValid(role)) {
    return false;
  }
  const Form_pg_authid form = reinterpret_cast<Form_pg_authid>(GETSTRUCT(role));
  const bool may = form->rolsuper || form->rolcreatedb;
  ReleaseSysCache(role);
  return may;
}

// The database that a command needs for itself; InvalidOid for others.
Oid DatabaseWanted(Node* statement) {
  const char* name = nullptr;
  bool template_is_enough = false;
  if (IsA(statement, DropdbStmt)) {
    name = reinterpret_cast<DropdbStmt*>(statement)->dbname;
  } else if (IsA(statement, RenameStmt) && reinterpret_cast<RenameStmt*>(statement)->renameType == OBJECT_DATABASE) {
    name = reinterpret_cast<RenameStmt*>(statement)->subname;
  } else if (IsA(statement, AlterDatabaseStmt)) {
    const ListCell* cell;
    foreach (cell, reinterpret_cast<AlterDatabaseStmt*>(statement)->options) {
      if (strcmp(lfirst_node(DefElem, cell)->defname, "tablespace") == 0) {
        name = reinterpret_cast<AlterDatabaseStmt*>(statement)->dbname;
      }
    }
  } else if (IsA(statement, CreatedbStmt)) {
    name = "template1";
    template_is_enough = true;
    const ListCell* cell;
    foreach (cell, reinterpret_cast<CreatedbStmt*>(statement)->options) {
      DefElem* option = lfirst_node(DefElem, cell);
      if (strcmp(option->defname, "template") == 0 && option->arg != nullptr) {
        name = defGetString(option);
      }
    }
  }
  if (name == nullptr) {
    return InvalidOid;
  }
  const Oid database = get_database_oid(name, true);
  if (!OidIsValid(database) || database == MyDatabaseId) {
    return InvalidOid;
  }
  // Only who may run the command may stop the worker.
  if (pg_database_ownercheck(database, GetUserId())) {
    return database;
  }
  return template_is_enough && MayCreateDatabases() ? database : InvalidOid;
}

DropBehavior BehaviorOf(Node* statement) {
  switch (nodeTag(statement)) {
    case T_DropStmt:
      return reinterpret_cast<DropStmt*>(statement)->behavior;
    case T_DropOwnedStmt:
      return reinterpret_cast<DropOwnedStmt*>(statement)->behavior;
    default:
      return DROP_CASCADE;
  }
}

bool MayMatter(Node* statement) {
  switch (nodeTag(statement)) {
    case T_AlterTableStmt:
    case T_RenameStmt:
    case T_AlterObjectSchemaStmt:
    case T_ViewStmt:
    case T_CreateStmt:
    case T_CreateForeignTableStmt:
    case T_IndexStmt:
    case T_DropStmt:
    case T_DropOwnedStmt:
    case T_AlterEnumStmt:
    case T_CreateFunctionStmt:
    case T_AlterFunctionStmt:
    case T_CreateTrigStmt:
    case T_ReassignOwnedStmt:
      return true;
    default:
      return false;
  }
}

bool AltersFunctions(Node* statement) {
  switch (nodeTag(statement)) {
    case T_CreateFunctionStmt:
      return reinterpret_cast<CreateFunctionStmt*>(statement)->replace;
    case T_AlterFunctionStmt:
      return true;
    case T_RenameStmt: {
      const ObjectType type = reinterpret_cast<RenameStmt*>(statement)->renameType;
      return type == OBJECT_FUNCTION || type == OBJECT_ROUTINE || type == OBJECT_AGGREGATE;
    }
    case T_AlterObjectSchemaStmt: {
      const ObjectType type = reinterpret_cast<AlterObjectSchemaStmt*>(statement)->objectType;
      return type == OBJECT_FUNCTION || type == OBJECT_ROUTINE || type == OBJECT_AGGREGATE;
    }
    default:
      return false;
  }
}

void Next(PlannedStmt* planned, const char* source, bool read_only_tree, ProcessUtilityContext context, ParamListInfo parameters, QueryEnvironment* environment,
          DestReceiver* receiver, QueryCompletion* completion) {
  if (previous_utility != nullptr) {
    previous_utility(planned, source, read_only_tree, context, parameters, environment, receiver, completion);
  } else {
    standard_ProcessUtility(planned, source, read_only_tree, context, parameters, environment, receiver, completion);
  }
}

void OnUtility(PlannedStmt* planned, const char* source, bool read_only_tree, ProcessUtilityContext context, ParamListInfo parameters, QueryEnvironment* environment,
               DestReceiver* receiver, QueryCompletion* completion) {
  Node* statement = planned->utilityStmt;
  if (IsBinaryUpgrade || IsA(statement, TransactionStmt) || !IsTransactionState() || !OidIsValid(MyDatabaseId)) {
    Next(planned, source, read_only_tree, context, parameters, environment, receiver, completion);
    if (IsA(statement, TransactionStmt) && reinterpret_cast<TransactionStmt*>(statement)->kind == TRANS_STMT_COMMIT_PREPARED) {
      capture::NoteCommitPrepared();
    }
    return;
  }
  const Oid database = DatabaseWanted(statement);
  if (OidIsValid(database)) {
    bgw::HoldWorkerAway(database);
  }
  if (IsA(statement, AlterDatabaseStmt)) {
    bgw::LookAgainAtCommit();  // it may take connections now, or be no template any more
  }
  LockForDropExtension(statement);
  if (IsA(statement, CreateTableAsStmt) && CreateTviewAs(reinterpret_cast<CreateTableAsStmt*>(statement), completion)) {
    return;
  }
  const bool matters = MayMatter(statement) && pg::CatalogExists();
  Watched watched = {};
  if (matters) {
    watched = WatchBefore(statement);
    if (watched.nothing_to_do) {
      if (completion != nullptr) {
        SetQueryCompletion(completion, CreateCommandTag(statement), 0);
      }
      return;
    }
    altering_function = AltersFunctions(statement);
    if (IsCaptureTrigger(statement)) {
      planned = static_cast<PlannedStmt*>(copyObjectImpl(planned));
      reinterpret_cast<CreateTrigStmt*>(planned->utilityStmt)->replace = true;
    }
    // The server may scribble on the tree.
    statement = static_cast<Node*>(copyObjectImpl(statement));
  }
  const DropBehavior behavior = BehaviorOf(statement);
  Next(planned, source, read_only_tree, context, parameters, environment, receiver, completion);
  if (!IsTransactionState()) {
    return;
  }
  catalog::FinishDrops(behavior);
  if (matters && pg::CatalogExists()) {
    altering_function = false;
    // None is left after a command that began a transaction of its own (DETACH PARTITION ... CONCURRENTLY).
    const bool snapshot = !ActiveSnapshotSet();
    if (snapshot) {
      PushActiveSnapshot(GetTransactionSnapshot());
    }
    WatchAfter(statement, watched);
    if (snapshot) {
      PopActiveSnapshot();
    }
  }
}

// A session's advisory locks outlive the transaction: the owner of a TVIEW could leave some in the session of who refreshes it, or release
// that session's own.
void RefuseSessionLocks(Oid function) {
  if (function >= F_PG_ADVISORY_LOCK_INT8 && function <= F_PG_ADVISORY_UNLOCK_ALL && pg::IsForeignSession()) {
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("cannot use %s() in the session of another user who refreshes a TVIEW", get_func_name(function)),
                    errhint("pg_advisory_xact_lock() can be used.")));
  }
}

void OnAccess(ObjectAccessType access, Oid object_class, Oid object, int sub_id, void* argument) {
  if (previous_access != nullptr) {
    previous_access(access, object_class, object, sub_id, argument);
  }
  if (!IsTransactionState() || !OidIsValid(MyDatabaseId) || IsBootstrapProcessingMode()) {
    return;
  }
  if (access == OAT_FUNCTION_EXECUTE) {
    RefuseSessionLocks(object);
  } else if (access == OAT_DROP && sub_id != 0 && object_class == RelationRelationId) {
    NoteLostColumn(object);
  } else if (access == OAT_DROP && sub_id == 0) {
    if (object_class == RelationRelationId) {
      catalog::NoteDrop(object);
    } else if (object_class == ExtensionRelationId && object == pg::ExtensionOid()) {
      bgw::AnnounceAtCommit();
    }
  } else if ((access == OAT_POST_CREATE || access == OAT_POST_ALTER) && object_class == ProcedureRelationId && altering_function) {
    NoteFunction(object);
  }
}

void AtTransactionEvent(XactEvent event, void*) {
  if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE) {
    ForgetNoted();
    altering_function = false;
  }
}

}  // namespace

void InstallUtilityHook() {
  previous_utility = ProcessUtility_hook;
  ProcessUtility_hook = OnUtility;
  previous_access = object_access_hook;
  object_access_hook = OnAccess;
  catalog::InstallGraphCallback();
  RegisterXactCallback(AtTransactionEvent, nullptr);
}

}  // namespace tviews::sql
