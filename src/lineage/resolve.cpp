// Follows a Var through joins, sub-selects, views and CTEs to the relation column it stands for.
#include "lineage/analysis.h"

extern "C" {
#include "optimizer/tlist.h"
}

namespace tviews::lineage {

namespace {

Target* NewTarget(int occurrence, AttrNumber column) {
  Target* target = static_cast<Target*>(palloc(sizeof(Target)));
  *target = {occurrence, column, nullptr};
  return target;
}

Target* Append(Target* list, Target* more) {
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

bool IsLimited(const Node* count) { return count != nullptr && !(IsA(count, Const) && reinterpret_cast<const Const*>(count)->constisnull); }

bool IsIn(const TargetEntry* entry, List* clause) {
  return entry->ressortgroupref != 0 && get_sortgroupref_clause_noerr(entry->ressortgroupref, clause) != nullptr;
}

// Whether equal values of the column may differ in more than their bytes, so that a group stands for values the outer equality
// tells apart.
bool IsLooselyGrouped(const Node* expr) {
  const Oid collation = exprCollation(expr);
  return OidIsValid(collation) && !get_collation_isdeterministic(collation);
}

// Why a condition on output column `entry` could not be pushed into `query`; null when it could (as allpaths.c:
// subquery_is_pushdown_safe and check_output_expressions judge it; GROUPING SETS besides).
const char* WhyNoExit(const Query* query, const TargetEntry* entry) {
  if (IsLimited(query->limitCount) || IsLimited(query->limitOffset)) {
    return "LIMIT or OFFSET chooses among its rows";
  }
  if (query->groupingSets != NIL) {
    return "GROUPING SETS, ROLLUP or CUBE combine its rows across groups";
  }
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
  if ((query->groupClause != NIL || query->distinctClause != NIL || query->hasWindowFuncs) && IsLooselyGrouped(reinterpret_cast<const Node*>(entry->expr))) {
    return "its rows are grouped under a nondeterministic collation";
  }
  return nullptr;
}

// The merged column's own occurrence; made when first met.
int MergedOccurrence(Analysis* analysis, const Level* level, int varno, int attno, Oid type, int position, bool* is_new) {
  for (int i = 0; i < analysis->occurrence_count; ++i) {
    const Occurrence* occurrence = &analysis->occurrences[i];
    if (occurrence->merged_level == level && occurrence->merged_varno == varno && occurrence->merged_attno == attno) {
      *is_new = false;
      return i;
    }
  }
  const int number = AddOccurrence(analysis, InvalidOid);
  Occurrence* occurrence = &analysis->occurrences[number];
  occurrence->merged_level = level;
  occurrence->merged_varno = varno;
  occurrence->merged_attno = attno;
  occurrence->merged_type = type;
  occurrence->nullable = true;
  occurrence->position = position;
  *is_new = true;
  return number;
}

// The column's own occurrence (when its values can be compared by their bytes), for kExit followed by `sources`.  Every source
// leads to the merged column, too.
Target* Merge(Analysis* analysis, const Level* level, const Var* var, int position, Target* sources, Resolve mode) {
  const uint32 equality_class = EqualityClassOf(analysis, var->vartype, var->varcollid);
  if (equality_class == 0) {
    return nullptr;
  }
  bool is_new = false;
  const Oid type = getBaseType(var->vartype);
  const int merged = MergedOccurrence(analysis, level, var->varno, var->varattno, type, position, &is_new);
  Target* own = NewTarget(merged, 1);
  if (is_new && !level->inert) {
    const Equality equality = OwnEquality(type, var->varcollid);
    for (const Target* source = sources; source != nullptr; source = source->next) {
      AddEdge(analysis, source, own, &equality, true, 0, 0);
    }
  }
  return mode == Resolve::kExit ? Append(own, sources) : own;
}

const Join* FindJoin(const Level* level, int rtindex) {
  ListCell* cell;
  foreach (cell, level->joins) {
    const Join* join = static_cast<const Join*>(lfirst(cell));
    if (join->expr->rtindex == rtindex) {
      return join;
    }
  }
  return nullptr;
}

// A column of a JOIN: an alias of one side's column, or merged from both by FULL JOIN ... USING.
Target* ResolveJoinColumn(Analysis* analysis, Level* level, const Var* var, Resolve mode) {
  const RangeTblEntry* entry = rt_fetch(var->varno, level->query->rtable);
  if (var->varattno <= 0 || var->varattno > list_length(entry->joinaliasvars)) {
    return nullptr;
  }
  const Node* alias = static_cast<const Node*>(list_nth(entry->joinaliasvars, var->varattno - 1));
  const Var* plain = PlainColumn(alias);
  if (plain != nullptr) {
    return ResolveVar(analysis, level, plain, mode);
  }
  const Join* join = FindJoin(level, var->varno);
  if (alias == nullptr || !IsA(alias, CoalesceExpr) || join == nullptr || join->expr->jointype != JOIN_FULL) {
    return nullptr;
  }
  Target* sources = nullptr;
  ListCell* cell;
  foreach (cell, reinterpret_cast<const CoalesceExpr*>(alias)->args) {
    const Var* side = PlainColumn(static_cast<const Node*>(lfirst(cell)));
    if (side == nullptr || side->vartype != var->vartype) {
      return nullptr;
    }
    Target* targets = ResolveVar(analysis, level, side, Resolve::kExit);
    if (targets == nullptr && mode == Resolve::kExit) {
      continue;
    }
    sources = Append(sources, targets);
  }
  return Merge(analysis, level, var, join->left_from, sources, mode);
}

// Output column `number` of every branch of a set operation.
Target* ResolveBranches(Analysis* analysis, Level* level, const Node* node, AttrNumber number, Oid type) {
  check_stack_depth();
  if (IsA(node, SetOperationStmt)) {
    const SetOperationStmt* operation = reinterpret_cast<const SetOperationStmt*>(node);
    Target* left = ResolveBranches(analysis, level, operation->larg, number, type);
    return Append(left, ResolveBranches(analysis, level, operation->rarg, number, type));
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
    return ResolveOutput(analysis, child, var->varattno, mode);
  }
  Target* sources = ResolveOutput(analysis, child, var->varattno, Resolve::kExit);
  if (sources == nullptr && mode == Resolve::kExit) {
    return nullptr;
  }
  return Merge(analysis, level, var, child->from, sources, mode);
}

}  // namespace

void NoteRange(Analysis* analysis, int from, int to, const char* note, int rank) {
  for (int i = from; i < to; ++i) {
    Occurrence* occurrence = &analysis->occurrences[i];
    if (rank > occurrence->note_rank) {
      occurrence->note = note;
      occurrence->note_rank = rank;
    }
  }
}

const Var* PlainColumn(const Node* expr) {
  while (expr != nullptr && IsA(expr, RelabelType)) {
    expr = reinterpret_cast<const Node*>(reinterpret_cast<const RelabelType*>(expr)->arg);
  }
  return expr != nullptr && IsA(expr, Var) ? reinterpret_cast<const Var*>(expr) : nullptr;
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
      return var->varattno > 0 ? NewTarget(item->occurrence, var->varattno) : nullptr;
    case ItemKind::kJoin:
      return ResolveJoinColumn(analysis, at, var, mode);
    case ItemKind::kLevel:
      return var->varattno > 0 ? ResolveLevelColumn(analysis, at, var, mode) : nullptr;
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
  if (mode == Resolve::kExit) {
    const char* why = level->inert ? "it is read by a recursive CTE" : WhyNoExit(level->query, entry);
    if (why != nullptr) {
      NoteRange(analysis, level->from, level->to, why, 5);
      return nullptr;
    }
    if (level->query->setOperations != nullptr) {
      if (IsLooselyGrouped(reinterpret_cast<const Node*>(entry->expr))) {
        return nullptr;
      }
      return ResolveBranches(analysis, level, level->query->setOperations, number, exprType(reinterpret_cast<const Node*>(entry->expr)));
    }
  }
  const Var* plain = PlainColumn(reinterpret_cast<const Node*>(entry->expr));
  if (plain == nullptr) {
    if (mode == Resolve::kExit) {
      NoteRange(analysis, level->from, level->to, psprintf("the sub-select's column \"%s\" is not a plain column", entry->resname != nullptr ? entry->resname : "?"), 2);
    }
    return nullptr;
  }
  return ResolveVar(analysis, level, plain, mode);
}

}  // namespace tviews::lineage
