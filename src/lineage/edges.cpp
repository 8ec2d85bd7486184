// From the conditions of one level to edges; its expressions' columns, functions and sub-selects.
#include "lineage/analysis.h"
#include "lineage/walker.h"

namespace tviews::lineage {

namespace {

struct Walk {
  Analysis* analysis;
  Level* level;
};

bool IsWithin(int position, int from, int to) { return position >= from && position < to; }

// Whether an equality of ON leads from `far` to `near`, and which occurrences the rest of the path must not enter.
bool JoinAllows(const Join* join, int far, int near, int* barred_from, int* barred_to) {
  *barred_from = *barred_to = 0;
  if (join == nullptr) {
    return true;
  }
  const bool far_left = IsWithin(far, join->left_from, join->right_from);
  const bool far_right = IsWithin(far, join->right_from, join->right_to);
  switch (join->expr->jointype) {
    case JOIN_INNER:
      return true;
    case JOIN_LEFT:
      return far_right;
    case JOIN_RIGHT:
      return far_left;
    case JOIN_FULL:
      // A row without a match stays, without the other side: what it gives must not be looked for through the other side.
      if (far_right && IsWithin(near, join->left_from, join->right_from)) {
        *barred_from = join->right_from;
        *barred_to = join->right_to;
        return true;
      }
      if (far_left && IsWithin(near, join->right_from, join->right_to)) {
        *barred_from = join->left_from;
        *barred_to = join->right_from;
        return true;
      }
      return false;
    default:
      return false;
  }
}

void TryEdges(Analysis* analysis, Level* level, const Join* join, const Equality* equality, const Node* far, const Node* near, bool far_is_left) {
  const Target* near_target = ResolveExpression(analysis, level, join, near, Resolve::kEnter);
  for (const Target* target = ResolveExpression(analysis, level, join, far, Resolve::kExit); target != nullptr; target = target->next) {
    const int position = analysis->occurrences[target->occurrence].position;
    if (near_target == nullptr) {
      NoteRange(analysis, target->occurrence, target->occurrence + 1, "it is compared with something that is not an expression of one table's columns", 2);
      continue;
    }
    if (near_target->occurrence == target->occurrence) {
      continue;
    }
    if (equality->null_safe && !(IsAlwaysThere(analysis, level, join, far, target->occurrence) &&
                                 IsAlwaysThere(analysis, level, join, near, near_target->occurrence))) {
      NoteRange(analysis, target->occurrence, target->occurrence + 1, "it is compared with NULL where an outer join finds no row", 4);
      continue;
    }
    int barred_from, barred_to;
    if (JoinAllows(join, position, analysis->occurrences[near_target->occurrence].position, &barred_from, &barred_to)) {
      AddEdge(analysis, target, near_target, equality, far_is_left, barred_from, barred_to);
    } else {
      NoteRange(analysis, target->occurrence, target->occurrence + 1, "an outer join keeps its rows whether or not they match", 3);
    }
  }
}

// far = id::text is inverse(far) = id too, which finds the near row by its own index and may be skipped over.
void TryInverse(Analysis* analysis, Level* level, const Join* join, const Equality* equality, const Node* far, const Node* near) {
  const Node* id = CastToText(near);
  if (id != nullptr && (exprType(far) == TEXTOID || exprType(far) == VARCHAROID) && (!OidIsValid(equality->collation) || get_collation_isdeterministic(equality->collation))) {
    const Oid type = exprType(id);
    const Equality own = OwnEquality(type, InvalidOid);
    TryEdges(analysis, level, join, &own, InverseOfCastToText(far, type), id, true);
  }
}

bool NoteColumns(Node* node, Walk* walk) {
  if (node == nullptr || IsA(node, Query)) {
    return false;
  }
  if (IsA(node, Var)) {
    const Var* var = reinterpret_cast<const Var*>(node);
    const Target* target = var->varattno > 0 ? ResolveVar(walk->analysis, walk->level, var, Resolve::kEnter) : nullptr;
    if (target != nullptr) {
      NoteRange(walk->analysis, target->occurrence, target->occurrence + 1, "a condition on it is not an equality of two expressions, each of one table's columns", 2);
    }
    return false;
  }
  return WalkChildren(node, NoteColumns, walk);
}

// Sub-selects of IN / = ANY below AND and OR of a condition: NULL there is as good as FALSE.
void CollectTrueSublinks(Level* level, Node* node) {
  check_stack_depth();
  if (IsA(node, SubLink)) {
    level->true_sublinks = lappend(level->true_sublinks, node);
  } else if (IsA(node, BoolExpr) && reinterpret_cast<BoolExpr*>(node)->boolop != NOT_EXPR) {
    ListCell* cell;
    foreach (cell, reinterpret_cast<BoolExpr*>(node)->args) {
      CollectTrueSublinks(level, static_cast<Node*>(lfirst(cell)));
    }
  }
}

// Both ways between the sides of an equality; false when one of them is no value of one occurrence.
bool TryBothWays(Analysis* analysis, Level* level, const Join* join, const OpExpr* call, const Equality* equality) {
  const Node* left = StripRelabel(static_cast<Node*>(linitial(call->args)));
  const Node* right = StripRelabel(static_cast<Node*>(lsecond(call->args)));
  if (!equality->null_safe) {
    TryInverse(analysis, level, join, equality, left, right);
    TryInverse(analysis, level, join, equality, right, left);
  }
  TryEdges(analysis, level, join, equality, left, right, true);
  TryEdges(analysis, level, join, equality, right, left, false);
  return ResolveExpression(analysis, level, join, left, Resolve::kEnter) != nullptr &&
         ResolveExpression(analysis, level, join, right, Resolve::kEnter) != nullptr;
}

void EmitCondition(Analysis* analysis, Level* level, const Join* join, Node* node) {
  check_stack_depth();
  if (node == nullptr || level->inert) {
    return;
  }
  ListCell* cell;
  if (IsA(node, List)) {
    foreach (cell, reinterpret_cast<List*>(node)) {
      EmitCondition(analysis, level, join, static_cast<Node*>(lfirst(cell)));
    }
    return;
  }
  if (IsA(node, BoolExpr) && reinterpret_cast<BoolExpr*>(node)->boolop == AND_EXPR) {
    foreach (cell, reinterpret_cast<BoolExpr*>(node)->args) {
      EmitCondition(analysis, level, join, static_cast<Node*>(lfirst(cell)));
    }
    return;
  }
  CollectTrueSublinks(level, node);
  Equality equality;
  const OpExpr* call = FindEquality(node, &equality);
  if (call != nullptr && TryBothWays(analysis, level, join, call, &equality)) {
    return;
  }
  Walk walk = {analysis, level};
  NoteColumns(node, &walk);
}

void EmitFrom(Analysis* analysis, Level* level, Node* node) {
  check_stack_depth();
  if (IsA(node, FromExpr)) {
    FromExpr* from = castNode(FromExpr, node);
    ListCell* cell;
    foreach (cell, from->fromlist) {
      EmitFrom(analysis, level, static_cast<Node*>(lfirst(cell)));
    }
    EmitCondition(analysis, level, nullptr, from->quals);
  } else if (IsA(node, JoinExpr)) {
    JoinExpr* expr = castNode(JoinExpr, node);
    EmitFrom(analysis, level, expr->larg);
    EmitFrom(analysis, level, expr->rarg);
    ListCell* cell;
    foreach (cell, level->joins) {
      const Join* join = static_cast<const Join*>(lfirst(cell));
      if (join->expr == expr) {
        EmitCondition(analysis, level, join, expr->quals);
      }
    }
  }
}

bool IsNeverNull(const Analysis* analysis, const Target* target) {
  const Occurrence* occurrence = &analysis->occurrences[target->occurrence];
  if (!OidIsValid(occurrence->relation) || occurrence->nullable) {
    return false;
  }
  HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(occurrence->relation), Int16GetDatum(PlainColumn(analysis, target->value)));
  if (!HeapTupleIsValid(tuple)) {
    return false;
  }
  const bool not_null = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple))->attnotnull;
  ReleaseSysCache(tuple);
  return not_null;
}

