// Columns that several relations feed: COALESCE over the join columns of an outer join (FULL JOIN ... USING is one), set operations.
#include "lineage/edges.h"

namespace tviews::lineage {

namespace {

Target* NewTarget(Analysis* analysis, int occurrence) {
  Target* target = static_cast<Target*>(palloc(sizeof(Target)));
  *target = {occurrence, ColumnValue(analysis, occurrence, 1), nullptr, InvalidOid};
  return target;
}

bool IsWithin(int position, int from, int to) { return position >= from && position < to; }

// The side of `join` below which all of `arms` lie: -1 left, 1 right, 0 neither.
int SideOf(Analysis* analysis, Level* level, const Join* join, const List* arms) {
  int side = 0;
  ListCell* cell;
  foreach (cell, arms) {
    const Target* target = ResolveVar(analysis, level, lfirst_node(Var, cell), Resolve::kEnter);
    if (target == nullptr) {
      return 0;
    }
    const int position = analysis->occurrences[target->occurrence].position;
    const int here = IsWithin(position, join->left_from, join->right_from) ? -1 : IsWithin(position, join->right_from, join->right_to) ? 1 : 0;
    if (here == 0 || (side != 0 && here != side)) {
      return 0;
    }
    side = here;
  }
  return side;
}

bool IsSubset(const List* part, const List* whole) {
  ListCell* cell;
  foreach (cell, part) {
    if (!list_member(whole, lfirst(cell))) {
      return false;
    }
  }
  return true;
}

// Whether a top-level equality in `condition` makes `arm` equal to some of `known`.
bool Equates(Level* level, Node* condition, const List* known, const List* arm) {
  ListCell* cell;
  if (condition == nullptr) {
    return false;
  }
  check_stack_depth();
  if (IsA(condition, BoolExpr) && reinterpret_cast<BoolExpr*>(condition)->boolop == AND_EXPR) {
    foreach (cell, reinterpret_cast<BoolExpr*>(condition)->args) {
      if (Equates(level, static_cast<Node*>(lfirst(cell)), known, arm)) {
        return true;
      }
    }
    return false;
  }
  Equality equality;
  if (!IsA(condition, OpExpr) || !DescribeEquality(reinterpret_cast<OpExpr*>(condition), &equality) ||
      (OidIsValid(equality.collation) && !get_collation_isdeterministic(equality.collation))) {
    return false;
  }
  const List* args = reinterpret_cast<OpExpr*>(condition)->args;
  List* left = MergedArms(level, static_cast<Node*>(linitial(args)));
  List* right = MergedArms(level, static_cast<Node*>(lsecond(args)));
  if (left == NIL || right == NIL) {
    return false;
  }
  return (equal(right, arm) && IsSubset(left, known)) || (equal(left, arm) && IsSubset(right, known));
}

// Whether all of `arms` that are not NULL are equal, in every row of the level: each was joined to those before it by an equality.
bool AreInterchangeable(Analysis* analysis, Level* level, const List* arms) {
  List* known = list_make1(linitial(arms));
  for (int i = 1; i < list_length(arms); ++i) {
    List* arm = list_make1(list_nth(arms, i));
    bool found = false;
    ListCell* cell;
    foreach (cell, level->joins) {
      const Join* join = static_cast<const Join*>(lfirst(cell));
      const int side = SideOf(analysis, level, join, known);
      if (side != 0 && SideOf(analysis, level, join, arm) == -side && Equates(level, join->expr->quals, known, arm)) {
        found = true;
        break;
      }
    }
    if (!found) {
      return false;
    }
    known = lappend(known, linitial(arm));
  }
  return true;
}

bool CollectArms(Level* level, const Node* expr, List** arms) {
  check_stack_depth();
  expr = StripRelabel(expr);
  if (expr == nullptr) {
    return false;
  }
  if (IsA(expr, CoalesceExpr)) {
    ListCell* cell;
    foreach (cell, reinterpret_cast<const CoalesceExpr*>(expr)->args) {
      if (!CollectArms(level, static_cast<const Node*>(lfirst(cell)), arms)) {
        return false;
      }
    }
    return true;
  }
  if (!IsA(expr, Var) || reinterpret_cast<const Var*>(expr)->varlevelsup > 0) {
    return false;
  }
  const Var* var = reinterpret_cast<const Var*>(expr);
  if (level->items[var->varno].kind == ItemKind::kJoin) {
    const List* aliases = rt_fetch(var->varno, level->query->rtable)->joinaliasvars;
    return var->varattno > 0 && var->varattno <= list_length(aliases) &&
           CollectArms(level, static_cast<const Node*>(list_nth(aliases, var->varattno - 1)), arms);
  }
  *arms = list_append_unique(*arms, const_cast<Var*>(var));
  return true;
}

}  // namespace

List* MergedArms(Level* level, const Node* expr) {
  List* arms = NIL;
  return CollectArms(level, expr, &arms) ? arms : NIL;
}

Target* Merge(Analysis* analysis, const Level* level, List* arms, Oid type, Oid collation, int position, Target* sources, Resolve mode) {
  if (EqualityClassOf(analysis, type, collation) == 0) {
    return nullptr;
  }
  int number = 0;
  while (number < analysis->occurrence_count &&
         (OidIsValid(analysis->occurrences[number].relation) || analysis->occurrences[number].level != level || !equal(analysis->occurrences[number].merged_arms, arms))) {
    ++number;
  }
  const bool is_new = number == analysis->occurrence_count;
  if (is_new) {
    AddOccurrence(analysis, InvalidOid, level);
    Occurrence* occurrence = &analysis->occurrences[number];
    occurrence->merged_arms = arms;
    occurrence->merged_type = getBaseType(type);
    occurrence->nullable = true;
    occurrence->position = position;
  }
  Target* own = NewTarget(analysis, number);
  if (is_new) {
    const Equality equality = OwnEquality(type, collation);
    for (const Target* source = sources; source != nullptr; source = source->next) {
      AddEdge(analysis, source, own, &equality, true, 0, 0);
    }
  }
  if (mode == Resolve::kExit) {
    own->next = sources;
  }
  return own;
}

Target* ResolveCoalesce(Analysis* analysis, Level* level, const Node* expr, Resolve mode) {
  List* arms = MergedArms(level, expr);
  if (list_length(arms) < 2 || !AreInterchangeable(analysis, level, arms)) {
    return nullptr;
  }
  const Oid type = getBaseType(exprType(expr));
  Target* sources = nullptr;
  ListCell* cell;
  foreach (cell, arms) {
    if (getBaseType(lfirst_node(Var, cell)->vartype) != type) {
      return nullptr;
    }
    sources = AppendTargets(ResolveVar(analysis, level, lfirst_node(Var, cell), Resolve::kExit), sources);
  }
  const Target* first = ResolveVar(analysis, level, linitial_node(Var, arms), Resolve::kEnter);
  return Merge(analysis, level, arms, type, exprCollation(expr), analysis->occurrences[first->occurrence].position, sources, mode);
}

}  // namespace tviews::lineage
