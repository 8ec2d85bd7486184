// Values that come from no relation's column: of a FROM item without relation (a function, VALUES), or a sub-select's column that is
// no value of one occurrence.  Each is a merged column: paths skip it, for the value at hand is its value.
#include "lineage/edges.h"

namespace tviews::lineage {

namespace {

// The function that the rows of the item are the values of, as an expression of the level; null when there are more, or more columns.
const Node* OnlyFunction(const RangeTblEntry* entry) {
  if (entry->rtekind != RTE_FUNCTION || list_length(entry->functions) != 1) {
    return nullptr;
  }
  const Node* call = linitial_node(RangeTblFunction, entry->functions)->funcexpr;
  return IsA(call, FuncExpr) && !type_is_rowtype(exprType(call)) ? call : nullptr;
}

Target* MergeOne(Analysis* analysis, const Level* level, const Node* expr, int position, Target* sources, Resolve mode) {
  List* arms = list_make1(copyObjectImpl(expr));
  return Merge(analysis, level, arms, exprType(expr), exprCollation(expr), position, sources, mode);
}

}  // namespace

bool IsSetReturning(const Analysis* analysis, int32 value) {
  return expression_returns_set(reinterpret_cast<Node*>(analysis->values[value].expressions));
}

Target* ResolveRows(Analysis* analysis, Level* level, const Var* var, Resolve mode) {
  const RangeTblEntry* entry = rt_fetch(var->varno, level->query->rtable);
  const Node* call = var->varattno == 1 ? OnlyFunction(entry) : nullptr;
  Var* own = static_cast<Var*>(copyObjectImpl(var));
  own->varlevelsup = 0;
  Target* sources = call != nullptr && expression_returns_set(const_cast<Node*>(call)) ? ResolveGeneral(analysis, level, nullptr, call, Resolve::kExit) : nullptr;
  Target* merged = MergeOne(analysis, level, reinterpret_cast<const Node*>(own), level->items[var->varno].occurrence, sources, mode);
  return merged != nullptr || mode == Resolve::kEnter ? merged : sources;
}

Target* ResolveOpaqueColumn(Analysis* analysis, Level* level, const Var* var, Target* sources, Resolve mode) {
  Var* own = static_cast<Var*>(copyObjectImpl(var));
  own->varlevelsup = 0;
  Target* merged = MergeOne(analysis, level, reinterpret_cast<const Node*>(own), level->items[var->varno].child->from, sources, mode);
  if (merged == nullptr) {
    return mode == Resolve::kExit ? sources : nullptr;
  }
  merged->next = sources;  // rows that enter by an array enter by its elements, too
  return merged;
}

Target* ResolveOpaqueExpression(Analysis* analysis, Level* level, const Join* join, const Node* expr, const List* vars, const List* resolved) {
  const Var* first = linitial_node(Var, vars);
  const Target* source = static_cast<const Target*>(linitial(resolved));
  const Item* item = &level->items[first->varno];
  ListCell *cell, *target;
  if (first->varlevelsup > 0 || (item->kind != ItemKind::kRows && item->kind != ItemKind::kLevel) || expression_returns_set(const_cast<Node*>(expr))) {
    return nullptr;
  }
  forboth(cell, vars, target, resolved) {
    const Var* var = lfirst_node(Var, cell);
    const Occurrence* at = &analysis->occurrences[static_cast<const Target*>(lfirst(target))->occurrence];
    if (var->varlevelsup > 0 || var->varno != first->varno || OidIsValid(at->relation)) {
      return nullptr;
    }
  }
  if (contain_nonstrict_functions(const_cast<Node*>(expr)) && !IsAlwaysThere(analysis, level, join, expr, source->occurrence)) {
    return nullptr;
  }
  return MergeOne(analysis, level, expr, analysis->occurrences[source->occurrence].position, nullptr, Resolve::kEnter);
}

}  // namespace tviews::lineage