// The output column that a parameter in the test of IN / = ANY stands for; 0 when `node` is something else.
int SublinkColumn(const Node* node) {
  node = StripRelabel(node);
  if (node == nullptr || !IsA(node, Param) || reinterpret_cast<const Param*>(node)->paramkind != PARAM_SUBLINK) {
    return 0;
  }
  return reinterpret_cast<const Param*>(node)->paramid;
}

void EmitAny(Analysis* analysis, Level* level, Level* child, Node* test, bool null_is_false) {
  ListCell* cell;
  if (IsA(test, BoolExpr) && reinterpret_cast<BoolExpr*>(test)->boolop == AND_EXPR) {
    foreach (cell, reinterpret_cast<BoolExpr*>(test)->args) {
      EmitAny(analysis, level, child, static_cast<Node*>(lfirst(cell)), null_is_false);
    }
    return;
  }
  Equality equality;
  if (!IsA(test, OpExpr) || !DescribeEquality(reinterpret_cast<OpExpr*>(test), &equality)) {
    return;
  }
  const OpExpr* call = reinterpret_cast<const OpExpr*>(test);
  const Node* outer = static_cast<Node*>(linitial(call->args));
  const int column = SublinkColumn(static_cast<Node*>(lsecond(call->args)));
  const Target* near = column > 0 ? ResolveExpression(analysis, level, nullptr, outer, Resolve::kEnter) : nullptr;
  if (near == nullptr) {
    return;
  }
  if (!null_is_false && (level->query->groupingSets != NIL || !IsNeverNull(analysis, near))) {
    NoteRange(analysis, child->from, child->to, "NULL matters where the result of IN or NOT IN is used", 4);
    return;
  }
  for (const Target* far = ResolveOutput(analysis, child, column, Resolve::kExit); far != nullptr; far = far->next) {
    if (null_is_false || IsNeverNull(analysis, far)) {
      AddEdge(analysis, far, near, &equality, false, 0, 0);
    } else {
      NoteRange(analysis, far->occurrence, far->occurrence + 1, "NULL matters where the result of IN or NOT IN is used", 4);
    }
  }
}

