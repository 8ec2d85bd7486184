// A view whose window or DISTINCT ON looks across its rows, narrowed to the groups of the keys asked for: the planner cannot push
// a condition on the key below either, and would compute every group for one key.
#include "lineage/paths.h"
#include "pg/query_tree.h"

namespace tviews::lineage {

namespace {

// A level whose rows are narrowed: the outermost one on the key's way out that looks across its rows.  What is above it lets a
// condition on the key through, so the rows of other groups do not matter there.
struct Barrier {
  const RangeTblEntry* entry;  // of the relation that the key and the groups come from
  AttrNumber key;
  List* groups;  // of Var*
};

struct Narrowing {
  Oid* types;  // of $1 .. $n
  int count;
  int parameter;  // the one at hand
  bool any;       // a condition was added
};

const Var* PlainVar(const Query* query, const Node* expr) {
  check_stack_depth();
  expr = StripRelabel(expr);
  if (expr == nullptr || !IsA(expr, Var) || reinterpret_cast<const Var*>(expr)->varlevelsup > 0 || reinterpret_cast<const Var*>(expr)->varattno <= 0) {
    return nullptr;
  }
  const Var* var = reinterpret_cast<const Var*>(expr);
  const RangeTblEntry* entry = rt_fetch(var->varno, query->rtable);
  return entry->rtekind == RTE_JOIN ? PlainVar(query, static_cast<const Node*>(list_nth(entry->joinaliasvars, var->varattno - 1))) : var;
}

// The clauses each of which cuts the level's rows into groups.
List* GroupingClauses(const Query* query) {
  List* clauses = query->hasDistinctOn ? list_make1(query->distinctClause) : NIL;
  ListCell* cell;
  foreach (cell, query->hasWindowFuncs ? query->windowClause : NIL) {
    clauses = lappend(clauses, lfirst_node(WindowClause, cell)->partitionClause);
  }
  return clauses;
}

bool IsInAll(const TargetEntry* entry, const List* clauses) {
  const ListCell* cell;
  foreach (cell, clauses) {
    if (!IsIn(entry, static_cast<List*>(lfirst(cell)))) {
      return false;
    }
  }
  return true;
}

// Fills `barrier` when the level's groups are cut by columns of the relation that its key column belongs to.
bool IsNarrowable(const Query* query, const Var* key, const List* clauses, Barrier* barrier) {
  const RangeTblEntry* entry = rt_fetch(key->varno, query->rtable);
  if (entry->rtekind != RTE_RELATION || entry->relkind == RELKIND_VIEW || query->groupClause != NIL || query->hasAggs) {
    return false;
  }
  *barrier = {entry, key->varattno, NIL};
  ListCell* cell;
  foreach (cell, query->targetList) {
    const TargetEntry* column = lfirst_node(TargetEntry, cell);
    const Var* var = IsInAll(column, clauses) ? PlainVar(query, reinterpret_cast<const Node*>(column->expr)) : nullptr;
    if (var != nullptr && var->varno == key->varno) {
      barrier->groups = lappend(barrier->groups, const_cast<Var*>(var));
    }
  }
  return barrier->groups != NIL;
}

// An expression of SQL with $1 .. $n of these types, analysed.
Node* Analysed(const char* expression, const Narrowing* narrowing) {
  const char* text = psprintf("SELECT %s", expression);
  List* raw = pg_parse_query(text);
  Query* query = parse_analyze_fixedparams(linitial_node(RawStmt, raw), text, narrowing->types, narrowing->count, nullptr);
  return reinterpret_cast<Node*>(linitial_node(TargetEntry, query->targetList)->expr);
}

Node* IsAny(const Var* var, Oid equality, Node* array) {
  ScalarArrayOpExpr* any = makeNode(ScalarArrayOpExpr);
  any->opno = equality;
  any->opfuncid = get_opcode(equality);
  any->useOr = true;
  any->inputcollid = var->varcollid;
  any->args = list_make2(copyObjectImpl(var), array);
  return reinterpret_cast<Node*>(any);
}

// The default equality of a column and the key at hand; invalid when none compares the two.
Oid EqualityWithKey(Oid type, const Narrowing* narrowing) {
  return FamilyEquality(OwnEquality(type, InvalidOid).family, getBaseType(type), get_element_type(narrowing->types[narrowing->parameter - 1]));
}

// "the group's column is one of those that the keys' rows have", NULL being a group, too.  Null when its equality is not to be had.
Node* GroupCondition(const Barrier* barrier, const Var* group, const Narrowing* narrowing) {
  const Equality equality = OwnEquality(group->vartype, group->varcollid);
  const Oid relation = barrier->entry->relid;
  const Oid key_equality = EqualityWithKey(get_atttype(relation, barrier->key), narrowing);
  if (!OidIsValid(equality.op) || !OidIsValid(key_equality) || !OidIsValid(get_array_type(group->vartype)) || getBaseType(group->vartype) != group->vartype) {
    return nullptr;
  }
  const char* column = quote_identifier(get_attname(relation, group->varattno, false));
  const char* rows = psprintf("FROM %s%s h WHERE h.%s %s ANY ($%d)", barrier->entry->inh ? "" : "ONLY ", QualifiedName(relation),
                              quote_identifier(get_attname(relation, barrier->key, false)), OperatorName(key_equality), narrowing->parameter);
  Node* values = Analysed(psprintf("ARRAY(SELECT DISTINCT h.%s %s)", column, rows), narrowing);
  Node* any = IsAny(group, equality.op, values);
  if (pg::IsColumnNotNull(relation, group->varattno)) {
    return any;
  }
  NullTest* test = makeNode(NullTest);
  test->arg = static_cast<Expr*>(copyObjectImpl(group));
  test->nulltesttype = IS_NULL;
  Node* exists = Analysed(psprintf("EXISTS (SELECT %s AND h.%s IS NULL)", rows, column), narrowing);
  return reinterpret_cast<Node*>(make_orclause(list_make2(any, make_andclause(list_make2(test, exists)))));
}

// "the column is one of the keys"; null when no default equality compares the two.
Node* KeyCondition(const Var* column, const Narrowing* narrowing) {
  const Oid equality = EqualityWithKey(column->vartype, narrowing);
  if (!OidIsValid(equality) || getBaseType(column->vartype) != column->vartype) {
    return nullptr;
  }
  return IsAny(column, equality, Analysed(psprintf("$%d", narrowing->parameter), narrowing));
}

void Add(Query* query, Node* condition, Narrowing* narrowing) {
  if (condition != nullptr) {
    query->jointree->quals = make_and_qual(query->jointree->quals, condition);
    query->hasSubLinks = query->hasSubLinks || checkExprHasSubLink(condition);
    narrowing->any = true;
  }
}

bool IsBelow(int entry, const Node* join) {
  check_stack_depth();
  if (IsA(join, RangeTblRef)) {
    return reinterpret_cast<const RangeTblRef*>(join)->rtindex == entry;
  }
  return IsBelow(entry, reinterpret_cast<const JoinExpr*>(join)->larg) || IsBelow(entry, reinterpret_cast<const JoinExpr*>(join)->rarg);
}

// Whether a condition in the ON of `join` (null: in WHERE) compares the two in every row that has both: that of an outer join lets rows of
// one side alone pass whatever it says of them.
bool Compares(const JoinExpr* join, const Var* left, const Var* right) {
  return join == nullptr || join->jointype == JOIN_INNER || IsBelow(left->varno, join->larg) != IsBelow(right->varno, join->larg);
}

// Adds to `equals` the columns that a condition, in the ON of `join`, makes equal to one of them.
void CollectEquals(const Query* query, const JoinExpr* join, const Node* node, List** equals) {
  check_stack_depth();
  ListCell* cell;
  if (node == nullptr) {
    return;
  }
  if (IsA(node, FromExpr)) {
    foreach (cell, reinterpret_cast<const FromExpr*>(node)->fromlist) {
      CollectEquals(query, join, static_cast<const Node*>(lfirst(cell)), equals);
    }
    CollectEquals(query, nullptr, reinterpret_cast<const FromExpr*>(node)->quals, equals);
  } else if (IsA(node, JoinExpr)) {
    join = reinterpret_cast<const JoinExpr*>(node);
    CollectEquals(query, nullptr, join->larg, equals);
    CollectEquals(query, nullptr, join->rarg, equals);
    CollectEquals(query, join, join->quals, equals);
  } else if (IsA(node, BoolExpr) && reinterpret_cast<const BoolExpr*>(node)->boolop == AND_EXPR) {
    foreach (cell, reinterpret_cast<const BoolExpr*>(node)->args) {
      CollectEquals(query, join, static_cast<const Node*>(lfirst(cell)), equals);
    }
  } else if (Equality equality; IsA(node, OpExpr) && DescribeEquality(reinterpret_cast<const OpExpr*>(node), &equality) &&
             (!OidIsValid(equality.collation) || get_collation_isdeterministic(equality.collation))) {
    // Values that a nondeterministic equality calls equal are not found by each other's own.
    const List* args = reinterpret_cast<const OpExpr*>(node)->args;
    const Var* left = PlainVar(query, static_cast<const Node*>(linitial(args)));
    const Var* right = PlainVar(query, static_cast<const Node*>(lsecond(args)));
    if (left != nullptr && right != nullptr && Compares(join, left, right) && list_member(*equals, left) != list_member(*equals, right)) {
      *equals = lappend(*equals, const_cast<Var*>(list_member(*equals, left) ? right : left));
    }
  }
}

void NarrowOutput(Query* query, AttrNumber number, bool is_top, Narrowing* narrowing);

// Narrows the sub-selects of FROM that bring the key, or are joined to it: in a row with a key, each has that key or is missing.
void NarrowFrom(const Query* query, const Var* key, Narrowing* narrowing) {
  List* equals = list_make1(const_cast<Var*>(key));
  for (int before = 0; before < list_length(equals);) {
    before = list_length(equals);
    CollectEquals(query, nullptr, reinterpret_cast<const Node*>(query->jointree), &equals);
  }
  ListCell* cell;
  foreach (cell, equals) {
    const Var* var = lfirst_node(Var, cell);
    const RangeTblEntry* entry = rt_fetch(var->varno, query->rtable);
    if (entry->rtekind == RTE_SUBQUERY && !OidIsValid(entry->relid)) {
      NarrowOutput(entry->subquery, var->varattno, false, narrowing);
    }
  }
}

// Narrows `query` to the rows whose output column `number` is one of the keys.
void NarrowOutput(Query* query, AttrNumber number, bool is_top, Narrowing* narrowing) {
  check_stack_depth();
  const TargetEntry* column = get_tle_by_resno(query->targetList, number);
  if (query->setOperations != nullptr || query->groupingSets != NIL || query->limitCount != nullptr || query->limitOffset != nullptr || column == nullptr) {
    return;
  }
  const Var* key = PlainVar(query, reinterpret_cast<const Node*>(column->expr));
  if (key == nullptr) {
    return;
  }
  const List* clauses = GroupingClauses(query);
  if (!IsInAll(column, clauses)) {
    Barrier barrier;
    ListCell* cell;
    foreach (cell, IsNarrowable(query, key, clauses, &barrier) ? barrier.groups : NIL) {
      Add(query, GroupCondition(&barrier, lfirst_node(Var, cell), narrowing), narrowing);
    }
    return;
  }
  const bool is_grouped = clauses != NIL || query->groupClause != NIL || query->distinctClause != NIL;
  if (is_grouped && !is_top) {
    Add(query, KeyCondition(key, narrowing), narrowing);
  }
  NarrowFrom(query, key, narrowing);
}

const char* Worded(Query* query) {
  // Columns of a single entry are worded without its name, and DISTINCT ON then takes an output column of the same name.
  RangeTblEntry* second = makeNode(RangeTblEntry);
  second->rtekind = RTE_RESULT;
  second->eref = makeAlias("*RESULT*", NIL);
  query->rtable = lappend(query->rtable, second);
  const int level = NewGUCNestLevel();
  // So that what is not the server's own is worded with its schema.
  (void)set_config_option("search_path", "pg_catalog", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
  const char* text = pg_get_querydef(query, false);
  AtEOXact_GUC(true, level);
  return text;
}

}  // namespace

const char* NarrowedQuery(Query* query, const Request& request) {
  Narrowing narrowing = {static_cast<Oid*>(palloc(request.key_count * sizeof(Oid))), request.key_count, 0, false};
  for (int i = 0; i < request.key_count; ++i) {
    narrowing.types[i] = get_array_type(getBaseType(get_atttype(request.view, request.key_columns[i])));
    if (!OidIsValid(narrowing.types[i])) {
      return nullptr;
    }
  }
  for (narrowing.parameter = 1; narrowing.parameter <= request.key_count; ++narrowing.parameter) {
    NarrowOutput(query, request.key_columns[narrowing.parameter - 1], true, &narrowing);
  }
  return narrowing.any ? Worded(query) : nullptr;
}

}  // namespace tviews::lineage
