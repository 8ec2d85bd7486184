// The text of mapping queries: from captured values along a path to keys.
#include "lineage/analysis.h"

namespace tviews::lineage {

namespace {

bool IsInteger(Oid type) { return type == INT2OID || type == INT4OID || type == INT8OID; }

int IntegerWidth(Oid type) { return type == INT2OID ? 2 : type == INT4OID ? 4 : 8; }

const char* OperatorName(Oid op) {
  HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(op));
  if (!HeapTupleIsValid(tuple)) {
    elog(ERROR, "cache lookup failed for operator %u", op);
  }
  const Form_pg_operator form = reinterpret_cast<Form_pg_operator>(GETSTRUCT(tuple));
  const char* name = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)), NameStr(form->oprname));
  ReleaseSysCache(tuple);
  return name;
}

const char* CollationName(Oid collation) {
  HeapTuple tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(collation));
  if (!HeapTupleIsValid(tuple)) {
    elog(ERROR, "cache lookup failed for collation %u", collation);
  }
  const Form_pg_collation form = reinterpret_cast<Form_pg_collation>(GETSTRUCT(tuple));
  const char* name = quote_qualified_identifier(get_namespace_name(form->collnamespace), NameStr(form->collname));
  ReleaseSysCache(tuple);
  return name;
}

const char* Table(const Occurrence* occurrence, int alias) {
  return psprintf("%s%s h%d", occurrence->only ? "ONLY " : "", QualifiedName(occurrence->relation), alias);
}

const char* Operand(const Analysis* analysis, int32 value, int alias) {
  const Oid relation = analysis->occurrences[analysis->values[value].occurrence].relation;
  return psprintf("h%d.%s", alias, quote_identifier(get_attname(relation, PlainColumn(analysis, value), false)));
}

// `operand`, cast when the operator wants another type than the column's.
const char* Cast(const char* operand, Oid type, Oid input) {
  if (!OidIsValid(input) || input == type || IsPolymorphicType(input)) {
    return operand;
  }
  return psprintf("%s::%s", operand, format_type_be_qualified(input));
}

bool TellsApart(Oid collation) { return !OidIsValid(collation) || get_collation_isdeterministic(collation); }

// A comparison as the view makes it, with the types that are at hand here.
struct Comparison {
  const char* op;
  Oid near_input, value_input;
};

Comparison Compare(const Analysis* analysis, const core::LineageStep* step, Oid near_type, Oid value_type) {
  const core::LineageEdge* edge = &analysis->edges[step->edge_tag];
  const EdgeInfo* info = &analysis->edge_infos[step->edge_tag];
  if (ValueType(analysis, edge->far_value, nullptr) == value_type) {
    return {OperatorName(info->op), info->near_input, info->far_input};
  }
  // A hop was skipped: the value at hand has another type of the same family.
  const Oid op = FamilyEquality(info->family, near_type, value_type);
  if (!OidIsValid(op)) {
    elog(ERROR, "no equality of types %u and %u in operator family %u", near_type, value_type, info->family);
  }
  return {OperatorName(op), near_type, value_type};
}

// The near operand, with the view's collation where the columns' own would be ambiguous or tell other values apart.
const char* NearOperand(const Analysis* analysis, const core::LineageStep* step, const Comparison* comparison, Oid near_type, Oid value_collation, int alias) {
  const Oid wanted = analysis->edge_infos[step->edge_tag].collation;
  Oid own;
  ValueType(analysis, step->match_value, &own);
  const char* operand = Cast(Operand(analysis, step->match_value, alias), near_type, comparison->near_input);
  if (!OidIsValid(wanted)) {
    return operand;
  }
  const bool ambiguous = OidIsValid(value_collation) && own != value_collation;
  const bool loose = !TellsApart(wanted) || !TellsApart(own);
  if (ambiguous || (loose && own != wanted)) {
    return psprintf("(%s COLLATE %s)", operand, CollationName(wanted));
  }
  return operand;
}

}  // namespace

const char* MappingQuery(const Analysis* analysis, int32 value, const core::LineageStep* steps, int step_count, Oid key_type) {
  StringInfoData from, where;
  initStringInfo(&from);
  initStringInfo(&where);
  for (int i = 0; i < step_count; ++i) {
    const core::LineageStep* step = &steps[i];
    const Occurrence* near = &analysis->occurrences[step->occurrence];
    if (!OidIsValid(near->relation)) {
      return nullptr;
    }
    const Oid near_type = ValueType(analysis, step->match_value, nullptr);
    if (i == 0) {
      const Oid value_type = ValueType(analysis, value, nullptr);
      const Comparison comparison = Compare(analysis, step, near_type, value_type);
      const char* values = Cast("$1", value_type, comparison.value_input);
      if (strcmp(values, "$1") != 0) {
        values = psprintf("%s[]", values);
      }
      appendStringInfoString(&from, Table(near, 1));
      appendStringInfo(&where, "%s %s ANY (%s)", NearOperand(analysis, step, &comparison, near_type, InvalidOid, 1), comparison.op, values);
      continue;
    }
    const core::LineageStep* before = &steps[i - 1];
    Oid value_collation;
    const Oid value_type = ValueType(analysis, before->next_value, &value_collation);
    const Comparison comparison = Compare(analysis, step, near_type, value_type);
    appendStringInfo(&from, " JOIN %s ON %s %s %s", Table(near, i + 1), NearOperand(analysis, step, &comparison, near_type, value_collation, i + 1),
                     comparison.op, Cast(Operand(analysis, before->next_value, i), value_type, comparison.value_input));
  }
  const core::LineageStep* last = &steps[step_count - 1];
  const char* key = Cast(Operand(analysis, last->next_value, step_count), ValueType(analysis, last->next_value, nullptr), key_type);
  return psprintf("SELECT DISTINCT %s FROM %s WHERE %s", key, from.data, where.data);
}

const char* CastQuery(Oid from, Oid key_type) {
  const char* cast = format_type_be_qualified(key_type);
  if (IsInteger(from) && IsInteger(key_type) && IntegerWidth(from) > IntegerWidth(key_type)) {
    // A value that the key's type cannot hold is no key; the cast must not raise.
    const char* limits = key_type == INT2OID ? "-32768 AND 32767" : "-2147483648 AND 2147483647";
    return psprintf("SELECT DISTINCT k::%s FROM pg_catalog.unnest($1) k WHERE k BETWEEN %s", cast, limits);
  }
  return psprintf("SELECT DISTINCT k::%s FROM pg_catalog.unnest($1) k", cast);
}

}  // namespace tviews::lineage
