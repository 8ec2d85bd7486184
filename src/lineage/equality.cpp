// Which operators count as equality, and when equal values may stand for each other.
#include "lineage/edges.h"

namespace tviews::lineage {

namespace {

struct EqualityClass {
  Oid family, type;
};

bool IsInteger(Oid type) { return type == INT2OID || type == INT4OID || type == INT8OID; }

Oid DefaultFamily(Oid type) { return lookup_type_cache(getBaseType(type), TYPECACHE_BTREE_OPFAMILY)->btree_opf; }

uint32 NumberOf(Analysis* analysis, Oid family, Oid type) {
  uint32 number = 0;
  ListCell* cell;
  foreach (cell, analysis->classes) {
    ++number;
    const EqualityClass* known = static_cast<const EqualityClass*>(lfirst(cell));
    if (known->family == family && known->type == type) {
      return number;
    }
  }
  EqualityClass* added = static_cast<EqualityClass*>(palloc(sizeof(EqualityClass)));
  *added = {family, type};
  analysis->classes = lappend(analysis->classes, added);
  return number + 1;
}

// Whether the index's first column is the expression.
bool IsIndexedFirst(::Relation index, const Node* expression) {
  if (IsA(expression, Var)) {
    return index->rd_index->indkey.values[0] == reinterpret_cast<const Var*>(expression)->varattno;
  }
  const List* indexed = index->rd_index->indkey.values[0] == InvalidAttrNumber ? RelationGetIndexExpressions(index) : NIL;
  if (indexed == NIL) {
    return false;
  }
  Node* simple = eval_const_expressions(nullptr, static_cast<Node*>(copyObjectImpl(expression)));
  return equal(StripRelabel(static_cast<Node*>(linitial(indexed))), StripRelabel(simple));
}

bool IsNullTestOf(const Node* node, const Node* operand) {
  return IsA(node, NullTest) && reinterpret_cast<const NullTest*>(node)->nulltesttype == IS_NULL &&
         equal(reinterpret_cast<const NullTest*>(node)->arg, operand);
}

// The call of =, when the alternatives are "a = b" and "a IS NULL AND b IS NULL"; else null.
const Node* EqualOrBothNull(const List* alternatives) {
  const Node* call = static_cast<const Node*>(linitial(alternatives));
  const Node* other = static_cast<const Node*>(list_nth(alternatives, list_length(alternatives) - 1));
  if (IsA(call, BoolExpr)) {
    const Node* swapped = call;
    call = other;
    other = swapped;
  }
  if (list_length(alternatives) != 2 || !IsA(call, OpExpr) || !IsA(other, BoolExpr) || reinterpret_cast<const BoolExpr*>(other)->boolop != AND_EXPR) {
    return nullptr;
  }
  const List* operands = reinterpret_cast<const OpExpr*>(call)->args;
  const List* tests = reinterpret_cast<const BoolExpr*>(other)->args;
  if (list_length(operands) != 2 || list_length(tests) != 2) {
    return nullptr;
  }
  const Node *left = static_cast<const Node*>(linitial(operands)), *right = static_cast<const Node*>(lsecond(operands));
  const Node *first = static_cast<const Node*>(linitial(tests)), *second = static_cast<const Node*>(lsecond(tests));
  const bool both = (IsNullTestOf(first, left) && IsNullTestOf(second, right)) || (IsNullTestOf(first, right) && IsNullTestOf(second, left));
  return both ? call : nullptr;
}

}  // namespace

bool DescribeEquality(const OpExpr* call, Equality* equality) {
  if (list_length(call->args) != 2 || !op_strict(call->opno)) {
    return false;
  }
  List* families = get_mergejoin_opfamilies(call->opno);
  const Oid family = DefaultFamily(exprType(static_cast<Node*>(linitial(call->args))));
  // Grouping and merging use the types' own equality: another one may tell apart what they put together.
  if (!OidIsValid(family) || family != DefaultFamily(exprType(static_cast<Node*>(lsecond(call->args)))) || !list_member_oid(families, family)) {
    return false;
  }
  equality->op = call->opno;
  equality->commuted = get_commutator(call->opno);
  op_input_types(call->opno, &equality->left_input, &equality->right_input);
  equality->collation = call->inputcollid;
  equality->family = family;
  equality->match = Match::kEqual;
  return OidIsValid(equality->commuted);
}

const OpExpr* FindEquality(const Node* condition, Equality* equality) {
  const Node* call = condition;
  if (IsA(condition, BoolExpr)) {
    const BoolExpr* expr = reinterpret_cast<const BoolExpr*>(condition);
    const Node* first = static_cast<const Node*>(linitial(expr->args));
    const bool negated = expr->boolop == NOT_EXPR && IsA(first, DistinctExpr);
    call = negated ? first : expr->boolop == OR_EXPR ? EqualOrBothNull(expr->args) : nullptr;
  }
  if (call == nullptr || (call == condition && !IsA(call, OpExpr))) {
    return nullptr;
  }
  const OpExpr* found = reinterpret_cast<const OpExpr*>(call);  // a DistinctExpr is one, too
  if (!DescribeEquality(found, equality)) {
    return nullptr;
  }
  equality->match = call == condition ? Match::kEqual : Match::kNullSafe;
  // A row is NULL when all its fields are: another matter.
  return equality->match == Match::kNullSafe && type_is_rowtype(exprType(static_cast<Node*>(linitial(found->args)))) ? nullptr : found;
}

Equality OwnEquality(Oid type, Oid collation) {
  const TypeCacheEntry* entry = lookup_type_cache(getBaseType(type), TYPECACHE_EQ_OPR | TYPECACHE_BTREE_OPFAMILY);
  Equality equality = {entry->eq_opr, entry->eq_opr, InvalidOid, InvalidOid, collation, entry->btree_opf, Match::kEqual};
  if (OidIsValid(entry->eq_opr)) {
    op_input_types(entry->eq_opr, &equality.left_input, &equality.right_input);
  }
  return equality;
}

uint32 EqualityClassOf(Analysis* analysis, Oid type, Oid collation) {
  const Oid base = getBaseType(type);
  if (IsInteger(base)) {
    return NumberOf(analysis, INTEGER_BTREE_FAM_OID, InvalidOid);
  }
  if (base == BPCHAROID) {
    return 0;  // padded to the length of its column
  }
  const TypeCacheEntry* entry = lookup_type_cache(base, TYPECACHE_BTREE_OPFAMILY);
  if (!OidIsValid(entry->btree_opf)) {
    return 0;
  }
  const Oid judge = get_opfamily_proc(entry->btree_opf, entry->btree_opintype, entry->btree_opintype, BTEQUALIMAGE_PROC);
  if (!OidIsValid(judge) || !DatumGetBool(OidFunctionCall1Coll(judge, collation, ObjectIdGetDatum(entry->btree_opintype)))) {
    return 0;
  }
  return NumberOf(analysis, entry->btree_opf, base);
}

Oid FamilyEquality(Oid family, Oid left, Oid right) { return get_opfamily_member(family, left, right, BTEqualStrategyNumber); }

int Access(Oid relation, const Node* expression, Match match) {
  int access = 0;
  ::Relation table = relation_open(relation, AccessShareLock);
  List* indexes = RelationGetIndexList(table);
  ListCell* cell;
  foreach (cell, indexes) {
    ::Relation index = index_open(lfirst_oid(cell), AccessShareLock);
    if (IsIndexedFirst(index, expression) && index->rd_index->indisvalid && heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, nullptr) &&
        (match == Match::kHolds ? index->rd_rel->relam == GIN_AM_OID : index->rd_rel->relam == BTREE_AM_OID || index->rd_rel->relam == HASH_AM_OID)) {
      access = Max(access, index->rd_index->indisunique && index->rd_index->indnkeyatts == 1 ? 2 : 1);
    }
    index_close(index, NoLock);
  }
  list_free(indexes);
  relation_close(table, NoLock);
  return access;
}

int NearAccess(const Analysis* analysis, int32 value, Match match) {
  const Value* near = &analysis->values[value];
  return list_length(near->expressions) == 1 ? Access(analysis->occurrences[near->occurrence].relation, static_cast<const Node*>(linitial(near->expressions)), match) : 0;
}

}  // namespace tviews::lineage
