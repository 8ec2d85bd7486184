// The values that edges compare: columns and expressions of one occurrence, each known by one number.
#include "lineage/analysis.h"
#include "lineage/walker.h"

namespace tviews::lineage {

namespace {

bool CollectColumns(Node* node, Bitmapset** columns) {
  if (node == nullptr) {
    return false;
  }
  if (IsA(node, Var)) {
    *columns = bms_add_member(*columns, reinterpret_cast<Var*>(node)->varattno);
    return false;
  }
  return WalkChildren(node, CollectColumns, columns);
}

}  // namespace

int32 ValueOf(Analysis* analysis, int occurrence, List* expressions) {
  for (int i = 0; i < analysis->value_count; ++i) {
    if (analysis->values[i].occurrence == occurrence && equal(analysis->values[i].expressions, expressions)) {
      return i;
    }
  }
  if (analysis->value_count == analysis->value_room) {
    analysis->value_room *= 2;
    analysis->values = static_cast<Value*>(repalloc(analysis->values, analysis->value_room * sizeof(Value)));
  }
  Value* value = &analysis->values[analysis->value_count];
  *value = {occurrence, expressions, nullptr, InputsOf(expressions)};
  (void)CollectColumns(reinterpret_cast<Node*>(expressions), &value->columns);
  return analysis->value_count++;
}

int32 ColumnValue(Analysis* analysis, int occurrence, AttrNumber column) {
  const Occurrence* at = &analysis->occurrences[occurrence];
  Oid type = at->merged_type, collation = InvalidOid;
  int32 typmod = -1;
  if (OidIsValid(at->relation)) {
    get_atttypetypmodcoll(at->relation, column, &type, &typmod, &collation);
  }
  return ValueOf(analysis, occurrence, list_make1(makeVar(1, column, type, typmod, collation, 0)));
}

AttrNumber PlainColumn(const Analysis* analysis, int32 value) {
  const List* expressions = analysis->values[value].expressions;
  const Node* only = list_length(expressions) == 1 ? static_cast<const Node*>(linitial(expressions)) : nullptr;
  return only != nullptr && IsA(only, Var) ? reinterpret_cast<const Var*>(only)->varattno : InvalidAttrNumber;
}

Oid ValueType(const Analysis* analysis, int32 value, Oid* collation) {
  const Node* first = static_cast<const Node*>(linitial(analysis->values[value].expressions));
  if (collation != nullptr) {
    *collation = exprCollation(first);
  }
  return getBaseType(exprType(first));
}

}  // namespace tviews::lineage
