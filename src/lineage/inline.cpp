// SQL functions that the planner would inline, written out: lineage sees the tables, functions and conditions inside.
#include "lineage/analysis.h"
#include "lineage/walker.h"

namespace tviews::lineage {

namespace {

struct Inlining {
  PlannerInfo* planner;
  bool is_written_out;  // below a call that was inlined: what is left there cannot be
  List* bodies;         // of Query*
  List* seen;           // OIDs of the functions whose bodies were taken
};

// Whether the server inlines functions like this one, as far as its declaration tells.
bool IsInlinable(Oid function, bool stable_only) {
  if (function < FirstNormalObjectId) {
    return false;
  }
  HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
  if (!HeapTupleIsValid(tuple)) {
    elog(ERROR, "cache lookup failed for function %u", function);
  }
  const Form_pg_proc proc = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
  const bool inlinable = proc->prolang == SQLlanguageId && proc->prokind == PROKIND_FUNCTION && !proc->prosecdef &&
                         heap_attisnull(tuple, Anum_pg_proc_proconfig, nullptr) &&
                         (proc->provolatile == PROVOLATILE_STABLE || (!stable_only && proc->provolatile == PROVOLATILE_IMMUTABLE));
  ReleaseSysCache(tuple);
  return inlinable;
}

struct BodyError {
  const char* function;
  const char* sql;
};

// Says where an error in a function's text is, instead of in the user's statement.
void ExplainError(void* context) {
  const BodyError* body = static_cast<BodyError*>(context);
  if (const int position = geterrposition(); position > 0) {
    errposition(0);
    internalerrposition(position);
    internalerrquery(body->sql);
  }
  errcontext("SQL function \"%s\"", body->function);
}

// The analysed statements of an SQL function, for the types of `call`.
List* BodyOf(Oid function, Node* call, Oid collation) {
  HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
  if (!HeapTupleIsValid(tuple)) {
    elog(ERROR, "cache lookup failed for function %u", function);
  }
  List* statements = NIL;
  bool is_null;
  const Datum parsed = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosqlbody, &is_null);
  if (!is_null) {
    Node* node = static_cast<Node*>(stringToNode(TextDatumGetCString(parsed)));
    statements = IsA(node, List) ? linitial_node(List, castNode(List, node)) : list_make1(node);
  } else {
    const Datum source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &is_null);
    char* sql = TextDatumGetCString(source);
    SQLFunctionParseInfoPtr info = prepare_sql_fn_parse_info(tuple, call, collation);
    BodyError body = {format_procedure(function), sql};
    ErrorContextCallback callback = {error_context_stack, ExplainError, &body};
    error_context_stack = &callback;
    List* raw = pg_parse_query(sql);
    ListCell* cell;
    foreach (cell, raw) {
      statements = lappend(statements, parse_analyze_withcb(lfirst_node(RawStmt, cell), sql, reinterpret_cast<ParserSetupHook>(sql_fn_parser_setup), info, nullptr));
    }
    error_context_stack = callback.previous;
  }
  ReleaseSysCache(tuple);
  return statements;
}

void TakeBody(Inlining* inlining, Oid function, Node* call, Oid collation);

bool TakeBodiesBelow(Node* node, Inlining* inlining) {
  if (node == nullptr) {
    return false;
  }
  if (IsA(node, FuncExpr)) {
    const FuncExpr* call = reinterpret_cast<FuncExpr*>(node);
    TakeBody(inlining, call->funcid, node, call->inputcollid);
  } else if (IsA(node, OpExpr)) {
    set_opfuncid(reinterpret_cast<OpExpr*>(node));
    TakeBody(inlining, reinterpret_cast<OpExpr*>(node)->opfuncid, node, reinterpret_cast<OpExpr*>(node)->inputcollid);
  }
  if (IsA(node, Query)) {
    return WalkQuery(reinterpret_cast<Query*>(node), TakeBodiesBelow, inlining, 0);
  }
  return WalkChildren(node, TakeBodiesBelow, inlining);
}

