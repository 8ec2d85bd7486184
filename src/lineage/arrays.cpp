// Membership in an array as a join: x = ANY (array), array @> ARRAY[x], x IN (a, b), x IN (SELECT unnest(array)), JOIN LATERAL unnest(array).
#include "lineage/edges.h"

namespace tviews::lineage {

namespace {

// What unnest() is called with; null when `call` is something else.
const Node* Unnested(const Node* call) {
  if (call == nullptr || !IsA(call, FuncExpr) || reinterpret_cast<const FuncExpr*>(call)->funcid != F_UNNEST_ANYARRAY) {
    return nullptr;
  }
  return static_cast<const Node*>(linitial(reinterpret_cast<const FuncExpr*>(call)->args));
}

// The array that the rows of a FROM item are the elements of, or null.
const Node* UnnestedBy(const RangeTblEntry* entry) {
  if (entry->rtekind != RTE_FUNCTION || list_length(entry->functions) != 1) {
    return nullptr;
  }
  return Unnested(linitial_node(RangeTblFunction, entry->functions)->funcexpr);
}

// `array` as it is worded `levels` further in; null stays null.
const Node* Shift(const Node* array, int levels) {
  if (array == nullptr) {
    return nullptr;
  }
  Node* copy = static_cast<Node*>(copyObjectImpl(array));
  IncrementVarSublevelsUp(copy, levels, levels < 0 ? 1 : 0);
  return copy;
}

// The array whose elements a sub-select gives, all of them, seen from the level above; or null.
const Node* ElementsOfSubselect(const Query* query) {
  if (query->setOperations != nullptr || query->jointree->quals != nullptr || query->limitCount != nullptr || query->limitOffset != nullptr ||
      query->hasAggs || query->hasWindowFuncs || query->groupClause != NIL || query->groupingSets != NIL || query->havingQual != nullptr ||
      list_length(query->targetList) != 1) {
    return nullptr;
  }
  const Node* output = reinterpret_cast<const Node*>(linitial_node(TargetEntry, query->targetList)->expr);
  const List* from = query->jointree->fromlist;
  if (from == NIL) {
    return Shift(Unnested(output), -1);
  }
  output = StripRelabel(output);
  if (list_length(from) != 1 || !IsA(linitial(from), RangeTblRef) || !IsA(output, Var) || reinterpret_cast<const Var*>(output)->varlevelsup > 0 ||
      reinterpret_cast<const Var*>(output)->varattno != 1) {
    return nullptr;
  }
  return Shift(UnnestedBy(rt_fetch(linitial_node(RangeTblRef, from)->rtindex, query->rtable)), -1);
}

// The array of which `expr` is an element: a column of an unnest() in FROM.  Null when it is something else.
const Node* ArrayOf(const Level* level, const Node* expr) {
  expr = StripRelabel(expr);
  if (expr == nullptr || !IsA(expr, Var) || reinterpret_cast<const Var*>(expr)->varattno != 1) {
    return nullptr;
  }
  const Var* var = reinterpret_cast<const Var*>(expr);
  for (Index up = 0; up < var->varlevelsup; ++up) {
    level = level->scope;
  }
  return Shift(UnnestedBy(rt_fetch(var->varno, level->query->rtable)), static_cast<int>(var->varlevelsup));
}

// "element op ANY (array)".
bool Describe(Oid op, Oid collation, const Node* element, const Node* array, Membership* membership) {
  const Oid type = get_element_type(getBaseType(exprType(array)));
  if (!OidIsValid(type)) {
    return false;
  }
  OpExpr* call = makeNode(OpExpr);
  call->opno = op;
  call->inputcollid = collation;
  call->args = list_make2(const_cast<Node*>(element), makeNullConst(type, -1, InvalidOid));
  *membership = {{}, element, array};
  return DescribeEquality(call, &membership->equality);
}

// "array @> ARRAY[element, ...]".
bool DescribeContained(const OpExpr* call, const Node* array, const Node* elements, Membership* membership) {
  elements = StripRelabel(elements);
  if (!IsA(elements, ArrayExpr) || reinterpret_cast<const ArrayExpr*>(elements)->multidims || reinterpret_cast<const ArrayExpr*>(elements)->elements == NIL) {
    return false;
  }
  const Node* element = static_cast<const Node*>(linitial(reinterpret_cast<const ArrayExpr*>(elements)->elements));
  const Oid op = OwnEquality(exprType(element), InvalidOid).op;
  return OidIsValid(op) && Describe(op, call->inputcollid, element, array, membership);
}

// "element = a OR element = b ...", which is what IN (a, b) becomes.
bool DescribeAlternatives(const List* alternatives, Membership* membership) {
  const OpExpr* first = nullptr;
  ArrayExpr* array = makeNode(ArrayExpr);
  ListCell* cell;
  foreach (cell, alternatives) {
    const Node* node = static_cast<const Node*>(lfirst(cell));
    const OpExpr* call = reinterpret_cast<const OpExpr*>(node);
    if (!IsA(node, OpExpr) || list_length(call->args) != 2) {
      return false;
    }
    first = first == nullptr ? call : first;
    if (call->opno != first->opno || call->inputcollid != first->inputcollid || !equal(linitial(call->args), linitial(first->args)) ||
        exprType(static_cast<Node*>(lsecond(call->args))) != exprType(static_cast<Node*>(lsecond(first->args)))) {
      return false;
    }
    array->elements = lappend(array->elements, lsecond(call->args));
  }
  array->element_typeid = exprType(static_cast<Node*>(linitial(array->elements)));
  array->array_typeid = get_array_type(array->element_typeid);
  array->array_collid = first->inputcollid;
  array->location = -1;
  return OidIsValid(array->array_typeid) &&
         Describe(first->opno, first->inputcollid, static_cast<const Node*>(linitial(first->args)), reinterpret_cast<const Node*>(array), membership);
}

}  // namespace

bool FindMembership(const Level* level, const Node* condition, Membership* membership) {
  if (IsA(condition, ScalarArrayOpExpr)) {
    const ScalarArrayOpExpr* call = reinterpret_cast<const ScalarArrayOpExpr*>(condition);
    return call->useOr && Describe(call->opno, call->inputcollid, static_cast<const Node*>(linitial(call->args)),
                                   static_cast<const Node*>(lsecond(call->args)), membership);
  }
  if (IsA(condition, BoolExpr)) {
    const BoolExpr* expr = reinterpret_cast<const BoolExpr*>(condition);
    return expr->boolop == OR_EXPR && DescribeAlternatives(expr->args, membership);
  }
  if (IsA(condition, SubLink)) {
    const SubLink* sublink = reinterpret_cast<const SubLink*>(condition);
    const Node* array = sublink->subLinkType == ANY_SUBLINK ? ElementsOfSubselect(castNode(Query, sublink->subselect)) : nullptr;
    if (array == nullptr || sublink->testexpr == nullptr || !IsA(sublink->testexpr, OpExpr)) {
      return false;
    }
    const OpExpr* test = reinterpret_cast<const OpExpr*>(sublink->testexpr);
    return Describe(test->opno, test->inputcollid, static_cast<const Node*>(linitial(test->args)), array, membership);
  }
  if (!IsA(condition, OpExpr) || list_length(reinterpret_cast<const OpExpr*>(condition)->args) != 2) {
    return false;
  }
  const OpExpr* call = reinterpret_cast<const OpExpr*>(condition);
  const Node *left = static_cast<const Node*>(linitial(call->args)), *right = static_cast<const Node*>(lsecond(call->args));
  if (call->opno == OID_ARRAY_CONTAINS_OP || call->opno == OID_ARRAY_CONTAINED_OP) {
    const bool contains = call->opno == OID_ARRAY_CONTAINS_OP;
    return DescribeContained(call, contains ? left : right, contains ? right : left, membership);
  }
  const Node* array = ArrayOf(level, right);
  if (array != nullptr) {
    return Describe(call->opno, call->inputcollid, left, array, membership);
  }
  array = ArrayOf(level, left);
  return array != nullptr && OidIsValid(get_commutator(call->opno)) && Describe(get_commutator(call->opno), call->inputcollid, right, array, membership);
}

}  // namespace tviews::lineage
