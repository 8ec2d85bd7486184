// Recursive CTEs: a change of a row leads to the rows before it, by the closure of the equality that links them, and on to the key.
#include "lineage/paths.h"

namespace tviews::lineage {

namespace {

// The entry of `query` by which a recursive CTE reads itself; 0 when it stands deeper.
int SelfReference(const Query* query) {
  int index = 0;
  ListCell* cell;
  foreach (cell, query->rtable) {
    ++index;
    if (lfirst_node(RangeTblEntry, cell)->rtekind == RTE_CTE && lfirst_node(RangeTblEntry, cell)->self_reference) {
      return index;
    }
  }
  return 0;
}

// The conditions that every row of `node` fulfils.
void CollectConditions(Node* node, List** conditions) {
  check_stack_depth();
  if (node == nullptr || IsA(node, RangeTblRef)) {
    return;
  }
  ListCell* cell;
  if (IsA(node, FromExpr)) {
    foreach (cell, castNode(FromExpr, node)->fromlist) {
      CollectConditions(static_cast<Node*>(lfirst(cell)), conditions);
    }
    CollectConditions(castNode(FromExpr, node)->quals, conditions);
  } else if (IsA(node, JoinExpr)) {
    const JoinExpr* join = castNode(JoinExpr, node);
    if (join->jointype == JOIN_INNER || join->jointype == JOIN_LEFT) {
      CollectConditions(join->larg, conditions);
    }
    if (join->jointype == JOIN_INNER || join->jointype == JOIN_RIGHT) {
      CollectConditions(join->rarg, conditions);
    }
    if (join->jointype == JOIN_INNER) {
      CollectConditions(join->quals, conditions);
    }
  } else if (IsA(node, BoolExpr) && reinterpret_cast<BoolExpr*>(node)->boolop == AND_EXPR) {
    foreach (cell, reinterpret_cast<BoolExpr*>(node)->args) {
      CollectConditions(static_cast<Node*>(lfirst(cell)), conditions);
    }
  } else {
    *conditions = lappend(*conditions, node);
  }
}

void CollectBranches(const Level* level, Node* node, List** branches) {
  check_stack_depth();
  if (IsA(node, SetOperationStmt)) {
    CollectBranches(level, castNode(SetOperationStmt, node)->larg, branches);
    CollectBranches(level, castNode(SetOperationStmt, node)->rarg, branches);
  } else {
    *branches = lappend(*branches, level->items[castNode(RangeTblRef, node)->rtindex].child);
  }
}

// Where output column `number` of each branch comes from, in `*targets` (of Target*); false when one is no plain value.
bool ResolveStarts(Analysis* analysis, const List* branches, AttrNumber number, List** targets) {
  const ListCell* cell;
  foreach (cell, branches) {
    Level* branch = static_cast<Level*>(lfirst(cell));
    const TargetEntry* entry = branch == nullptr ? nullptr : get_tle_by_resno(branch->query->targetList, number);
    const Node* expr = entry == nullptr ? nullptr : StripRelabel(reinterpret_cast<const Node*>(entry->expr));
    if (expr != nullptr && IsA(expr, Const) && reinterpret_cast<const Const*>(expr)->constisnull) {
      continue;  // nothing follows these rows
    }
    Target* target = expr == nullptr ? nullptr : ResolveExpression(analysis, branch, nullptr, expr, Resolve::kEnter);
    if (target == nullptr || analysis->values[target->value].columns == nullptr) {
      return false;
    }
    *targets = lappend(*targets, target);
  }
  return true;
}

int AddStart(Analysis* analysis, const Level* term, Oid type) {
  const int number = AddOccurrence(analysis, InvalidOid, term);
  analysis->occurrences[number].merged_type = type;
  analysis->occurrences[number].nullable = true;
  return number;
}

// The recursion's next value, column `next` of the CTE, where the level around reads it.
void AddOutside(Analysis* analysis, Recursion* recursion, const Level* cte, AttrNumber next) {
  Level* around = cte->from_parent;
  recursion->outside.columns = static_cast<KeyColumn*>(palloc0(sizeof(KeyColumn)));
  recursion->outside.within = around;
  const KeyColumn* link = recursion->key.columns;
  const TargetEntry* entry = get_tle_by_resno(cte->query->targetList, next);
  for (int index = 1; entry != nullptr && index <= list_length(around->query->rtable); ++index) {
    if (around->items[index].kind != ItemKind::kLevel || around->items[index].child != cte) {
      continue;
    }
    const Node* expr = reinterpret_cast<const Node*>(entry->expr);
    const Var* var = makeVar(index, next, exprType(expr), exprTypmod(expr), exprCollation(expr), 0);
    Target* value = ResolveVar(analysis, around, var, Resolve::kEnter);
    if (value != nullptr && !OidIsValid(analysis->occurrences[value->occurrence].relation) &&
        EqualityClassOf(analysis, ValueType(analysis, value->value, nullptr), var->varcollid) == EqualityClassOf(analysis, link->type, link->collation)) {
      recursion->outside.count = 1;
      *recursion->outside.columns = {link->name, link->type, link->collation, value, false};
    }
  }
}

// `link` = column `next` of the row before.
bool TryLink(Analysis* analysis, const Level* cte, Level* term, const List* branches, const Node* link, AttrNumber next, const char* name) {
  Target* links = ResolveExpression(analysis, term, nullptr, link, Resolve::kExit);
  const TargetEntry* entry = get_tle_by_resno(term->query->targetList, next);
  const Target* following = entry == nullptr ? nullptr : ResolveExpression(analysis, term, nullptr, reinterpret_cast<const Node*>(entry->expr), Resolve::kEnter);
  List* targets = NIL;
  if (links == nullptr || following == nullptr || !OidIsValid(analysis->occurrences[following->occurrence].relation) ||
      !IsBelow(analysis->occurrences[following->occurrence].level, term) || PlainColumn(analysis, following->value) <= 0 ||
      !ResolveStarts(analysis, branches, next, &targets)) {
    return false;
  }
  Oid collation;
  const Oid type = ValueType(analysis, links->value, &collation);
  if (!OidIsValid(get_array_type(type)) || EqualityClassOf(analysis, type, collation) == 0 ||
      EqualityClassOf(analysis, type, collation) != EqualityClassOf(analysis, ValueType(analysis, following->value, nullptr), collation)) {
    return false;
  }
  Recursion* recursion = static_cast<Recursion*>(palloc0(sizeof(Recursion)));
  recursion->term = term;
  recursion->key.count = 1;
  recursion->key.columns = static_cast<KeyColumn*>(palloc0(sizeof(KeyColumn)));
  recursion->key.within = term;
  *recursion->key.columns = {name, type, collation, links, false};
  recursion->next_occurrence = following->occurrence;
  recursion->next_column = PlainColumn(analysis, following->value);
  const Equality equality = OwnEquality(type, collation);
  ListCell* cell;
  foreach (cell, targets) {
    const int start = AddStart(analysis, term, type);
    const Target far = {start, ColumnValue(analysis, start, 1), nullptr, InvalidOid};
    AddEdge(analysis, &far, static_cast<const Target*>(lfirst(cell)), &equality, true, 0, 0);
    recursion->starts = lappend_int(recursion->starts, start);
  }
  AddOutside(analysis, recursion, cte, next);
  analysis->recursions = lappend(analysis->recursions, recursion);
  return true;
}

// The rows that a link leads back to: the link of each row whose next value is `w.v`.
const char* StepBack(Analysis* analysis, Recursion* recursion) {
  const Occurrence* occurrence = &analysis->occurrences[recursion->next_occurrence];
  Path path = {};
  if (!WordPath(analysis, recursion->next_occurrence, &recursion->solution, &recursion->key, &path)) {
    return nullptr;
  }
  const Oid type = recursion->key.columns->type, next_type = getBaseType(get_atttype(occurrence->relation, recursion->next_column));
  const Oid equal = FamilyEquality(OwnEquality(type, InvalidOid).family, next_type, type);
  if (!OidIsValid(equal)) {
    return nullptr;
  }
  const char** arrays = static_cast<const char**>(palloc(path.column_count * sizeof(char*)));
  const char* column = nullptr;
  for (int i = 0; i < path.column_count; ++i) {
    column = psprintf("b.%s", quote_identifier(get_attname(occurrence->relation, path.columns[i], false)));
    arrays[i] = psprintf("ARRAY[%s]", Captured(column, get_atttype(occurrence->relation, path.columns[i]), JsonPath(&path, i)));
  }
  const char* from = psprintf("w JOIN %s%s b ON b.%s %s w.v", occurrence->only ? "ONLY " : "", QualifiedName(occurrence->relation),
                              quote_identifier(get_attname(occurrence->relation, recursion->next_column, false)), OperatorName(equal));
  return path.kind == catalog::MappingKind::kKey ? psprintf("SELECT %s AS v FROM %s", column, from)
                                                 : psprintf("SELECT q.v FROM %s CROSS JOIN LATERAL (%s) q(v)", from, WithCaptured(&path, arrays));
}

// The links of all rows from which a row with one of the captured values follows, as w(v).
const char* Closure(Analysis* analysis, Recursion* recursion, const Path* first) {
  const char* back = StepBack(analysis, recursion);
  if (back == nullptr) {
    return nullptr;
  }
  const KeyColumn* column = recursion->key.columns;
  const char* type = format_type_be_qualified(column->type);
  const char* collate = OidIsValid(column->collation) ? psprintf(" COLLATE %s", CollationName(column->collation)) : "";
  const char* captured = first->kind == catalog::MappingKind::kKey ? "pg_catalog.unnest($1)" : psprintf("(%s)", first->query);
  return psprintf("WITH RECURSIVE w(v) AS (SELECT f.v::%s%s FROM %s f(v) UNION SELECT s.v::%s%s FROM (%s) s) ", type, collate, captured, type, collate, back);
}

}  // namespace

void EmitRecursion(Analysis* analysis, Level* level) {
  const SetOperationStmt* operation = castNode(SetOperationStmt, level->query->setOperations);
  Level* term = IsA(operation->rarg, RangeTblRef) ? level->items[castNode(RangeTblRef, operation->rarg)->rtindex].child : nullptr;
  const int self = term == nullptr ? 0 : SelfReference(term->query);
  if (self == 0) {
    return;
  }
  List *branches = NIL, *conditions = NIL;
  CollectBranches(level, operation->larg, &branches);
  CollectConditions(reinterpret_cast<Node*>(term->query->jointree), &conditions);
  ListCell* cell;
  foreach (cell, conditions) {
    Equality equality;
    if (!IsA(lfirst(cell), OpExpr) || !DescribeEquality(lfirst_node(OpExpr, cell), &equality)) {
      continue;
    }
    const List* args = lfirst_node(OpExpr, cell)->args;
    for (int side = 0; side < 2; ++side) {
      const Node* own = StripRelabel(static_cast<const Node*>(list_nth(args, side)));
      if (IsA(own, Var) && reinterpret_cast<const Var*>(own)->varlevelsup == 0 && reinterpret_cast<const Var*>(own)->varno == self &&
          TryLink(analysis, level, term, branches, static_cast<const Node*>(list_nth(args, 1 - side)), reinterpret_cast<const Var*>(own)->varattno, level->cte->ctename)) {
        return;
      }
    }
  }
}

void SolveRecursions(Analysis* analysis) {
  ListCell* cell;
  foreach (cell, analysis->recursions) {
    Recursion* recursion = static_cast<Recursion*>(lfirst(cell));
    recursion->solution = Solve(analysis, &recursion->key);
    recursion->outside_solution = Solve(analysis, &recursion->outside);
  }
}

bool WordRecursionPaths(Analysis* analysis, int occurrence, bool outside, Solution* to_key, const Key* key, List** paths) {
  ListCell* cell;
  foreach (cell, analysis->recursions) {
    Recursion* recursion = static_cast<Recursion*>(lfirst(cell));
    Path first = {};
    first.relation = analysis->occurrences[occurrence].relation;
    const Key* at = outside ? &recursion->outside : &recursion->key;
    if (at->count == 0 || !IsBelow(analysis->occurrences[occurrence].level, at->within) ||
        !WordPath(analysis, occurrence, outside ? &recursion->outside_solution : &recursion->solution, at, &first)) {
      continue;
    }
    const char* closure = Closure(analysis, recursion, &first);
    List* found = NIL;
    ListCell* start;
    foreach (start, recursion->starts) {
      Path rest = {};
      if (closure == nullptr || !WordWay(analysis, lfirst_int(start), to_key, key, &rest)) {
        break;
      }
      Path* path = static_cast<Path*>(palloc(sizeof(Path)));
      *path = first;
      path->kind = catalog::MappingKind::kMapped;
      path->query = psprintf("%s%s", closure, ContinueFrom("SELECT DISTINCT w.v FROM w", &rest));
      found = lappend(found, path);
    }
    if (found != NIL && list_length(found) == list_length(recursion->starts)) {
      *paths = list_concat(*paths, found);
      return true;
    }
  }
  return false;
}

}  // namespace tviews::lineage
