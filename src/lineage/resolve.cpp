// Follows a Var through joins, sub-selects, views and CTEs to the relation column it stands for.
#include "lineage/paths.h"

namespace tviews::lineage {

namespace {

Target* NewTarget(Analysis* analysis, int occurrence, AttrNumber column) {
  Target* target = static_cast<Target*>(palloc(sizeof(Target)));
  *target = {occurrence, ColumnValue(analysis, occurrence, column), nullptr, InvalidOid};
  return target;
}

bool IsLimited(const Node* count) { return count != nullptr && !(IsA(count, Const) && reinterpret_cast<const Const*>(count)->constisnull); }

// Whether equal values of the column may differ in more than their bytes, so that a group stands for values the outer equality
// tells apart.
bool IsLooselyGrouped(const Node* expr) {
  const Oid collation = exprCollation(expr);
  return OidIsValid(collation) && !get_collation_isdeterministic(collation);
}

// Why rows of `query` with one value of output column `entry` depend on its other rows; null when they do not.
const char* WhyDependent(const Query* query, const TargetEntry* entry) {
  if (query->hasDistinctOn && !IsIn(entry, query->distinctClause)) {
    return "DISTINCT ON chooses among its rows by other columns";
  }
  if (query->hasWindowFuncs) {
    ListCell* cell;
    foreach (cell, query->windowClause) {
      if (!IsIn(entry, lfirst_node(WindowClause, cell)->partitionClause)) {
        return "a window function looks across its rows by other columns";
      }
    }
  }
  return nullptr;
}

// Why a condition on output column `entry` could not be pushed into `query`; null when it could (as allpaths.c:
// subquery_is_pushdown_safe and check_output_expressions judge it; GROUPING SETS besides).  `crossing`: or when barriers help.
const char* WhyNoExit(const Query* query, const TargetEntry* entry, bool crossing) {
  if (IsLimited(query->limitCount) || IsLimited(query->limitOffset)) {
    return "LIMIT or OFFSET chooses among its rows";
  }
  if (query->groupingSets != NIL) {
    return "GROUPING SETS, ROLLUP or CUBE combine its rows across groups";
  }
  const char* dependent = WhyDependent(query, entry);
  if (dependent != nullptr && !(crossing && HasPartition(query))) {
    return dependent;
  }
  const Node* expr = reinterpret_cast<const Node*>(entry->expr);
  if ((query->groupClause != NIL || query->distinctClause != NIL || query->hasWindowFuncs) &&
      (IsLooselyGrouped(expr) || IsLooselyGrouped(StripRelabel(expr)))) {
    return "its rows are grouped under a nondeterministic collation";
  }
  return nullptr;
}

// Whether a constant in the select list is the same in all rows: nothing null-extends it, no other branch has another.
bool IsSameInAllRows(const Level* level) { return level->query->setOperations == nullptr && level->query->groupingSets == NIL && !level->inert; }

Oid FamilyOf(const TargetEntry* entry) { return OwnEquality(exprType(reinterpret_cast<const Node*>(entry->expr)), InvalidOid).family; }

// The GROUP BY column that output column `entry` shows, perhaps relabelled; null when it shows none (it depends on a primary key).
const TargetEntry* GroupColumn(const Query* query, const TargetEntry* entry) {
  if (IsIn(entry, query->groupClause)) {
    return entry;
  }
  ListCell* cell;
  foreach (cell, query->groupClause) {
    const TargetEntry* column = get_sortgroupclause_tle(lfirst_node(SortGroupClause, cell), query->targetList);
    if (equal(StripRelabel(reinterpret_cast<const Node*>(column->expr)), StripRelabel(reinterpret_cast<const Node*>(entry->expr)))) {
      return column;
    }
  }
  return nullptr;
}

// Whether an expression over the groups of `query` has one value for all rows of a group: it is what they are grouped by, or equal
// values of all group columns have equal bytes.
bool GroupsKeepBytes(Analysis* analysis, const Query* query, const TargetEntry* entry) {
  ListCell* cell;
  if (GroupColumn(query, entry) != nullptr) {
    return true;
  }
  foreach (cell, query->groupClause) {
    const Node* column = reinterpret_cast<const Node*>(get_sortgroupclause_tle(lfirst_node(SortGroupClause, cell), query->targetList)->expr);
    if (EqualityClassOf(analysis, exprType(column), exprCollation(column)) == 0) {
      return false;
    }
  }
  return true;
}

// Leaves out the targets that a level below groups by another equality than `family` (text above citext: a group's text is that
// of one of its rows).
Target* GroupBy(Analysis* analysis, Target* targets, Oid family) {
  targets = ComparableBy(analysis, targets, family);
  for (Target* target = targets; target != nullptr; target = target->next) {
    target->grouped_by = family;
  }
  return targets;
}

Target* Group(Analysis* analysis, const Query* query, const TargetEntry* entry, Target* targets) {
  const TargetEntry* column = GroupColumn(query, entry);
  if (column != nullptr) {
    targets = GroupBy(analysis, targets, FamilyOf(column));
  }
  if (query->distinctClause != NIL || query->setOperations != nullptr || query->hasWindowFuncs) {
    targets = GroupBy(analysis, targets, FamilyOf(entry));
  }
  return targets;
}

// A column of a JOIN: an alias of one side's column, or merged from both by FULL JOIN ... USING.
Target* ResolveJoinColumn(Analysis* analysis, Level* level, const Var* var, Resolve mode) {
  const RangeTblEntry* entry = rt_fetch(var->varno, level->query->rtable);
  if (var->varattno <= 0 || var->varattno > list_length(entry->joinaliasvars)) {
    return nullptr;
  }
  return ResolveExpression(analysis, level, nullptr, static_cast<const Node*>(list_nth(entry->joinaliasvars, var->varattno - 1)), mode);
}

// Output column `number` of every branch of a set operation.
Target* ResolveBranches(Analysis* analysis, Level* level, const Node* node, AttrNumber number, Oid type) {
  check_stack_depth();
  if (IsA(node, SetOperationStmt)) {
    const SetOperationStmt* operation = reinterpret_cast<const SetOperationStmt*>(node);
    Target* left = ResolveBranches(analysis, level, operation->larg, number, type);
    return AppendTargets(left, ResolveBranches(analysis, level, operation->rarg, number, type));
  }
  Level* branch = level->items[reinterpret_cast<const RangeTblRef*>(node)->rtindex].child;
  const TargetEntry* entry = branch == nullptr ? nullptr : get_tle_by_resno(branch->query->targetList, number);
  if (entry == nullptr || exprType(reinterpret_cast<const Node*>(entry->expr)) != type) {
    return nullptr;
  }
  return ResolveOutput(analysis, branch, number, Resolve::kExit);
}

Target* ResolveLevelColumn(Analysis* analysis, Level* level, const Var* var, Resolve mode) {
  Level* child = level->items[var->varno].child;
  if (child->query->setOperations == nullptr) {
    Target* targets = ResolveOutput(analysis, child, var->varattno, mode);
    Target* exits = targets != nullptr || mode == Resolve::kExit ? targets : ResolveOutput(analysis, child, var->varattno, Resolve::kExit);
    if (exits == nullptr) {
      exits = targets;
    }
    const bool plain = exits != nullptr ? !IsSetReturning(analysis, exits->value) : ResolveOutput(analysis, child, var->varattno, Resolve::kEnter) != nullptr;
    return plain ? targets : ResolveOpaqueColumn(analysis, level, var, exits, mode);
  }
  if (mode == Resolve::kEnter && child->chosen != 0) {
    Level* branch = child->items[child->chosen].child;
    const TargetEntry* entry = branch == nullptr ? nullptr : get_tle_by_resno(branch->query->targetList, var->varattno);
    const bool same = entry != nullptr && exprType(reinterpret_cast<const Node*>(entry->expr)) == var->vartype;
    return same ? ResolveOutput(analysis, branch, var->varattno, Resolve::kEnter) : nullptr;
  }
  Target* sources = ResolveOutput(analysis, child, var->varattno, Resolve::kExit);
  if (sources == nullptr && mode == Resolve::kExit) {
    return nullptr;
  }
  Var* own = static_cast<Var*>(copyObjectImpl(var));
  own->varlevelsup = 0;
  List* arms = list_make1(own);
  return Merge(analysis, level, arms, var->vartype, var->varcollid, child->from, sources, mode);
}

}  // namespace

bool IsIn(const TargetEntry* entry, List* clause) {
  return entry->ressortgroupref != 0 && get_sortgroupref_clause_noerr(entry->ressortgroupref, clause) != nullptr;
}

Target* AppendTargets(Target* list, Target* more) {
  if (list == nullptr) {
    return more;
  }
  Target* last = list;
  while (last->next != nullptr) {
    last = last->next;
  }
  last->next = more;
  return list;
}

bool IsComparableBy(Analysis* analysis, const Target* target, Oid family) {
  if (!OidIsValid(target->grouped_by) || target->grouped_by == family) {
    return true;
  }
  NoteRange(analysis, target->occurrence, target->occurrence + 1, "its rows are grouped by another equality than the one they are compared with", 5);
  return false;
}

Target* ComparableBy(Analysis* analysis, Target* targets, Oid family) {
  Target* kept = nullptr;
  Target** end = &kept;
  for (Target* target = targets; target != nullptr; target = target->next) {
    if (IsComparableBy(analysis, target, family)) {
      *end = target;
      end = &target->next;
    }
  }
  *end = nullptr;
  return kept;
}

void NoteRange(Analysis* analysis, int from, int to, const char* note, int rank) {
  for (int i = from; i < to; ++i) {
    Occurrence* occurrence = &analysis->occurrences[i];
    if (rank > occurrence->note_rank) {
      occurrence->note = note;
      occurrence->note_rank = rank;
    }
  }
}

const Node* StripRelabel(const Node* expr) {
  while (expr != nullptr && (IsA(expr, RelabelType) || IsA(expr, CollateExpr))) {
    // The collation is not lost: the comparison carries its own.
    expr = reinterpret_cast<const Node*>(IsA(expr, CollateExpr) ? reinterpret_cast<const CollateExpr*>(expr)->arg
                                                                : reinterpret_cast<const RelabelType*>(expr)->arg);
  }
  return expr;
}

Target* ResolveExpression(Analysis* analysis, Level* level, const Join* join, const Node* expr, Resolve mode) {
  check_stack_depth();
  const Node* bare = StripRelabel(expr);
  if (bare == nullptr) {
    return nullptr;
  }
  if (IsA(bare, Var)) {
    return ResolveVar(analysis, level, reinterpret_cast<const Var*>(bare), mode);
  }
  Target* merged = IsA(bare, CoalesceExpr) ? ResolveCoalesce(analysis, level, bare, mode) : nullptr;
  return merged != nullptr ? merged : ResolveGeneral(analysis, level, join, bare, mode);
}

Target* ResolveVar(Analysis* analysis, Level* level, const Var* var, Resolve mode) {
  check_stack_depth();
  Level* at = level;
  for (Index up = 0; up < var->varlevelsup; ++up) {
    at = at->scope;
    if (at == nullptr) {
      elog(ERROR, "a column refers to a query level that does not exist");
    }
  }
  if (var->varlevelsup > 0 && mode == Resolve::kExit) {
    return nullptr;  // an outer row does not contribute to what an inner level makes of it alone
  }
  const Item* item = &at->items[var->varno];
  switch (item->kind) {
    case ItemKind::kRelation:
      return var->varattno > 0 ? NewTarget(analysis, item->occurrence, var->varattno) : nullptr;
    case ItemKind::kJoin:
      return ResolveJoinColumn(analysis, at, var, mode);
    case ItemKind::kLevel:
      return var->varattno > 0 ? ResolveLevelColumn(analysis, at, var, mode) : nullptr;
    case ItemKind::kRows:
      return var->varattno > 0 ? ResolveRows(analysis, at, var, mode) : nullptr;
    case ItemKind::kOpaque:
      return nullptr;
  }
  return nullptr;
}

Target* ResolveOutput(Analysis* analysis, Level* level, AttrNumber number, Resolve mode) {
  check_stack_depth();
  const TargetEntry* entry = get_tle_by_resno(level->query->targetList, number);
  if (entry == nullptr || entry->resjunk) {
    return nullptr;
  }
  const Node* expr = StripRelabel(reinterpret_cast<const Node*>(entry->expr));
  if (mode == Resolve::kExit) {
    Target* constant = IsSameInAllRows(level) ? ResolveConstant(analysis, level, expr) : nullptr;
    if (constant != nullptr) {
      return constant;
    }
    const char* why = level->inert ? "it is read by a recursive CTE" : WhyNoExit(level->query, entry, analysis->may_cross);
    if (why != nullptr) {
      NoteRange(analysis, level->from, level->to, why, 5);
      return nullptr;
    }
    if (level->query->setOperations != nullptr) {
      if (IsLooselyGrouped(reinterpret_cast<const Node*>(entry->expr))) {
        return nullptr;
      }
      return Group(analysis, level->query, entry,
                   ResolveBranches(analysis, level, level->query->setOperations, number, exprType(reinterpret_cast<const Node*>(entry->expr))));
    }
  }
  Target* targets = ResolveExpression(analysis, level, nullptr, expr, mode);
  if (mode == Resolve::kEnter) {
    return targets;
  }
  if (targets == nullptr && !IsA(expr, Var)) {
    NoteRange(analysis, level->from, level->to,
              psprintf("column \"%s\" is not an expression of one table's columns", entry->resname != nullptr ? entry->resname : "?"), 2);
  }
  if (targets != nullptr && !IsA(expr, Var) && !GroupsKeepBytes(analysis, level->query, entry)) {
    NoteRange(analysis, level->from, level->to, "its rows are grouped by a column whose equal values may differ", 5);
    targets = nullptr;
  }
  if (targets != nullptr) {
    targets = Group(analysis, level->query, entry, targets);
    level->crossed = level->crossed || WhyDependent(level->query, entry) != nullptr;
  }
  return targets;
}

}  // namespace tviews::lineage
