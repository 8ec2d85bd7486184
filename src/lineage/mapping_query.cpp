// The text of mapping queries: from captured values along a path to keys.
#include "lineage/paths.h"

namespace tviews::lineage {

namespace {

bool IsInteger(Oid type) { return type == INT2OID || type == INT4OID || type == INT8OID; }

int IntegerWidth(Oid type) { return type == INT2OID ? 2 : type == INT4OID ? 4 : 8; }

const char* Table(const Occurrence* occurrence, int alias) {
  return psprintf("%s%s h%d", occurrence->only ? "ONLY " : "", QualifiedName(occurrence->relation), alias);
}

// Part `part` of a value, over the columns of the item h<alias>: a relation, or captured values under its columns' names.
const char* Operand(const Analysis* analysis, int32 value, int alias, int part = 0) {
  const Value* at = &analysis->values[value];
  List* context = deparse_context_for(psprintf("h%d", alias), analysis->occurrences[at->occurrence].relation);
  // Casts that nobody wrote are part of the value: its type is that of the expression.
  return deparse_expression(static_cast<Node*>(list_nth(at->expressions, part)), context, true, true);
}

// `operand`, cast when the operator wants another type than the column's.
const char* Cast(const char* operand, Oid type, Oid input) {
  if (!OidIsValid(input) || input == type || IsPolymorphicType(input)) {
    return operand;
  }
  return psprintf("%s::%s", operand, format_type_be_qualified(input));
}

// As Cast; NULL where the key's integer type cannot hold the value: it is no key then, and the cast must not raise.
const char* CastToKey(const char* operand, Oid type, Oid key_type) {
  if (!IsInteger(type) || !IsInteger(key_type) || IntegerWidth(type) <= IntegerWidth(key_type)) {
    return Cast(operand, type, key_type);
  }
  return psprintf("CASE WHEN %s BETWEEN %s THEN %s::%s END", operand, key_type == INT2OID ? "-32768 AND 32767" : "-2147483648 AND 2147483647",
                  operand, format_type_be_qualified(key_type));
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

// A document that holds the captured texts u.c<n> of one column at their paths, n from `first`.
const char* Document(const List* inputs, int first) {
  StringInfoData members;
  initStringInfo(&members);
  const AttrNumber column = static_cast<const Input*>(list_nth(inputs, first))->column;
  for (int n = first; n < list_length(inputs) && static_cast<const Input*>(list_nth(inputs, n))->column == column; ++n) {
    const List* path = static_cast<const Input*>(list_nth(inputs, n))->path;
    const char* value = psprintf("u.c%d", n + 1);
    for (int i = list_length(path) - 1; i > 0; --i) {
      value = psprintf("pg_catalog.jsonb_build_object(%s, %s)", quote_literal_cstr(static_cast<const char*>(list_nth(path, i))), value);
    }
    appendStringInfo(&members, "%s%s, %s", n == first ? "" : ", ", quote_literal_cstr(static_cast<const char*>(linitial(path))), value);
  }
  return psprintf("pg_catalog.jsonb_build_object(%s)", members.data);
}

// Input `n` as a column of the item, from u.c<n>: its type and collation must be those that expressions of it expect.  Null when it
// came with the input before it.
const char* ItemColumn(Oid relation, const List* inputs, int n, bool* as_captured) {
  const Input* input = static_cast<const Input*>(list_nth(inputs, n));
  if (input->path != NIL) {
    *as_captured = false;
    const bool is_first = n == 0 || static_cast<const Input*>(list_nth(inputs, n - 1))->column != input->column;
    return is_first ? Document(inputs, n) : nullptr;
  }
  Oid type, collation;
  int32 typmod;
  get_atttypetypmodcoll(relation, input->column, &type, &typmod, &collation);
  const char* column = psprintf("u.c%d", n + 1);
  if (!OidIsValid(get_array_type(getBaseType(type)))) {
    *as_captured = false;
    column = psprintf("%s::%s", column, format_type_be_qualified(getBaseType(type)));
  }
  if (OidIsValid(collation) && collation != get_typcollation(getBaseType(type))) {
    *as_captured = false;
    column = psprintf("%s COLLATE %s", column, CollationName(collation));
  }
  return column;
}

// The captured values as the FROM item h0, a column for each column that the value reads.
const char* CapturedItem(const Analysis* analysis, int32 value) {
  const List* inputs = analysis->values[value].inputs;
  const Oid relation = analysis->occurrences[analysis->values[value].occurrence].relation;
  StringInfoData select, arrays, names, numbers;
  initStringInfo(&select);
  initStringInfo(&arrays);
  initStringInfo(&names);
  initStringInfo(&numbers);
  bool as_captured = true;
  for (int n = 0; n < list_length(inputs); ++n) {
    const char* separator = n == 0 ? "" : ", ";
    const char* name = quote_identifier(get_attname(relation, static_cast<const Input*>(list_nth(inputs, n))->column, false));
    const char* column = ItemColumn(relation, inputs, n, &as_captured);
    if (column != nullptr) {
      appendStringInfo(&select, "%s%s AS %s", separator, column, name);
    }
    appendStringInfo(&arrays, "%spg_catalog.unnest($%d)", separator, n + 1);
    appendStringInfo(&names, "%s%s", separator, name);
    appendStringInfo(&numbers, "%sc%d", separator, n + 1);
  }
  const char* rows = list_length(inputs) == 1 ? arrays.data : psprintf("ROWS FROM (%s)", arrays.data);
  return as_captured ? psprintf("%s h0(%s)", rows, names.data) : psprintf("(SELECT %s FROM %s u(%s)) h0", select.data, rows, numbers.data);
}

// Whether values of a captured plain column can be compared as they come, by = ANY ($1).
bool IsArrayOfValues(const Analysis* analysis, int32 value) {
  return PlainColumn(analysis, value) != InvalidAttrNumber && OidIsValid(get_array_type(ValueType(analysis, value, nullptr)));
}

// Whether the array operators compare the near array's elements with the value at hand as the view does.
bool IsOfElements(const Analysis* analysis, const core::LineageStep* step, int32 value) {
  const Oid collation = analysis->edge_infos[step->edge_tag].collation;
  return get_element_type(ValueType(analysis, step->match_value, nullptr)) == ValueType(analysis, value, nullptr) && TellsApart(collation);
}

// `operand` under a collation that neither side may have of its own.
const char* Collated(const char* operand, Oid collation) {
  return OidIsValid(collation) && collation != DEFAULT_COLLATION_OID ? psprintf("(%s COLLATE %s)", operand, CollationName(collation)) : operand;
}

// The near array h<alias> holds the value at hand.
const char* HoldsCondition(const Analysis* analysis, const core::LineageStep* step, int32 value, int alias) {
  const EdgeInfo* info = &analysis->edge_infos[step->edge_tag];
  const char* near = Operand(analysis, step->match_value, alias);
  const char* at_hand = Operand(analysis, value, alias - 1);
  if (IsOfElements(analysis, step, value)) {
    return psprintf("%s OPERATOR(pg_catalog.@>) ARRAY[%s]", near, Collated(at_hand, info->collation));
  }
  const Oid element_type = getBaseType(get_element_type(ValueType(analysis, step->match_value, nullptr)));
  const Oid value_type = ValueType(analysis, value, nullptr);
  Comparison comparison = Compare(analysis, step, element_type, value_type);
  const Oid op = ValueType(analysis, analysis->edges[step->edge_tag].far_value, nullptr) == value_type ? get_commutator(info->op)
                                                                                                     : FamilyEquality(info->family, value_type, element_type);
  if (comparison.near_input != element_type && !IsPolymorphicType(comparison.near_input)) {
    near = psprintf("%s::%s[]", near, format_type_be_qualified(comparison.near_input));
  }
  return psprintf("%s %s ANY (%s)", Collated(Cast(at_hand, value_type, comparison.value_input), info->collation), OperatorName(op), near);
}

// What makes a row of the relation h<alias> match the value of the item h<alias - 1>.
const char* Condition(const Analysis* analysis, const core::LineageStep* step, int32 value, int alias) {
  const EdgeInfo* info = &analysis->edge_infos[step->edge_tag];
  if (info->match == Match::kHolds) {
    return HoldsCondition(analysis, step, value, alias);
  }
  Oid value_collation;
  const Oid near_type = ValueType(analysis, step->match_value, nullptr), value_type = ValueType(analysis, value, &value_collation);
  const Comparison comparison = Compare(analysis, step, near_type, value_type);
  const char* near = NearOperand(analysis, step, &comparison, near_type, value_collation, alias);
  if (info->match == Match::kElement) {
    const bool cast = comparison.value_input != getBaseType(get_element_type(value_type)) && !IsPolymorphicType(comparison.value_input);
    const char* array = Operand(analysis, value, alias - 1);
    return psprintf("%s %s ANY (%s)", near, comparison.op, cast ? psprintf("%s::%s[]", array, format_type_be_qualified(comparison.value_input)) : array);
  }
  const char* at_hand = Cast(Operand(analysis, value, alias - 1), value_type, comparison.value_input);
  const char* condition = psprintf("%s %s %s", near, comparison.op, at_hand);
  return info->match == Match::kNullSafe ? psprintf("(%s OR %s IS NULL AND %s IS NULL)", condition, near, at_hand) : condition;
}

// Whether the first step can compare with all captured values at once.
bool TakesArray(const Analysis* analysis, const core::LineageStep* step, int32 value) {
  const EdgeInfo* info = &analysis->edge_infos[step->edge_tag];
  const bool plain_collation = !OidIsValid(info->collation) || info->collation == DEFAULT_COLLATION_OID;
  return IsArrayOfValues(analysis, value) &&
         (info->match == Match::kEqual || (info->match == Match::kHolds && plain_collation && IsOfElements(analysis, step, value)));
}

// The first step when it does: = ANY ($1), or && $1.
void AppendAnyStep(const Analysis* analysis, const core::LineageStep* step, int32 value, StringInfo from, StringInfo where) {
  appendStringInfoString(from, Table(&analysis->occurrences[step->occurrence], 1));
  if (analysis->edge_infos[step->edge_tag].match == Match::kHolds) {
    appendStringInfo(where, " WHERE %s OPERATOR(pg_catalog.&&) $1", Operand(analysis, step->match_value, 1));
    return;
  }
  const Oid near_type = ValueType(analysis, step->match_value, nullptr), value_type = ValueType(analysis, value, nullptr);
  const Comparison comparison = Compare(analysis, step, near_type, value_type);
  const char* values = Cast("$1", value_type, comparison.value_input);
  if (strcmp(values, "$1") != 0) {
    values = psprintf("%s[]", values);
  }
  appendStringInfo(where, " WHERE %s %s ANY (%s)", NearOperand(analysis, step, &comparison, near_type, InvalidOid, 1), comparison.op, values);
}

// Part `part` of the value at hand as a value of the key column.
const char* KeyPart(const Analysis* analysis, int32 value, int alias, int part, const KeyColumn* column) {
  const Node* expr = static_cast<const Node*>(list_nth(analysis->values[value].expressions, part));
  return CastToKey(Operand(analysis, value, alias, part), getBaseType(exprType(expr)), column->type);
}

// The keys of the rows of `relation` whose key has the parts at hand.
const char* RowsWithParts(const Analysis* analysis, int32 value, int alias, const Key* key, const Root* root, Oid relation) {
  StringInfoData select;
  initStringInfo(&select);
  for (int i = 0; i < key->count; ++i) {
    appendStringInfo(&select, "%sr.%s", i == 0 ? "SELECT " : ", ", quote_identifier(key->columns[i].name));
  }
  appendStringInfo(&select, " FROM %s r WHERE ", QualifiedName(relation));
  for (int i = 0; i < root->count; ++i) {
    const KeyColumn* column = &key->columns[root->columns[i]];
    const char* part = KeyPart(analysis, value, alias, i, column);
    if (OidIsValid(column->collation) && column->collation != DEFAULT_COLLATION_OID) {
      part = psprintf("(%s COLLATE %s)", part, CollationName(column->collation));
    }
    appendStringInfo(&select, "%sr.%s %s %s", i == 0 ? "" : " AND ", quote_identifier(column->name),
                     OperatorName(OwnEquality(column->type, InvalidOid).op), part);
  }
  return select.data;
}

// A key of NULLs where a part at hand that may be NULL is: rows without a key are not looked up, they are parked.
const char* WithoutKey(const Analysis* analysis, int32 value, int alias, const Key* key, const Root* root) {
  StringInfoData select, where;
  initStringInfo(&select);
  initStringInfo(&where);
  for (int i = 0; i < key->count; ++i) {
    appendStringInfo(&select, "%sNULL::%s", i == 0 ? " UNION ALL SELECT " : ", ", format_type_be_qualified(key->columns[i].type));
  }
  for (int i = 0; i < root->count; ++i) {
    const KeyColumn* column = &key->columns[root->columns[i]];
    if (column->nullable) {
      appendStringInfo(&where, "%s%s IS NULL", where.len == 0 ? " WHERE " : " OR ", KeyPart(analysis, value, alias, i, column));
    }
  }
  return where.len == 0 ? "" : psprintf("%s%s", select.data, where.data);
}

// The select list, and for a part of the key the item e that it is taken from: a row of the view that changes is stored, or is in
// the view now.
const char* KeyColumns(const Analysis* analysis, int32 value, int alias, const Key* key, const Root* root, StringInfo from) {
  StringInfoData list;
  initStringInfo(&list);
  for (int i = 0; i < key->count; ++i) {
    const KeyColumn* column = &key->columns[i];
    const char* part = root->count < key->count ? psprintf("e.%s", quote_identifier(column->name)) : KeyPart(analysis, value, alias, i, column);
    appendStringInfo(&list, "%s%s", i == 0 ? "" : ", ", part);
  }
  if (root->count < key->count) {
    const char* stored = OidIsValid(key->table) ? psprintf("%s UNION ALL ", RowsWithParts(analysis, value, alias, key, root, key->table)) : "";
    appendStringInfo(from, " JOIN LATERAL (%s%s%s) e ON true", stored, RowsWithParts(analysis, value, alias, key, root, key->view),
                     WithoutKey(analysis, value, alias, key, root));
  }
  return list.data;
}

// The key itself, when all of it is constant: what happened to the rows does not matter.
const char* WordConstantKey(const Analysis* analysis, int32 value, const Key* key) {
  StringInfoData list;
  initStringInfo(&list);
  for (int i = 0; i < key->count; ++i) {
    appendStringInfo(&list, "%s%s", i == 0 ? "SELECT " : ", ", KeyPart(analysis, value, 0, i, &key->columns[i]));
  }
  return list.data;
}

// The conditions of further equalities between the captured row h0 and the row h1.
const char* FurtherConditions(const Analysis* analysis, const Further* further) {
  StringInfoData text;
  initStringInfo(&text);
  const ListCell* cell;
  foreach (cell, further == nullptr ? NIL : further->edges) {
    const core::LineageEdge* edge = &analysis->edges[lfirst_int(cell)];
    const core::LineageStep step = {edge->near, edge->near_value, edge->near_value, edge->tag};
    appendStringInfo(&text, " AND %s", Condition(analysis, &step, edge->far_value, 1));
  }
  return text.data;
}

const char* WordQuery(const Analysis* analysis, int32 value, const core::LineageStep* steps, int step_count, const Key* key, const Root* root,
                      const Further* further) {
  StringInfoData from, where;
  initStringInfo(&from);
  initStringInfo(&where);
  if (analysis->values[value].columns == nullptr) {
    return WordConstantKey(analysis, value, key);
  }
  const bool any = step_count > 0 && further == nullptr && TakesArray(analysis, &steps[0], value);
  if (!any) {
    appendStringInfoString(&from, CapturedItem(analysis, further == nullptr ? value : further->captured));
  }
  for (int i = 0; i < step_count; ++i) {
    if (!OidIsValid(analysis->occurrences[steps[i].occurrence].relation)) {
      return nullptr;
    }
    if (i == 0 && any) {
      AppendAnyStep(analysis, &steps[0], value, &from, &where);
    } else {
      appendStringInfo(&from, " JOIN %s ON %s%s", Table(&analysis->occurrences[steps[i].occurrence], i + 1), Condition(analysis, &steps[i], value, i + 1),
                       i == 0 ? FurtherConditions(analysis, further) : "");
    }
    value = steps[i].next_value;
  }
  const char* columns = KeyColumns(analysis, value, step_count, key, root, &from);
  return psprintf("SELECT DISTINCT %s FROM %s%s", columns, from.data, where.data);
}

}  // namespace

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

const char* MappingQuery(const Analysis* analysis, int32 value, const core::LineageStep* steps, int step_count, const Key* key, const Root* root,
                         const Further* further) {
  const int level = NewGUCNestLevel();
  // So that what is not the server's own is worded with its schema.
  (void)set_config_option("search_path", "pg_catalog", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
  const char* query = WordQuery(analysis, value, steps, step_count, key, root, further);
  AtEOXact_GUC(true, level);
  return query;
}

}  // namespace tviews::lineage
