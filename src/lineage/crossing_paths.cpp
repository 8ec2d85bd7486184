// Paths that pass crossings: to the partition, to all of its rows, and on to the key.
#include "lineage/paths.h"
#include "lineage/walker.h"

namespace tviews::lineage {

namespace {

constexpr int kMaxCrossings = 3;  // on one path

}  // namespace

// From all rows of a partition to the key: `path` is that of `occurrence`, one of the level's own.
struct Way {
  int occurrence;
  int crossings;  // that it passes, its own included
  Path path;
};

namespace {

// The occurrence through which a crossing's rows go on along `found`: it stands in each of them.  -1: there is none.
int ExitOf(const Analysis* analysis, const Crossing* crossing, const core::LineageResult* found, bool is_tuple) {
  int best = -1;
  for (int i = 0; i < analysis->solved_count; ++i) {
    const core::OccurrencePath* path = &found->paths[i];
    const Level* level = analysis->occurrences[i].level;
    if (path->kind == core::PathKind::kNone || (path->next >= 0 && IsBelow(analysis->occurrences[path->next].level, crossing->level))) {
      continue;
    }
    while (level != nullptr && level != crossing->level) {
      level = level->from_parent;
    }
    // Of a key of several columns others than their own sources are roots, too: they must be there.
    if (level != nullptr && is_tuple && path->next < 0 && IsOptionalWithin(level, &analysis->occurrences[i])) {
      continue;
    }
    if (level != nullptr && (best < 0 || path->step_count < found->paths[best].step_count)) {
      best = i;
    }
  }
  return best;
}

struct OuterReference {
  Index depth;
};

// Whether `node` refers to a level above the one it stands in.
bool RefersOutside(Node* node, OuterReference* at) {
  if (node == nullptr) {
    return false;
  }
  if (IsA(node, Var)) {
    return reinterpret_cast<Var*>(node)->varlevelsup > at->depth;
  }
  if (IsA(node, Aggref)) {
    if (reinterpret_cast<Aggref*>(node)->agglevelsup > at->depth) {
      return true;
    }
  } else if (IsA(node, RangeTblEntry)) {
    const RangeTblEntry* entry = reinterpret_cast<RangeTblEntry*>(node);
    return entry->rtekind == RTE_CTE && entry->ctelevelsup > at->depth;
  } else if (IsA(node, Query)) {
    OuterReference below = {at->depth + 1};
    return WalkQuery(reinterpret_cast<Query*>(node), RefersOutside, &below, QTW_EXAMINE_RTES_BEFORE);
  }
  return WalkChildren(node, RefersOutside, at);
}

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

// A source of rows with the partition as `column` and, as `outputs`, what the way's path captures; null when it cannot be worded.
struct RowsOf {
  const char* table;
  const char* partition;
  const char* outputs;
};

bool WordTable(Analysis* analysis, const Crossing* crossing, const Way* way, RowsOf* rows) {
  const Target* partition = ResolveExpression(analysis, crossing->level, nullptr, crossing->partition, Resolve::kEnter);
  const Occurrence* occurrence = &analysis->occurrences[way->occurrence];
  if (partition == nullptr || partition->occurrence != way->occurrence || !OidIsValid(occurrence->relation) || PlainColumn(analysis, partition->value) <= 0) {
    return false;
  }
  rows->table = psprintf("%s%s b", occurrence->only ? "ONLY " : "", QualifiedName(occurrence->relation));
  rows->partition = psprintf("b.%s", quote_identifier(get_attname(occurrence->relation, PlainColumn(analysis, partition->value), false)));
  StringInfoData outputs;
  initStringInfo(&outputs);
  for (int i = 0; i < way->path.column_count; ++i) {
    const char* column = psprintf("b.%s", quote_identifier(get_attname(occurrence->relation, way->path.columns[i], false)));
    appendStringInfo(&outputs, "%s%s", i > 0 ? ", " : "", Captured(column, get_atttype(occurrence->relation, way->path.columns[i]), JsonPath(&way->path, i)));
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

// The level itself, without its windows and without what narrows its rows: more of them do no harm.
bool WordLevel(Analysis* analysis, const Crossing* crossing, const Way* way, RowsOf* rows) {
  List* outputs = list_make1(makeTargetEntry(static_cast<Expr*>(copyObjectImpl(crossing->partition)), 1, pstrdup("p"), false));
  StringInfoData text;
  initStringInfo(&text);
  for (int i = 0; i < way->path.column_count; ++i) {
    Node* expr = Showing(analysis, crossing->level, way->occurrence, way->path.columns[i]);
    if (expr == nullptr) {
      return false;
    }
    char* name = psprintf("c%d", i + 1);
    outputs = lappend(outputs, makeTargetEntry(static_cast<Expr*>(copyObjectImpl(expr)), i + 2, name, false));
    appendStringInfo(&text, "%s%s", i > 0 ? ", " : "", Captured(psprintf("b.%s", name), exprType(expr), JsonPath(&way->path, i)));
  }
  Query* query = static_cast<Query*>(copyObjectImpl(crossing->level->query));
  query->targetList = outputs;
  query->windowClause = query->distinctClause = query->sortClause = query->groupClause = NIL;
  query->havingQual = nullptr;
  query->hasDistinctOn = query->hasWindowFuncs = query->hasAggs = query->hasTargetSRFs = false;
  DropOuterConditions(reinterpret_cast<Node*>(query->jointree));
  OuterReference here = {0};
  if (WalkQuery(query, RefersOutside, &here, QTW_EXAMINE_RTES_BEFORE) || contain_agg_clause(reinterpret_cast<Node*>(outputs)) ||
      contain_window_function(reinterpret_cast<Node*>(outputs))) {
    return false;
  }
  rows->table = psprintf("(%s) b", Deparse(query));
  rows->partition = "b.p";
  rows->outputs = text.data;
  return true;
}

// The query that leads from captured columns (`first`, to the partition) by all rows of the partition to the key; null: not possible.
const char* Compose(Analysis* analysis, const Crossing* crossing, const Path* first, const Way* way) {
  RowsOf rows;
  if (!WordTable(analysis, crossing, way, &rows) && !WordLevel(analysis, crossing, way, &rows)) {
    return nullptr;
  }
  const char* type = format_type_be_qualified(get_array_type(crossing->key.columns->type));
  const bool is_plain = first->kind == catalog::MappingKind::kKey;
  const char* values = is_plain ? "$1" : psprintf("ARRAY(%s)", first->query);
  values = crossing->has_optional ? psprintf("pg_catalog.array_append(%s, NULL)", values) : values;
  const bool is_named = strcmp(values, "$1") != 0 && crossing->may_be_null;
  const char* use = is_named ? psprintf("((SELECT p.v FROM p)::%s)", type) : psprintf("(%s)", values);
  const char* partition = psprintf("%s%s%s", rows.partition, OidIsValid(crossing->key.columns->collation) ? " COLLATE " : "", OidIsValid(crossing->key.columns->collation) ? CollationName(crossing->key.columns->collation) : "");
  StringInfoData query;
  initStringInfo(&query);
  if (is_named) {
    appendStringInfo(&query, "WITH p(v) AS MATERIALIZED (SELECT %s) ", values);
  }
  appendStringInfo(&query, "SELECT DISTINCT %s FROM %s WHERE %s %s ANY %s", rows.outputs, rows.table, partition, OperatorName(OwnEquality(crossing->key.columns->type, InvalidOid).op), use);
  if (crossing->may_be_null) {
    // Apart, so that the condition on the values alone spares the search for NULLs.
    appendStringInfo(&query, " UNION SELECT %s FROM %s WHERE %s IS NULL AND pg_catalog.array_position(%s, NULL) IS NOT NULL", rows.outputs, rows.table, rows.partition, use);
  }
  return ContinueFrom(query.data, &way->path);
}

// `first` continued by each of the crossing's ways.  False when one cannot be worded.
bool Continue(Analysis* analysis, const Crossing* crossing, const Path* first, int occurrence, List** ways) {
  ListCell* cell;
  foreach (cell, crossing->ways) {
    const Way* way = static_cast<const Way*>(lfirst(cell));
    const char* query = Compose(analysis, crossing, first, way);
    if (query == nullptr || way->crossings >= kMaxCrossings) {
      return false;
    }
    Way* longer = static_cast<Way*>(palloc0(sizeof(Way)));
    *longer = {occurrence, way->crossings + 1, *first};
    longer->path.kind = catalog::MappingKind::kPartition;
    longer->path.query = query;
    // Also a row without a partner, whose own value is NULL, stands in the partition of NULLs.
    longer->path.nulls = longer->path.nulls || crossing->has_optional || (first->kind == catalog::MappingKind::kKey && crossing->may_be_null);
    *ways = lappend(*ways, longer);
  }
  return crossing->ways != NIL;
}

bool WordFirst(const Analysis* analysis, Crossing* crossing, int occurrence, Path* path) {
  *path = {};
  path->relation = analysis->occurrences[occurrence].relation;
  return crossing->partition != nullptr && WordWay(analysis, occurrence, &crossing->solution, &crossing->key, path);
}

// The ways of one crossing; NIL when one of them cannot be had.
List* WaysOf(Analysis* analysis, const List* crossings, const Crossing* crossing, Solution* to_key, const Key* key) {
  Way* direct = static_cast<Way*>(palloc0(sizeof(Way)));
  direct->occurrence = ExitOf(analysis, crossing, &to_key->found, key->count > 1);
  if (direct->occurrence < 0 || !WordWay(analysis, direct->occurrence, to_key, key, &direct->path)) {
    return NIL;
  }
  List* ways = list_make1(direct);
  ListCell* cell;
  foreach (cell, crossings) {
    Crossing* outer = static_cast<Crossing*>(lfirst(cell));
    Bitmapset* used;
    bool any;
    Path first;
    const int exit = outer != crossing && IsBelow(crossing->level, outer->level) ? ExitOf(analysis, crossing, &outer->solution.found, false) : -1;
    if (outer == crossing || !IsBelow(crossing->level, outer->level) || (exit >= 0 && !Concerns(analysis, outer, exit, &used, &any))) {
      continue;
    }
    if (exit < 0 || !WordFirst(analysis, outer, exit, &first) || !Continue(analysis, outer, &first, exit, &ways)) {
      return NIL;
    }
  }
  return ways;
}

}  // namespace

void FindWays(Analysis* analysis, List* crossings, Solution* to_key, const Key* key) {
  ListCell* cell;
  foreach (cell, crossings) {  // outer ones first
    Crossing* crossing = static_cast<Crossing*>(lfirst(cell));
    crossing->ways = WaysOf(analysis, crossings, crossing, to_key, key);
  }
}

bool WordCrossingPaths(Analysis* analysis, const List* crossings, int occurrence, List** paths) {
  ListCell* cell;
  foreach (cell, crossings) {
    Crossing* crossing = static_cast<Crossing*>(lfirst(cell));
    Bitmapset* used;
    bool any;
    if (!Concerns(analysis, crossing, occurrence, &used, &any)) {
      continue;
    }
    Path first;
    List* ways = NIL;
    if (!WordFirst(analysis, crossing, occurrence, &first) || !Continue(analysis, crossing, &first, occurrence, &ways)) {
      NoteRange(analysis, occurrence, occurrence + 1, "it does not lead to the partition of a window function or DISTINCT ON, or that not to the key", 8);
      return false;
    }
    ListCell* at;
    foreach (at, ways) {
      Path* path = &static_cast<Way*>(lfirst(at))->path;
      if (!any) {
        path->used = used;
        for (int i = 0; i < path->column_count; ++i) {
          path->used = bms_add_member(bms_copy(path->used), path->columns[i]);
        }
      }
      *paths = lappend(*paths, path);
    }
  }
  return true;
}

}  // namespace tviews::lineage