// Keeps the body of an inlined function, and those of the functions that it calls, for their dependencies.
void TakeBody(Inlining* inlining, Oid function, Node* call, Oid collation) {
  check_stack_depth();
  if (list_member_oid(inlining->seen, function) || !IsInlinable(function, false)) {
    return;
  }
  inlining->seen = lappend_oid(inlining->seen, function);
  List* body = BodyOf(function, call, collation);
  inlining->bodies = list_concat(inlining->bodies, body);
  TakeBodiesBelow(reinterpret_cast<Node*>(body), inlining);
}

Node* Inline(Node* node, Inlining* inlining);

// What the planner makes of a call, or null when it leaves it a call.
Node* InlineCall(Node* node, Inlining* inlining) {
  Oid function, collation;
  if (IsA(node, FuncExpr)) {
    const FuncExpr* call = reinterpret_cast<FuncExpr*>(node);
    function = call->funcretset ? InvalidOid : call->funcid;
    collation = call->inputcollid;
  } else {
    set_opfuncid(reinterpret_cast<OpExpr*>(node));
    function = reinterpret_cast<OpExpr*>(node)->opfuncid;
    collation = reinterpret_cast<OpExpr*>(node)->inputcollid;
  }
  if (inlining->is_written_out || !IsInlinable(function, IsA(node, OpExpr))) {
    return nullptr;
  }
  Node* written_out = eval_const_expressions(nullptr, node);
  if ((IsA(written_out, FuncExpr) && reinterpret_cast<FuncExpr*>(written_out)->funcid == function) ||
      (IsA(written_out, OpExpr) && reinterpret_cast<OpExpr*>(written_out)->opfuncid == function)) {
    return nullptr;
  }
  TakeBody(inlining, function, node, collation);
  return written_out;
}

void InlineEntry(RangeTblEntry* entry, Inlining* inlining) {
  if (entry->rtekind != RTE_FUNCTION || list_length(entry->functions) != 1) {
    return;
  }
  Node* call = linitial_node(RangeTblFunction, entry->functions)->funcexpr;
  if (!IsA(call, FuncExpr) || !IsInlinable(reinterpret_cast<FuncExpr*>(call)->funcid, false)) {
    return;
  }
  Query* query = inline_set_returning_function(inlining->planner, entry);
  if (query == nullptr) {
    return;
  }
  check_stack_depth();
  TakeBody(inlining, reinterpret_cast<FuncExpr*>(call)->funcid, call, reinterpret_cast<FuncExpr*>(call)->inputcollid);
  entry->rtekind = RTE_SUBQUERY;
  entry->subquery = reinterpret_cast<Query*>(Inline(reinterpret_cast<Node*>(query), inlining));
  entry->functions = NIL;
  entry->funcordinality = false;
}

Node* Inline(Node* node, Inlining* inlining) {
  if (node == nullptr) {
    return nullptr;
  }
  check_stack_depth();
  const bool saved = inlining->is_written_out;
  Node* result;
  if (IsA(node, Query)) {
    inlining->is_written_out = false;
    Query* query = MutateQuery(reinterpret_cast<Query*>(node), Inline, inlining);
    ListCell* cell;
    foreach (cell, query->rtable) {
      InlineEntry(lfirst_node(RangeTblEntry, cell), inlining);
    }
    result = reinterpret_cast<Node*>(query);
  } else {
    Node* written_out = IsA(node, FuncExpr) || IsA(node, OpExpr) ? InlineCall(node, inlining) : nullptr;
    inlining->is_written_out = saved || written_out != nullptr;
    result = MutateChildren(written_out != nullptr ? written_out : node, Inline, inlining);
  }
  inlining->is_written_out = saved;
  return result;
}

}  // namespace

Query* InlineFunctions(Query* query, List** bodies) {
  Inlining inlining = {};
  inlining.planner = makeNode(PlannerInfo);
  inlining.planner->glob = makeNode(PlannerGlobal);
  inlining.planner->parse = query;
  Query* written_out = reinterpret_cast<Query*>(Inline(reinterpret_cast<Node*>(query), &inlining));
  *bodies = list_concat(*bodies, inlining.bodies);
  return written_out;
}

}  // namespace tviews::lineage