void ExpandSublink(Walk* walk, SubLink* sublink) {
  Level* level = walk->level;
  Level* child = ExpandLevel(walk->analysis, castNode(Query, sublink->subselect), level, nullptr, nullptr, false, level->inert);
  child->sublink = sublink;
  if (level->inert) {
    NoteRange(walk->analysis, child->from, child->to, "it is read inside a recursive CTE", 9);
  } else if (sublink->subLinkType == ANY_SUBLINK && sublink->testexpr != nullptr) {
    EmitAny(walk->analysis, level, child, sublink->testexpr, list_member_ptr(level->true_sublinks, sublink));
  }
}

bool MarkColumns(Node* node, Walk* walk);

void MarkColumn(Walk* walk, const Var* var) {
  Level* at = walk->level;
  for (Index up = 0; up < var->varlevelsup && at != nullptr; ++up) {
    at = at->scope;
  }
  if (at == nullptr) {
    elog(ERROR, "a column refers to a query level that does not exist");
  }
  const Item* item = &at->items[var->varno];
  if (item->kind == ItemKind::kRelation) {
    Occurrence* occurrence = &walk->analysis->occurrences[item->occurrence];
    if (var->varattno == 0) {
      occurrence->all_used = true;
    } else {
      occurrence->used = bms_add_member(occurrence->used, var->varattno);
    }
  } else if (item->kind == ItemKind::kJoin) {
    Walk inside = {walk->analysis, at};
    List* aliases = rt_fetch(var->varno, at->query->rtable)->joinaliasvars;
    if (var->varattno == 0) {
      MarkColumns(reinterpret_cast<Node*>(aliases), &inside);
    } else if (var->varattno <= list_length(aliases)) {
      MarkColumns(static_cast<Node*>(list_nth(aliases, var->varattno - 1)), &inside);
    }
  }
}

