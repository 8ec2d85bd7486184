// Expressions over the columns of one occurrence: what a key, or a side of an equality, is when it is no plain column.
#include "lineage/edges.h"
#include "lineage/walker.h"

namespace tviews::lineage {

namespace {

// Collects the distinct Vars; true when the value depends on more than one row of plain columns.
bool IsMoreThanColumns(Node* node, List** vars) {
  if (node == nullptr) {
    return false;
  }
  switch (nodeTag(node)) {
    case T_Var:
      *vars = list_append_unique(*vars, node);
      return reinterpret_cast<Var*>(node)->varattno <= 0;
    case T_Aggref:
    case T_GroupingFunc:
    case T_WindowFunc:
    case T_SubLink:
    case T_Param:
    case T_Query:
      return true;
    default:
      return WalkChildren(node, IsMoreThanColumns, vars);
  }
}

// Whether the rows of the FROM of `level`, taken below `join` (null: above all joins), may lack a row of the occurrence at
// `position` where the query gives NULLs instead.
bool MayBeMissing(const Analysis* analysis, const Level* level, const Join* join, int position) {
  ListCell* cell;
  if (level->query->groupingSets != NIL) {
    return true;
  }
  foreach (cell, level->joins) {
    const Join* other = static_cast<const Join*>(lfirst(cell));
    const bool below = join == nullptr || (other != join && other->left_from >= join->left_from && other->right_to <= join->right_to);
    if (below && NullExtends(other, position)) {
      return true;
    }
  }
  foreach (cell, analysis->levels) {
    const Level* child = static_cast<const Level*>(lfirst(cell));
    if (child->from_parent == level && position >= child->from && position < child->to && MayBeMissing(analysis, child, nullptr, position)) {
      return true;
    }
  }
  return false;
}

struct Substitution {
  const List* vars;
  const List* expressions;
};

Node* Substitute(Node* node, Substitution* substitution) {
  if (node == nullptr) {
    return nullptr;
  }
  if (IsA(node, Var)) {
    ListCell *var, *expression;
    forboth(var, substitution->vars, expression, substitution->expressions) {
      if (equal(lfirst(var), node)) {
        return static_cast<Node*>(copyObjectImpl(lfirst(expression)));
      }
    }
  }
  return MutateChildren(node, Substitute, substitution);
}

// The target among `targets` on the occurrence; null when there is none.
const Target* OnOccurrence(const Target* targets, int occurrence) {
  while (targets != nullptr && targets->occurrence != occurrence) {
    targets = targets->next;
  }
  return targets;
}

// Whether a group's value of `var` is that of each of its rows, so that an expression of it may be formed from any of them.
bool IsOneValue(Analysis* analysis, const Target* target, const Var* var) {
  if (!OidIsValid(target->grouped_by) || EqualityClassOf(analysis, var->vartype, var->varcollid) != 0) {
    return true;
  }
  NoteRange(analysis, target->occurrence, target->occurrence + 1, "its rows are grouped by a column whose equal values may differ", 5);
  return false;
}

const Level* LevelOf(const Level* level, const Var* var) {
  for (Index up = 0; up < var->varlevelsup && level != nullptr; ++up) {
    level = level->scope;
  }
  return level;
}

bool IsMissing(const Analysis* analysis, const Level* level, const Join* join, const Var* var, int occurrence) {
  const Level* at = LevelOf(level, var);
  return MayBeMissing(analysis, at, at == level ? join : nullptr, analysis->occurrences[occurrence].position);
}

// `expr` over the columns of `occurrence`, one of those that all `resolved` (Target* by Var) lead to; null when it is not.
Target* OverOccurrence(Analysis* analysis, Level* level, const Join* join, const Node* expr, List* vars, List* resolved, int occurrence) {
  List* expressions = NIL;
  const bool strict = !contain_nonstrict_functions(const_cast<Node*>(expr));
  ListCell *cell, *var_cell;
  if (!OidIsValid(analysis->occurrences[occurrence].relation)) {
    return nullptr;
  }
  if (expression_returns_set(const_cast<Node*>(expr)) && !strict) {
    return nullptr;
  }
  forboth(cell, resolved, var_cell, vars) {
    const Target* target = OnOccurrence(static_cast<const Target*>(lfirst(cell)), occurrence);
    const Var* var = lfirst_node(Var, var_cell);
    if (target == nullptr || !IsOneValue(analysis, target, var)) {
      return nullptr;
    }
    if (!strict && IsMissing(analysis, level, join, var, occurrence)) {
      NoteRange(analysis, occurrence, occurrence + 1, "an expression gives a value where an outer join finds no row of it", 4);
      return nullptr;
    }
    if (!strict && IsSetReturning(analysis, target->value)) {
      return nullptr;  // no set may stand in a CASE or COALESCE
    }
    expressions = lappend(expressions, linitial(analysis->values[target->value].expressions));
  }
  Substitution substitution = {vars, expressions};
  Node* over = Substitute(static_cast<Node*>(copyObjectImpl(expr)), &substitution);
  Target* target = static_cast<Target*>(palloc(sizeof(Target)));
  *target = {occurrence, ValueOf(analysis, occurrence, list_make1(over)), nullptr, InvalidOid};
  return target;
}

}  // namespace

bool IsAlwaysThere(const Analysis* analysis, const Level* level, const Join* join, const Node* expr, int occurrence) {
  List* vars = NIL;
  (void)IsMoreThanColumns(const_cast<Node*>(expr), &vars);
  ListCell* cell;
  foreach (cell, vars) {
    if (IsMissing(analysis, level, join, lfirst_node(Var, cell), occurrence)) {
      return false;
    }
  }
  return true;
}

Target* ResolveConstant(Analysis* analysis, const Level* level, const Node* expr) {
  List* vars = NIL;
  if (IsMoreThanColumns(const_cast<Node*>(expr), &vars) || vars != NIL || contain_mutable_functions(const_cast<Node*>(expr))) {
    return nullptr;
  }
  Target* targets = nullptr;
  for (int i = 0; i < analysis->occurrence_count; ++i) {
    if (!OidIsValid(analysis->occurrences[i].relation) || !IsBelow(analysis->occurrences[i].level, level)) {
      continue;
    }
    Target* target = static_cast<Target*>(palloc(sizeof(Target)));
    *target = {i, ValueOf(analysis, i, list_make1(const_cast<Node*>(expr))), nullptr, InvalidOid};
    targets = AppendTargets(targets, target);
  }
  return targets;
}

Target* ResolveGeneral(Analysis* analysis, Level* level, const Join* join, const Node* expr, Resolve mode) {
  List* vars = NIL;
  if (IsMoreThanColumns(const_cast<Node*>(expr), &vars) || vars == NIL ||
      (mode == Resolve::kEnter && expression_returns_set(const_cast<Node*>(expr)))) {
    return nullptr;
  }
  List* resolved = NIL;
  ListCell* cell;
  foreach (cell, vars) {
    Target* targets = ResolveVar(analysis, level, lfirst_node(Var, cell), mode);
    if (targets == nullptr) {
      return nullptr;
    }
    resolved = lappend(resolved, targets);
  }
  Target* found = ResolveOpaqueExpression(analysis, level, join, expr, vars, resolved);
  for (const Target* first = static_cast<const Target*>(linitial(resolved)); first != nullptr; first = first->next) {
    found = AppendTargets(found, OverOccurrence(analysis, level, join, expr, vars, resolved, first->occurrence));
  }
  return found;
}

}  // namespace tviews::lineage
