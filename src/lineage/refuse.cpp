// What no TVIEW can keep fresh: relations and functions whose result changes without a captured change.
#include "lineage/analysis.h"
#include "pg/extension.h"

namespace tviews::lineage {

namespace {

[[noreturn]] void RefuseRelation(Oid relation, const char* what, const char* hint) {
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW cannot read %s %s", what, QualifiedName(relation)), errhint("%s", hint)));
}

void CheckMembers(Oid root) {
  List* members = find_all_inheritors(root, AccessShareLock, nullptr);
  ListCell* cell;
  foreach (cell, members) {
    const Oid member = lfirst_oid(cell);
    if (get_rel_relkind(member) == RELKIND_FOREIGN_TABLE) {
      RefuseRelation(member, "foreign table", "Changes on the remote side cannot be captured. Replicate the table here, or read it at query time from a view over the TVIEW.");
    }
    if (get_rel_persistence(member) == RELPERSISTENCE_TEMP) {
      RefuseRelation(member, "temporary table", "Use an ordinary table.");
    }
  }
}

// Stable functions of the server whose result depends on the clock, the session, privileges or the catalogs.
const char* SessionDependence(const char* name, int arguments) {
  static const char* const clock[] = {"now", "transaction_timestamp", "statement_timestamp", "clock_timestamp", "timeofday"};
  for (const char* candidate : clock) {
    if (strcmp(name, candidate) == 0) {
      return "the clock";
    }
  }
  if (strcmp(name, "age") == 0 && arguments == 1) {
    return "the clock";
  }
  static const char* const session[] = {"current_setting", "current_user", "session_user", "getpgusername", "current_schema", "current_schemas",
                                        "row_security_active", "inet_client_addr", "inet_client_port", "inet_server_addr", "inet_server_port"};
  for (const char* candidate : session) {
    if (strcmp(name, candidate) == 0) {
      return "the session";
    }
  }
  static const char* const state[] = {"obj_description", "shobj_description", "col_description", "format_type", "table_to_xml", "query_to_xml",
                                      "cursor_to_xml", "schema_to_xml", "database_to_xml", "lo_get", "loread", "currtid2", "lastval", "currval"};
  for (const char* candidate : state) {
    if (strcmp(name, candidate) == 0) {
      return "data that is not captured";
    }
  }
  static const char* const prefixes[] = {"pg_", "has_", "txid_", "to_reg", "reg", "query_to_xml", "table_to_xml", "cursor_to_xml", "schema_to_xml", "database_to_xml"};
  for (const char* prefix : prefixes) {
    if (strncmp(name, prefix, strlen(prefix)) == 0 && strcmp(name, "pg_typeof") != 0 && strncmp(name, "regexp", 6) != 0) {
      return "the server's state";
    }
  }
  return nullptr;
}

void CheckOneFunction(Oid function, bool in_aggregate) {
  if (!OidIsValid(function)) {
    return;
  }
  HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
  if (!HeapTupleIsValid(tuple)) {
    elog(ERROR, "cache lookup failed for function %u", function);
  }
  const Form_pg_proc proc = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
  const char volatility = proc->provolatile;
  const char kind = proc->prokind;
  const int arguments = proc->pronargs;
  const char* name = pstrdup(NameStr(proc->proname));
  ReleaseSysCache(tuple);
  if (volatility == PROVOLATILE_VOLATILE) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW cannot call the volatile function %s", format_procedure(function)),
                    errdetail("Its result may change without a change of the data."),
                    errhint("Store the value in a column of a base table, or add it in a view over the TVIEW.")));
  }
  if (volatility == PROVOLATILE_STABLE && function < FirstNormalObjectId) {
    const char* dependence = SessionDependence(name, arguments);
    if (dependence != nullptr) {
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW cannot call %s", format_procedure(function)),
                      errdetail("Its result depends on %s.", dependence),
                      errhint("Store the value in a column of a base table, or compute it in a view over the TVIEW.")));
    }
  }
  if (volatility == PROVOLATILE_STABLE && function >= FirstNormalObjectId) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW cannot call function %s, which is not IMMUTABLE", format_procedure(function)),
                    errdetail("It may read tables whose changes would not be noticed."),
                    errhint("If the result depends on the arguments only, declare the function IMMUTABLE; else make it a LANGUAGE sql function that the "
                            "planner can inline, or write its query into the view.")));
  }
  if (kind == PROKIND_AGGREGATE && !in_aggregate && function >= FirstNormalObjectId) {
    HeapTuple aggregate_tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(function));
    if (HeapTupleIsValid(aggregate_tuple)) {
      const Form_pg_aggregate aggregate = reinterpret_cast<Form_pg_aggregate>(GETSTRUCT(aggregate_tuple));
      const Oid parts[] = {aggregate->aggtransfn, aggregate->aggfinalfn,    aggregate->aggcombinefn, aggregate->aggserialfn,
                           aggregate->aggdeserialfn, aggregate->aggmtransfn, aggregate->aggminvtransfn, aggregate->aggmfinalfn};
      ReleaseSysCache(aggregate_tuple);
      for (const Oid part : parts) {
        CheckOneFunction(part, true);
      }
    }
  }
}

bool FunctionChecker(Oid function, void* context) {
  CheckOneFunction(function, false);
  return false;
}