bool MarkColumns(Node* node, Walk* walk) {
  if (node == nullptr) {
    return false;
  }
  if (IsA(node, Var)) {
    MarkColumn(walk, reinterpret_cast<const Var*>(node));
    return false;
  }
  return WalkChildren(node, MarkColumns, walk);
}

bool WalkExpressions(Node* node, Walk* walk) {
  if (node == nullptr || IsA(node, Query)) {
    return false;
  }
  CheckExpressionNode(walk->analysis, node);
  if (IsA(node, Var)) {
    MarkColumn(walk, reinterpret_cast<const Var*>(node));
    return false;
  }
  if (IsA(node, SubLink)) {
    SubLink* sublink = reinterpret_cast<SubLink*>(node);
    ExpandSublink(walk, sublink);
    return WalkExpressions(sublink->testexpr, walk);
  }
  return WalkChildren(node, WalkExpressions, walk);
}

}  // namespace

void AddEdge(Analysis* analysis, const Target* far, const Target* near, const Equality* equality, bool far_is_left, int barred_from, int barred_to) {
  const bool constant = analysis->values[far->value].columns == nullptr || analysis->values[near->value].columns == nullptr;
  if (constant || !IsComparableBy(analysis, far, equality->family)) {
    return;
  }
  const Oid far_type = ValueType(analysis, far->value, nullptr);
  const Oid near_type = ValueType(analysis, near->value, nullptr);
  // By the columns' real types: relabelling may have changed them on the way.
  uint32 equality_class = 0;
  const uint32 near_class = EqualityClassOf(analysis, near_type, equality->collation);
  const bool own_family = equality->family == OwnEquality(near_type, InvalidOid).family;
  if (own_family && !equality->null_safe && near_class != 0 && near_class == EqualityClassOf(analysis, far_type, equality->collation)) {
    equality_class = near_class;
  }
  const bool merged = !OidIsValid(analysis->occurrences[far->occurrence].relation) || !OidIsValid(analysis->occurrences[near->occurrence].relation);
  if (far->occurrence == near->occurrence || (merged && equality_class == 0)) {
    return;
  }
  if (analysis->edge_count == analysis->edge_room) {
    analysis->edge_room *= 2;
    analysis->edges = static_cast<core::LineageEdge*>(repalloc(analysis->edges, analysis->edge_room * sizeof(core::LineageEdge)));
    analysis->edge_infos = static_cast<EdgeInfo*>(repalloc(analysis->edge_infos, analysis->edge_room * sizeof(EdgeInfo)));
  }
  const int tag = analysis->edge_count++;
  core::LineageEdge* edge = &analysis->edges[tag];
  *edge = {};
  edge->far = far->occurrence;
  edge->far_value = far->value;
  edge->near = near->occurrence;
  edge->near_value = near->value;
  edge->equality_class = equality_class;
  const Oid near_relation = analysis->occurrences[near->occurrence].relation;
  edge->near_access = static_cast<int8_t>(OidIsValid(near_relation) ? NearAccess(analysis, near->value) : 2);
  edge->barred_from = barred_from;
  edge->barred_to = barred_to;
  edge->tag = tag;
  analysis->edge_infos[tag] = {far_is_left ? equality->commuted : equality->op, far_is_left ? equality->right_input : equality->left_input,
                               far_is_left ? equality->left_input : equality->right_input, equality->collation, equality->family,
                               equality->null_safe};
}

void WalkLevel(Analysis* analysis, Level* level) {
  if (level->query->setOperations == nullptr) {
    EmitFrom(analysis, level, reinterpret_cast<Node*>(level->query->jointree));
  }
  Walk walk = {analysis, level};
  WalkQuery(level->query, WalkExpressions, &walk, QTW_IGNORE_RT_SUBQUERIES | QTW_IGNORE_CTE_SUBQUERIES | QTW_IGNORE_JOINALIASES);
}

}  // namespace tviews::lineage
