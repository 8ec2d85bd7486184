// The SQL that leads from a crossing's partitions to all of their rows.
#include "lineage/paths.h"
#include "lineage/walker.h"

namespace tviews::lineage {

namespace {

// `condition` without the conjuncts that refer to outer levels.
Node* WithoutOuter(Node* condition) {
  OuterReference here = {0};
  if (condition == nullptr || !RefersOutside(condition, &here)) {
    return condition;
  }
  if (!IsA(condition, BoolExpr) || reinterpret_cast<BoolExpr*>(condition)->boolop != AND_EXPR) {
    return nullptr;
  }
  List* kept = NIL;
  ListCell* cell;
  foreach (cell, reinterpret_cast<BoolExpr*>(condition)->args) {
    Node* part = WithoutOuter(static_cast<Node*>(lfirst(cell)));
    if (part != nullptr) {
      kept = lappend(kept, part);
    }
  }
  return reinterpret_cast<Node*>(kept == NIL ? nullptr : make_ands_explicit(kept));
}

void DropOuterConditions(Node* node) {
  check_stack_depth();
  if (IsA(node, FromExpr)) {
    FromExpr* from = castNode(FromExpr, node);
    ListCell* cell;
    foreach (cell, from->fromlist) {
      DropOuterConditions(static_cast<Node*>(lfirst(cell)));
    }
    from->quals = WithoutOuter(from->quals);
  } else if (IsA(node, JoinExpr)) {
    JoinExpr* join = castNode(JoinExpr, node);
    DropOuterConditions(join->larg);
    DropOuterConditions(join->rarg);
    if (join->jointype == JOIN_INNER) {  // an outer join would null-extend fewer rows
      join->quals = WithoutOuter(join->quals);
    }
  }
}

bool Is(const Target* target, int occurrence, int32 value) {
  return target != nullptr && target->occurrence == occurrence && target->value == value;
}

// Whether the name of the entry is hidden by that of a JOIN it stands in.
bool IsHidden(Node* node, int index, bool below_alias) {
  check_stack_depth();
  if (IsA(node, RangeTblRef)) {
    return below_alias && castNode(RangeTblRef, node)->rtindex == index;
  }
  if (IsA(node, JoinExpr)) {
    const JoinExpr* join = castNode(JoinExpr, node);
    if (join->rtindex == index) {
      return below_alias;
    }
    below_alias = below_alias || join->alias != nullptr;
    return IsHidden(join->larg, index, below_alias) || IsHidden(join->rarg, index, below_alias);
  }
  ListCell* cell;
  foreach (cell, castNode(FromExpr, node)->fromlist) {
    if (IsHidden(static_cast<Node*>(lfirst(cell)), index, below_alias)) {
      return true;
    }
  }
  return false;
}

// The columns that the entry of the level offers: expressions, in order.
List* ColumnsOf(const Analysis* analysis, const Level* level, int index, AttrNumber wanted) {
  const RangeTblEntry* entry = rt_fetch(index, level->query->rtable);
  const Item* item = &level->items[index];
  List* vars = NIL;
  ListCell* cell;
  if (item->kind == ItemKind::kRelation) {
    Oid type, collation;
    int32 typmod;
    get_atttypetypmodcoll(analysis->occurrences[item->occurrence].relation, wanted, &type, &typmod, &collation);
    vars = list_make1(makeVar(index, wanted, type, typmod, collation, 0));
  } else if (item->kind == ItemKind::kJoin && entry->alias != nullptr) {
    AttrNumber number = 0;
    foreach (cell, entry->joinaliasvars) {
      const Node* expr = static_cast<const Node*>(lfirst(cell));
      vars = lappend(vars, makeVar(index, ++number, exprType(expr), exprTypmod(expr), exprCollation(expr), 0));
    }
  } else if (item->kind == ItemKind::kLevel) {
    foreach (cell, item->child->query->targetList) {
      const TargetEntry* output = lfirst_node(TargetEntry, cell);
      const Node* expr = reinterpret_cast<const Node*>(output->expr);
      if (!output->resjunk) {
        vars = lappend(vars, makeVar(index, output->resno, exprType(expr), exprTypmod(expr), exprCollation(expr), 0));
      }
    }
  }
  return vars;
}

// The expression of `level` that shows column `column` of `occurrence`; null when none does.
Node* Showing(Analysis* analysis, Level* level, int occurrence, AttrNumber column) {
  const int32 value = ColumnValue(analysis, occurrence, column);
  ListCell* cell;
  for (int index = 1; index <= list_length(level->query->rtable); ++index) {
    const Item* item = &level->items[index];
    if ((item->kind == ItemKind::kRelation && item->occurrence != occurrence) || IsHidden(reinterpret_cast<Node*>(level->query->jointree), index, false)) {
      continue;
    }
    const List* vars = ColumnsOf(analysis, level, index, column);
    foreach (cell, vars) {
      if (Is(ResolveVar(analysis, level, lfirst_node(Var, cell), Resolve::kEnter), occurrence, value)) {
        return static_cast<Node*>(lfirst(cell));
      }
    }
  }
  foreach (cell, level->query->targetList) {
    Node* expr = reinterpret_cast<Node*>(lfirst_node(TargetEntry, cell)->expr);
    if (Is(ResolveExpression(analysis, level, nullptr, expr, Resolve::kEnter), occurrence, value)) {
      return expr;
    }
  }
  return nullptr;
}

// Rows of the level: their partition, one expression for each of its columns, and what the way's path captures.
struct RowsOf {
  const char* table;
  const char** partition;
  const char* outputs;
  bool nested;  // of a sub-select: conditions on values reach into it, joins may not
};

int Width(const Crossing* crossing) { return crossing->key.count; }

// From the way's relation itself, where it has all columns of the partition.
bool WordTable(Analysis* analysis, const Crossing* crossing, const Way* way, RowsOf* rows) {
  const Oid relation = analysis->occurrences[way->occurrence].relation;
  for (int i = 0; i < Width(crossing); ++i) {
    const Node* expr = static_cast<const Node*>(list_nth(crossing->partition, i));
    const Target* partition = ResolveExpression(analysis, crossing->level, nullptr, expr, Resolve::kEnter);
    if (partition == nullptr || partition->occurrence != way->occurrence || !OidIsValid(relation) || PlainColumn(analysis, partition->value) <= 0) {
      return false;
    }
    const AttrNumber number = PlainColumn(analysis, partition->value);
    const char* column = psprintf("b.%s", quote_identifier(get_attname(relation, number, false)));
    const Oid type = crossing->key.columns[i].type;  // the column may be one under another type, which has the equality
    rows->partition[i] = getBaseType(get_atttype(relation, number)) == type ? column : psprintf("%s::%s", column, format_type_be_qualified(type));
  }
  rows->table = psprintf("%s%s b", analysis->occurrences[way->occurrence].only ? "ONLY " : "", QualifiedName(relation));
  StringInfoData outputs;
  initStringInfo(&outputs);
  for (int i = 0; i < way->path.column_count; ++i) {
    const char* column = psprintf("b.%s", quote_identifier(get_attname(relation, way->path.columns[i], false)));
    appendStringInfo(&outputs, "%s%s", i > 0 ? ", " : "", Captured(column, get_atttype(relation, way->path.columns[i]), JsonPath(&way->path, i)));
  }
  rows->outputs = outputs.data;
  return true;
}

const char* Deparse(Query* query) {
  const int nest = NewGUCNestLevel();
  (void)set_config_option("search_path", "pg_catalog", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
  const char* text = pg_get_querydef(query, false);
  AtEOXact_GUC(true, nest);
  return text;
}

// What the rows of the level show: the partition as p1, p2, ..., what the way's path captures as c1, c2, ...; NIL: they do not show it all.
List* ShownColumns(Analysis* analysis, const Crossing* crossing, const Way* way, RowsOf* rows) {
  List* outputs = NIL;
  for (int i = 0; i < Width(crossing); ++i) {
    Expr* expr = static_cast<Expr*>(copyObjectImpl(list_nth(crossing->partition, i)));
    outputs = lappend(outputs, makeTargetEntry(expr, i + 1, psprintf("p%d", i + 1), false));
    rows->partition[i] = psprintf("b.p%d", i + 1);
  }
  StringInfoData text;
  initStringInfo(&text);
  for (int i = 0; i < way->path.column_count; ++i) {
    Node* expr = Showing(analysis, crossing->level, way->occurrence, way->path.columns[i]);
    if (expr == nullptr) {
      return NIL;
    }
    char* name = psprintf("c%d", i + 1);
    outputs = lappend(outputs, makeTargetEntry(static_cast<Expr*>(copyObjectImpl(expr)), list_length(outputs) + 1, name, false));
    appendStringInfo(&text, "%s%s", i > 0 ? ", " : "", Captured(psprintf("b.%s", name), exprType(expr), JsonPath(&way->path, i)));
  }
  rows->outputs = text.data;
  return outputs;
}

// The level itself, without its windows and without what narrows its rows: more of them do no harm.
bool WordLevel(Analysis* analysis, const Crossing* crossing, const Way* way, RowsOf* rows) {
  List* outputs = ShownColumns(analysis, crossing, way, rows);
  Query* query = static_cast<Query*>(copyObjectImpl(crossing->level->query));
  query->targetList = outputs;
  query->windowClause = query->distinctClause = query->sortClause = query->groupClause = NIL;
  query->havingQual = nullptr;
  query->hasDistinctOn = query->hasWindowFuncs = query->hasAggs = query->hasTargetSRFs = false;
  DropOuterConditions(reinterpret_cast<Node*>(query->jointree));
  OuterReference here = {0};
  if (outputs == NIL || WalkQuery(query, RefersOutside, &here, QTW_EXAMINE_RTES_BEFORE) || contain_agg_clause(reinterpret_cast<Node*>(outputs)) ||
      contain_window_function(reinterpret_cast<Node*>(outputs))) {
    return false;
  }
  rows->table = psprintf("(%s) b", Deparse(query));
  rows->nested = true;
  return true;
}

const char* EqualTo(const KeyColumn* column) { return OperatorName(OwnEquality(column->type, InvalidOid).op); }

const char* Operand(const RowsOf* rows, const Crossing* crossing, int i) {
  const Oid collation = crossing->key.columns[i].collation;
  return OidIsValid(collation) ? psprintf("%s COLLATE %s", rows->partition[i], CollationName(collation)) : rows->partition[i];
}

// A partition of one column: its values are an array.
const char* ByColumn(const Crossing* crossing, const RowsOf* rows, const Path* first) {
  const KeyColumn* column = crossing->key.columns;
  const bool is_plain = first->kind == catalog::MappingKind::kKey;
  const char* values = is_plain ? "$1" : psprintf("ARRAY(%s)", first->query);
  values = crossing->has_optional ? psprintf("pg_catalog.array_append(%s, NULL)", values) : values;
  const bool is_named = strcmp(values, "$1") != 0 && crossing->may_be_null;
  const char* use = is_named ? psprintf("((SELECT p.v FROM p)::%s)", format_type_be_qualified(get_array_type(column->type))) : psprintf("(%s)", values);
  StringInfoData query;
  initStringInfo(&query);
  if (is_named) {
    appendStringInfo(&query, "WITH p(v) AS MATERIALIZED (SELECT %s) ", values);
  }
  appendStringInfo(&query, "SELECT DISTINCT %s FROM %s WHERE %s %s ANY %s", rows->outputs, rows->table, Operand(rows, crossing, 0), EqualTo(column), use);
  if (crossing->may_be_null) {
    // Apart, so that the condition on the values alone spares the search for NULLs.
    appendStringInfo(&query, " UNION SELECT %s FROM %s WHERE %s IS NULL AND pg_catalog.array_position(%s, NULL) IS NOT NULL", rows->outputs, rows->table, rows->partition[0], use);
  }
  return query.data;
}

// The values of a partition of several columns, as p(v1, v2, ...).
const char* NamedValues(const Crossing* crossing, const Path* first) {
  StringInfoData names, arrays, nulls;
  initStringInfo(&names);
  initStringInfo(&arrays);
  initStringInfo(&nulls);
  for (int i = 0; i < Width(crossing); ++i) {
    const char* separator = i == 0 ? "" : ", ";
    appendStringInfo(&names, "%sv%d", separator, i + 1);
    appendStringInfo(&arrays, "%spg_catalog.unnest($%d)", separator, i + 1);
    appendStringInfo(&nulls, "%sNULL::%s", separator, format_type_be_qualified(crossing->key.columns[i].type));
  }
  const char* values = first->kind == catalog::MappingKind::kKey ? psprintf("SELECT * FROM ROWS FROM (%s) u", arrays.data) : psprintf("(%s)", first->query);
  const char* optional = crossing->has_optional ? psprintf(" UNION ALL SELECT %s", nulls.data) : "";
  return psprintf("WITH p(%s) AS MATERIALIZED (%s%s) ", names.data, values, optional);
}

// A partition of several columns.  `is_null`: those with a NULL, where NULL equals NULL.
const char* PartnersOfValues(const Crossing* crossing, const RowsOf* rows, bool is_null) {
  StringInfoData partners, nulls;
  initStringInfo(&partners);
  initStringInfo(&nulls);
  for (int i = 0; i < Width(crossing); ++i) {
    const char *column = Operand(rows, crossing, i), *equal = EqualTo(&crossing->key.columns[i]), *bare = rows->partition[i];
    const char* same = psprintf("%s %s p.v%d", column, equal, i + 1);
    const char* among = psprintf("%s %s ANY (ARRAY(SELECT DISTINCT p.v%d FROM p))", column, equal, i + 1);
    appendStringInfo(&partners, is_null ? "%s(%s OR (%s IS NULL AND p.v%d IS NULL))" : "%s%s", i == 0 ? "" : " AND ", same, bare, i + 1);
    if (rows->nested) {
      appendStringInfo(&partners, is_null ? " AND (%s OR %s IS NULL)" : " AND %s", among, bare);
    }
    appendStringInfo(&nulls, "%sp.v%d IS NULL", i == 0 ? "" : " OR ", i + 1);
  }
  const char* only = is_null ? psprintf(" WHERE (%s) AND EXISTS (SELECT FROM p WHERE %s)", nulls.data, nulls.data) : "";
  return psprintf("SELECT %s FROM p JOIN %s ON %s%s", rows->outputs, rows->table, partners.data, only);
}

}  // namespace

const char* ThroughPartition(Analysis* analysis, const Crossing* crossing, const Path* first, const Way* way) {
  RowsOf rows = {};
  rows.partition = static_cast<const char**>(palloc(Width(crossing) * sizeof(char*)));
  if (!WordTable(analysis, crossing, way, &rows) && !WordLevel(analysis, crossing, way, &rows)) {
    return nullptr;
  }
  if (Width(crossing) == 1) {
    return ContinueFrom(ByColumn(crossing, &rows, first), &way->path);
  }
  const char* nulls = crossing->may_be_null ? psprintf(" UNION %s", PartnersOfValues(crossing, &rows, true)) : "";
  return ContinueFrom(psprintf("%sSELECT DISTINCT * FROM (%s%s) r", NamedValues(crossing, first), PartnersOfValues(crossing, &rows, false), nulls), &way->path);
}

}  // namespace tviews::lineage
