// Functions and clauses that no TVIEW can keep fresh: their result changes without a captured change.
#include "lineage/analysis.h"

namespace tviews::lineage {

namespace {

bool IsOneOf(const char* name, const char* const* names, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (strcmp(name, names[i]) == 0) {
      return true;
    }
  }
  return false;
}

// The clock, for functions of the server.
bool ReadsClock(Oid function, const char* name) {
  static const char* const clock[] = {"now", "transaction_timestamp", "statement_timestamp"};
  // The last two need today's offset of the time zone.
  return IsOneOf(name, clock, lengthof(clock)) || function == F_AGE_TIMESTAMP || function == F_AGE_TIMESTAMPTZ || function == F_TIMETZ_TIME || function == F_TIMEZONE_TEXT_TIMETZ;
}

// What the result of a stable function of the server depends on besides its arguments; null when that is pinned or nothing.
const char* SessionDependence(Oid function, const char* name) {
  static const char* const session[] = {"current_setting", "current_user", "session_user", "system_user", "getpgusername", "current_schema", "current_schemas",
                                        "row_security_active", "inet_client_addr", "inet_client_port", "inet_server_addr", "inet_server_port"};
  if (IsOneOf(name, session, lengthof(session))) {
    return "the session";
  }
  static const char* const state[] = {"obj_description", "shobj_description", "col_description", "format_type", "lo_get"};
  if (IsOneOf(name, state, lengthof(state))) {
    return "data that is not captured";
  }
  static const char* const server[] = {"version", "mxid_age", "oidvectortypes"};
  static const char* const prefixes[] = {"pg_", "has_", "txid_", "to_reg", "reg", "table_to_xml", "schema_to_xml", "database_to_xml"};
  bool found = IsOneOf(name, server, lengthof(server)) || function == F_AGE_XID;
  for (size_t i = 0; i < lengthof(prefixes) && !found; ++i) {
    found = strncmp(name, prefixes[i], strlen(prefixes[i])) == 0 && strcmp(name, "pg_typeof") != 0 && strncmp(name, "regexp", 6) != 0;
  }
  return found ? "the server's state" : nullptr;
}

// What to do instead of calling a volatile function.
const char* VolatileHint(Oid function, const char* name) {
  static const char* const clock[] = {"clock_timestamp", "timeofday"};
  static const char* const sequences[] = {"nextval", "currval", "lastval", "setval"};
  if (function < FirstNormalObjectId && IsOneOf(name, clock, lengthof(clock))) {
    return "Use now() and create the TVIEW with the option refresh_every.";
  }
  if (function < FirstNormalObjectId && IsOneOf(name, sequences, lengthof(sequences))) {
    return "Store the number in a column of a base table.";
  }
  if (function >= FirstNormalObjectId) {
    return "If the result depends on the arguments only, declare the function IMMUTABLE; else store the value in a column of a base table, or add it in a view over the TVIEW.";
  }
  return "Store the value in a column of a base table, or add it in a view over the TVIEW.";
}

constexpr const char* kClockHint =
    "Create the TVIEW by pg_tviews_create() with the option refresh_every, an interval, to have it refreshed on a timer; or compare in a query on the TVIEW.";

void MeetClock(Analysis* analysis, const char* what) {
  if (!analysis->clock_allowed) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW without a timer cannot use %s", what),
                    errdetail("Its value changes with the clock, not with the data."), errhint("%s", kClockHint)));
  }
  analysis->reads_clock = true;
}

void CheckOneFunction(Analysis* analysis, Oid function, bool in_aggregate) {
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
  const char* name = pstrdup(NameStr(proc->proname));
  ReleaseSysCache(tuple);
  if (volatility == PROVOLATILE_VOLATILE) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW cannot call the volatile function %s", format_procedure(function)),
                    errdetail("Its result may change without a change of the data."), errhint("%s", VolatileHint(function, name))));
  }
  if (volatility == PROVOLATILE_STABLE && function < FirstNormalObjectId) {
    if (ReadsClock(function, name)) {
      MeetClock(analysis, format_procedure(function));
    }
    const char* dependence = SessionDependence(function, name);
    if (dependence != nullptr) {
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW cannot call %s", format_procedure(function)),
                      errdetail("Its result depends on %s.", dependence),
                      errhint("Store the value in a column of a base table, or compute it in a view over the TVIEW.")));
    }
  }
  if (volatility == PROVOLATILE_STABLE && function >= FirstNormalObjectId) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW cannot call function %s, which is not IMMUTABLE", format_procedure(function)),
                    errdetail("It may read tables whose changes would not be noticed."),
                    errhint("If the result depends on the arguments only, declare the function IMMUTABLE; else write its query into the view, or "
                            "make it a function that the planner inlines: LANGUAGE sql, STABLE, one SELECT, returning rows and used in FROM.")));
  }
  if (kind == PROKIND_AGGREGATE && !in_aggregate && function >= FirstNormalObjectId) {
    HeapTuple aggregate_tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(function));
    if (HeapTupleIsValid(aggregate_tuple)) {
      const Form_pg_aggregate aggregate = reinterpret_cast<Form_pg_aggregate>(GETSTRUCT(aggregate_tuple));
      const Oid parts[] = {aggregate->aggtransfn, aggregate->aggfinalfn,    aggregate->aggcombinefn, aggregate->aggserialfn,
                           aggregate->aggdeserialfn, aggregate->aggmtransfn, aggregate->aggminvtransfn, aggregate->aggmfinalfn};
      ReleaseSysCache(aggregate_tuple);
      for (const Oid part : parts) {
        CheckOneFunction(analysis, part, true);
      }
    }
  }
}

bool FunctionChecker(Oid function, void* context) {
  CheckOneFunction(static_cast<Analysis*>(context), function, false);
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

void CheckExpressionNode(Analysis* analysis, Node* node) {
  if (IsA(node, SQLValueFunction)) {
    static const char* const names[] = {"CURRENT_DATE",      "CURRENT_TIME", "CURRENT_TIME",    "CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP", "LOCALTIME",      "LOCALTIME",
                                        "LOCALTIMESTAMP",    "LOCALTIMESTAMP", "CURRENT_ROLE", "CURRENT_USER",    "USER",              "SESSION_USER",      "CURRENT_CATALOG", "CURRENT_SCHEMA"};
    const SQLValueFunctionOp op = reinterpret_cast<SQLValueFunction*>(node)->op;
    if (op <= SVFOP_LOCALTIMESTAMP_N) {
      MeetClock(analysis, names[op]);
    } else if (op != SVFOP_CURRENT_CATALOG) {
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW cannot use %s", names[op]),
                      errdetail("Its value changes with the session, not with the data."),
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
  check_functions_in_node(node, FunctionChecker, analysis);
}

}  // namespace tviews::lineage