bool IsUserSetFunction(Node* node) {
  if (node == nullptr || !IsA(node, FuncExpr)) {
    return false;
  }
  const FuncExpr* call = reinterpret_cast<FuncExpr*>(node);
  return call->funcretset && call->funcid >= FirstNormalObjectId && func_volatile(call->funcid) != PROVOLATILE_IMMUTABLE;
}

}  // namespace

const char* QualifiedName(Oid relation) {
  const char* name = get_rel_name(relation);
  if (name == nullptr) {
    elog(ERROR, "cache lookup failed for relation %u", relation);
  }
  return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), name);
}

void CheckRelation(const RangeTblEntry* entry) {
  const Oid relation = entry->relid;
  if (entry->tablesample != nullptr) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW cannot use TABLESAMPLE (on %s)", QualifiedName(relation)),
                    errhint("Choose rows by a condition on their columns.")));
  }
  if (relation < FirstNormalObjectId) {
    RefuseRelation(relation, "system catalog", "Changes of system catalogs cannot be captured.");
  }
  LockRelationOid(relation, AccessShareLock);
  const char kind = get_rel_relkind(relation);
  if (kind == '\0') {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u was dropped meanwhile", relation)));
  }
  if (get_rel_persistence(relation) == RELPERSISTENCE_TEMP) {
    RefuseRelation(relation, kind == RELKIND_VIEW ? "temporary view" : "temporary table", "Use an ordinary one.");
  }
  switch (kind) {
    case RELKIND_VIEW:
      return;
    case RELKIND_RELATION:
    case RELKIND_PARTITIONED_TABLE: {
      const Oid extension = pg::ExtensionOid();
      if (OidIsValid(extension) && getExtensionOfObject(RelationRelationId, relation) == extension) {
        RefuseRelation(relation, "table of pg_tviews itself", "Read the monitoring views at query time.");
      }
      if (entry->inh) {
        CheckMembers(relation);
      }
      return;
    }
    case RELKIND_MATVIEW:
      RefuseRelation(relation, "materialized view", "REFRESH MATERIALIZED VIEW is not captured. Make it a TVIEW, or use its query as a plain view.");
    case RELKIND_FOREIGN_TABLE:
      RefuseRelation(relation, "foreign table", "Changes on the remote side cannot be captured. Replicate the table here, or read it at query time from a view over the TVIEW.");
    default:
      RefuseRelation(relation, "relation", "Only tables and views can be read.");
  }
}

void CheckQuery(const Query* query) {
  if (query->commandType != CMD_SELECT || query->hasModifyingCTE || query->utilityStmt != nullptr) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("the query of a TVIEW must not change data"), errhint("Use a SELECT.")));
  }
  if (query->rowMarks != NIL || query->hasForUpdate) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("the query of a TVIEW must not lock rows"), errhint("Remove FOR UPDATE or FOR SHARE.")));
  }
  ListCell* cell;
  foreach (cell, query->rtable) {
    const RangeTblEntry* entry = lfirst_node(RangeTblEntry, cell);
    if (entry->rtekind != RTE_FUNCTION) {
      continue;
    }
    ListCell* function;
    foreach (function, entry->functions) {
      Node* call = lfirst_node(RangeTblFunction, function)->funcexpr;
      if (IsUserSetFunction(call)) {
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("a TVIEW cannot read from the set-returning function %s", format_procedure(reinterpret_cast<FuncExpr*>(call)->funcid)),
                        errhint("Make it a STABLE LANGUAGE sql function of one SELECT, which the planner can inline, or write its query into the view.")));
      }
    }
  }
}

void CheckExpressionNode(Node* node) {
  if (IsA(node, SQLValueFunction)) {
    static const char* const names[] = {"CURRENT_DATE",      "CURRENT_TIME", "CURRENT_TIME",    "CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP", "LOCALTIME",      "LOCALTIME",
                                        "LOCALTIMESTAMP",    "LOCALTIMESTAMP", "CURRENT_ROLE", "CURRENT_USER",    "USER",              "SESSION_USER",      "CURRENT_CATALOG", "CURRENT_SCHEMA"};
    const SQLValueFunctionOp op = reinterpret_cast<SQLValueFunction*>(node)->op;
    if (op != SVFOP_CURRENT_CATALOG) {
      const bool clock = op <= SVFOP_LOCALTIMESTAMP_N;
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW cannot use %s", names[op]),
                      errdetail("Its value changes with %s, not with the data.", clock ? "the clock" : "the session"),
                      errhint("Compare in a query on the TVIEW, or in a view over it.")));
    }
  } else if (IsA(node, Var)) {
    if (reinterpret_cast<Var*>(node)->varattno < 0) {
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                      errmsg("a TVIEW cannot use the system column \"%s\"", NameStr(SystemAttributeDefinition(reinterpret_cast<Var*>(node)->varattno)->attname)),
                      errhint("Use the table's own columns.")));
    }
  } else if (IsA(node, NextValueExpr)) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW cannot draw from a sequence"), errhint("Store the number in a base table.")));
  } else if (IsA(node, Query)) {
    return;
  }
  check_functions_in_node(node, FunctionChecker, nullptr);
}

}  // namespace tviews::lineage
