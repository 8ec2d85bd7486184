// From the conditions of one level to edges.
#include "lineage/edges.h"
#include "lineage/walker.h"

namespace tviews::lineage {

namespace {

struct Walk {
  Analysis* analysis;
  Level* level;
};

bool IsWithin(int position, int from, int to) { return position >= from && position < to; }

// Whether a side of a join of `level` is made by conditions on rows outside of it: a row of the other side that finds no match there
// needs none of those.
bool IsCorrelated(const Level* level, Node* side) {
  check_stack_depth();
  OuterReference here = {0};
  if (IsA(side, RangeTblRef)) {
    const Item* item = &level->items[castNode(RangeTblRef, side)->rtindex];
    return item->kind == ItemKind::kLevel && WalkQuery(item->child->query, RefersOutside, &here, QTW_EXAMINE_RTES_BEFORE);
  }
  const JoinExpr* join = castNode(JoinExpr, side);
  return IsCorrelated(level, join->larg) || IsCorrelated(level, join->rarg) || RefersOutside(join->quals, &here);
}

// Whether an equality of ON leads from `far` to `near`, and which occurrences the rest of the path must not enter.
bool JoinAllows(const Level* level, const Join* join, int far, int near, int* barred_from, int* barred_to) {
  *barred_from = *barred_to = 0;
  if (join == nullptr) {
    return true;
  }
  const bool far_left = IsWithin(far, join->left_from, join->right_from);
  const bool far_right = IsWithin(far, join->right_from, join->right_to);
  switch (join->expr->jointype) {
    case JOIN_INNER:
      return far_left || far_right;  // an array of a row outside may be unnested inside
    case JOIN_LEFT:
      return far_right;
    case JOIN_RIGHT:
      return far_left;
    case JOIN_FULL:
      // A row without a match stays, without the other side: what it gives must not be looked for through the other side.
      if (far_right && IsWithin(near, join->left_from, join->right_from) && !IsCorrelated(level, join->expr->larg)) {
        *barred_from = join->right_from;
        *barred_to = join->right_to;
        return true;
      }
      if (far_left && IsWithin(near, join->right_from, join->right_to) && !IsCorrelated(level, join->expr->rarg)) {
        *barred_from = join->left_from;
        *barred_to = join->right_from;
        return true;
      }
      return false;
    default:
      return false;
  }
}

// A row of the preserved side without a partner does not lead to the optional side, any other does.
void AddEdgeToOptional(Analysis* analysis, const Join* join, const Target* far, const Target* near, const Equality* equality, bool far_is_left) {
  const int far_position = analysis->occurrences[far->occurrence].position, near_position = analysis->occurrences[near->occurrence].position;
  const bool is_left = join->expr->jointype == JOIN_LEFT;
  const int from = is_left ? join->right_from : join->left_from, to = is_left ? join->right_to : join->right_from;
  const int count = analysis->edge_count;
  if ((!is_left && join->expr->jointype != JOIN_RIGHT) || equality->match != Match::kEqual || !IsWithin(near_position, from, to) ||
      !IsWithin(far_position, join->left_from, join->right_to)) {
    return;
  }
  AddEdge(analysis, far, near, equality, far_is_left, 0, 0);
  if (analysis->edge_count > count) {
    analysis->edge_infos[count].optional_from = from;
    analysis->edge_infos[count].optional_to = to;
  }
}

// The edges between `far` and one of the values that `near` has.
void TryEdgesTo(Analysis* analysis, Level* level, const Join* join, const Equality* equality, const Node* far, const Node* near, const Target* near_target,
                bool far_is_left) {
  for (const Target* target = ResolveExpression(analysis, level, join, far, Resolve::kExit); target != nullptr; target = target->next) {
    const int position = analysis->occurrences[target->occurrence].position;
    if (near_target == nullptr) {
      NoteRange(analysis, target->occurrence, target->occurrence + 1, "it is compared with something that is not an expression of one table's columns", 2);
      continue;
    }
    if (near_target->occurrence == target->occurrence) {
      continue;
    }
    if (equality->match == Match::kNullSafe && !(IsAlwaysThere(analysis, level, join, far, target->occurrence) &&
                                 IsAlwaysThere(analysis, level, join, near, near_target->occurrence))) {
      NoteRange(analysis, target->occurrence, target->occurrence + 1, "it is compared with NULL where an outer join finds no row", 4);
      continue;
    }
    int barred_from, barred_to;
    if (JoinAllows(level, join, position, analysis->occurrences[near_target->occurrence].position, &barred_from, &barred_to)) {
      AddEdge(analysis, target, near_target, equality, far_is_left, barred_from, barred_to);
    } else {
      AddEdgeToOptional(analysis, join, target, near_target, equality, far_is_left);
      NoteRange(analysis, target->occurrence, target->occurrence + 1, "an outer join keeps its rows whether or not they match", 3);
    }
  }
}

void TryEdges(Analysis* analysis, Level* level, const Join* join, const Equality* equality, const Node* far, const Node* near, bool far_is_left) {
  const Target* near_target = ResolveExpression(analysis, level, join, near, Resolve::kEnter);
  do {
    TryEdgesTo(analysis, level, join, equality, far, near, near_target, far_is_left);
    near_target = near_target == nullptr ? nullptr : near_target->next;
  } while (near_target != nullptr);
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
  if (equality->match == Match::kEqual) {
    TryInverse(analysis, level, join, equality, left, right);
    TryInverse(analysis, level, join, equality, right, left);
  }
  TryEdges(analysis, level, join, equality, left, right, true);
  TryEdges(analysis, level, join, equality, right, left, false);
  return ResolveExpression(analysis, level, join, left, Resolve::kEnter) != nullptr &&
         ResolveExpression(analysis, level, join, right, Resolve::kEnter) != nullptr;
}

// Both ways between an element and its array; false when one of them is no value of one occurrence.
bool TryMembership(Analysis* analysis, Level* level, const Join* join, Membership* membership) {
  membership->equality.match = Match::kElement;
  TryEdges(analysis, level, join, &membership->equality, membership->array, membership->element, false);
  membership->equality.match = Match::kHolds;
  TryEdges(analysis, level, join, &membership->equality, membership->element, membership->array, true);
  return ResolveExpression(analysis, level, join, membership->element, Resolve::kEnter) != nullptr &&
         ResolveExpression(analysis, level, join, membership->array, Resolve::kEnter) != nullptr;
}

}  // namespace

void EmitCondition(Analysis* analysis, Level* level, const Join* join, Node* node) {
  check_stack_depth();
  if (node == nullptr) {
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
  Membership membership;
  const bool is_member = FindMembership(level, node, &membership) && TryMembership(analysis, level, join, &membership);
  Equality equality;
  const OpExpr* call = FindEquality(node, &equality);
  if ((call != nullptr && TryBothWays(analysis, level, join, call, &equality)) || is_member) {
    return;
  }
  Walk walk = {analysis, level};
  NoteColumns(node, &walk);
}

}  // namespace tviews::lineage
