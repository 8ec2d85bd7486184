// Edges to columns of no relation (opaque.cpp) by what is computed: the value cast to their type, an expression of both sides.
#include "lineage/edges.h"
#include "lineage/walker.h"

namespace tviews::lineage {

namespace {

struct Replacement {
  const Node* from;
  const Node* to;
  bool found;
};

Node* Replace(Node* node, Replacement* replacement) {
  if (node != nullptr && equal(node, replacement->from)) {
    replacement->found = true;
    return static_cast<Node*>(copyObjectImpl(replacement->to));
  }
  return node == nullptr ? nullptr : MutateChildren(node, Replace, replacement);
}

// `expr` for `value` in place of `part`; null when it depends on more than `part`.
Node* Instead(const Node* expr, const Node* part, const Node* value) {
  const Const* nothing = makeNullConst(exprType(part), -1, exprCollation(part));
  Replacement replacement = {part, reinterpret_cast<const Node*>(nothing), false};
  if (contain_var_clause(Replace(const_cast<Node*>(expr), &replacement)) || !replacement.found) {
    return nullptr;
  }
  replacement.to = value;
  return Replace(const_cast<Node*>(expr), &replacement);
}

const Node* OnlyArm(const Occurrence* occurrence) {
  return !OidIsValid(occurrence->relation) && list_length(occurrence->merged_arms) == 1 ? static_cast<const Node*>(linitial(occurrence->merged_arms)) : nullptr;
}

}  // namespace

void EmitDerivedEdges(Analysis* analysis) {
  const int edge_count = analysis->edge_count;
  for (int i = 0; i < edge_count; ++i) {
    const core::LineageEdge edge = analysis->edges[i];
    const Occurrence* near = &analysis->occurrences[edge.near];
    const Node* part = OnlyArm(near);
    const Value* value = &analysis->values[edge.far_value];
    if (part == nullptr || edge.equality_class == 0 || analysis->edge_infos[i].optional_from < analysis->edge_infos[i].optional_to ||
        !OidIsValid(analysis->occurrences[edge.far].relation) || ValueType(analysis, edge.far_value, nullptr) != near->merged_type) {
      continue;
    }
    const Node* far = static_cast<const Node*>(linitial(value->expressions));
    for (int other = 0; other < analysis->occurrence_count; ++other) {
      const Node* expr = other == edge.near || analysis->occurrences[other].level != near->level ? nullptr : OnlyArm(&analysis->occurrences[other]);
      Node* derived = expr == nullptr ? nullptr : Instead(expr, part, far);
      if (derived != nullptr) {
        const Target from = {edge.far, ValueOf(analysis, edge.far, list_make1(derived)), nullptr, InvalidOid};
        const Target to = {other, ColumnValue(analysis, other, 1), nullptr, InvalidOid};
        const Equality equality = OwnEquality(exprType(expr), exprCollation(expr));
        AddEdge(analysis, &from, &to, &equality, true, edge.barred_from, edge.barred_to);
      }
    }
  }
}

void AddCastEdge(Analysis* analysis, const Target* far, const Target* near, const Equality* equality, int barred_from, int barred_to) {
  const Oid type = ValueType(analysis, near->value, nullptr);
  Node* expr = static_cast<Node*>(linitial(analysis->values[far->value].expressions));
  if (ValueType(analysis, far->value, nullptr) == type || equality->match != Match::kEqual || EqualityClassOf(analysis, type, equality->collation) == 0 ||
      !OidIsValid(analysis->occurrences[far->occurrence].relation) || OidIsValid(analysis->occurrences[near->occurrence].relation)) {
    return;
  }
  Node* cast = coerce_to_target_type(nullptr, static_cast<Node*>(copyObjectImpl(expr)), exprType(expr), type, -1, COERCION_IMPLICIT, COERCE_EXPLICIT_CAST, -1);
  if (cast == nullptr || OwnEquality(type, equality->collation).family != equality->family) {
    return;
  }
  const Target as_near = {far->occurrence, ValueOf(analysis, far->occurrence, list_make1(cast)), nullptr, InvalidOid};
  const Equality own = OwnEquality(type, equality->collation);
  AddEdge(analysis, &as_near, near, &own, true, barred_from, barred_to);
}

}  // namespace tviews::lineage
