// Levels whose rows depend on each other within a partition: what a change below them reaches.
#include "lineage/paths.h"
#include "lineage/walker.h"
#include "pg/query_tree.h"

namespace tviews::lineage {

namespace {

// Whether rows with different values of `entry` never depend on each other.
bool Partitions(const Query* query, const TargetEntry* entry) {
  if (query->hasDistinctOn && !IsIn(entry, query->distinctClause)) {
    return false;
  }
  ListCell* cell;
  foreach (cell, query->windowClause) {
    if (!IsIn(entry, lfirst_node(WindowClause, cell)->partitionClause)) {
      return false;
    }
  }
  return (query->hasDistinctOn || query->hasWindowFuncs) && (query->groupClause == NIL || IsIn(entry, query->groupClause));
}

// Where a column of the level's partition comes from; null when `entry` is none, or leads nowhere.
Target* PartitionRoots(Analysis* analysis, Level* level, const TargetEntry* entry) {
  const Node* expr = reinterpret_cast<const Node*>(entry->expr);
  const Oid type = getBaseType(exprType(expr));
  if (!Partitions(level->query, entry) || !OidIsValid(get_array_type(type))) {
    return nullptr;
  }
  return ComparableBy(analysis, ResolveExpression(analysis, level, nullptr, expr, Resolve::kExit), OwnEquality(type, InvalidOid).family);
}

// Adds a column of the partition unless its value is there.
void AddColumn(const Analysis* analysis, Crossing* crossing, const TargetEntry* entry, Target* roots) {
  for (int i = 0; i < crossing->key.count; ++i) {
    if (crossing->key.columns[i].sources->value == roots->value) {
      return;
    }
  }
  Node* expr = reinterpret_cast<Node*>(entry->expr);
  crossing->partition = lappend(crossing->partition, expr);
  crossing->key.columns[crossing->key.count++] = {entry->resname, getBaseType(exprType(expr)), exprCollation(expr), roots, false};
  for (const Target* root = roots; root != nullptr; root = root->next) {
    const Occurrence* occurrence = &analysis->occurrences[root->occurrence];
    const bool is_optional = IsOptionalWithin(crossing->level, occurrence);
    crossing->has_optional = crossing->has_optional || is_optional;
    crossing->may_be_null = crossing->may_be_null || is_optional || !pg::IsColumnNotNull(occurrence->relation, PlainColumn(analysis, root->value));
  }
}

// Chooses the column of the partition by which its rows are found best, and those of the same occurrence.
void ChoosePartition(Analysis* analysis, Crossing* crossing) {
  const List* columns = crossing->level->query->targetList;
  Target* chosen = nullptr;
  int best = -1;
  const TargetEntry* entry = nullptr;
  ListCell* cell;
  foreach (cell, columns) {
    Target* roots = PartitionRoots(analysis, crossing->level, lfirst_node(TargetEntry, cell));
    const bool is_relation = roots != nullptr && OidIsValid(analysis->occurrences[roots->occurrence].relation);
    const int access = is_relation ? NearAccess(analysis, roots->value, Match::kEqual) : 0;
    if (roots != nullptr && access > best) {
      best = access;
      chosen = roots;
      entry = lfirst_node(TargetEntry, cell);
    }
  }
  if (chosen == nullptr) {
    return;
  }
  AddColumn(analysis, crossing, entry, chosen);
  foreach (cell, columns) {
    Target* roots = PartitionRoots(analysis, crossing->level, lfirst_node(TargetEntry, cell));
    if (roots != nullptr && roots->next == nullptr && chosen->next == nullptr && roots->occurrence == chosen->occurrence &&
        OidIsValid(analysis->occurrences[roots->occurrence].relation)) {
      AddColumn(analysis, crossing, lfirst_node(TargetEntry, cell), roots);
    }
  }
}

void AddCrossing(Analysis* analysis, Level* level, List** crossings) {
  Crossing* crossing = static_cast<Crossing*>(palloc0(sizeof(Crossing)));
  crossing->level = level;
  crossing->key.columns = static_cast<KeyColumn*>(palloc0(Max(list_length(level->query->targetList), 1) * sizeof(KeyColumn)));
  crossing->key.within = level;
  ChoosePartition(analysis, crossing);
  crossing->key.nullable = crossing->may_be_null;  // NULL is a partition
  *crossings = lappend(*crossings, crossing);
}

bool CollectWindowFunctions(Node* node, List** found) {
  if (node == nullptr) {
    return false;
  }
  if (IsA(node, WindowFunc)) {
    *found = lappend(*found, node);
    return false;
  }
  return WalkChildren(node, CollectWindowFunctions, found);
}

// What decides how rows of `query` depend on each other: all of it but the plain output columns.
List* Deciding(Query* query) {
  List* nodes = list_make2(query->jointree, query->havingQual);
  ListCell* cell;
  foreach (cell, query->targetList) {
    TargetEntry* entry = lfirst_node(TargetEntry, cell);
    if (entry->ressortgroupref != 0) {
      nodes = lappend(nodes, entry->expr);
    } else {
      (void)CollectWindowFunctions(reinterpret_cast<Node*>(entry->expr), &nodes);
    }
  }
  foreach (cell, query->windowClause) {
    nodes = lappend(lappend(nodes, lfirst_node(WindowClause, cell)->startOffset), lfirst_node(WindowClause, cell)->endOffset);
  }
  return nodes;
}

bool Holds(Node* node, SubLink* sublink) {
  if (node == nullptr) {
    return false;
  }
  return node == reinterpret_cast<Node*>(sublink) || WalkChildren(node, Holds, sublink);
}

struct Mentions {
  const Level* level;
  int occurrence;
  Bitmapset* columns;
};

// True when a sub-select or a whole row is met: then any column may be mentioned.
bool CollectMentions(Node* node, Mentions* mentions) {
  if (node == nullptr) {
    return false;
  }
  if (IsA(node, SubLink)) {
    return true;
  }
  if (IsA(node, Var)) {
    const Var* var = reinterpret_cast<const Var*>(node);
    const Item* item = var->varlevelsup == 0 ? &mentions->level->items[var->varno] : nullptr;
    if (item != nullptr && item->kind == ItemKind::kJoin) {
      List* aliases = rt_fetch(var->varno, mentions->level->query->rtable)->joinaliasvars;
      return var->varattno <= 0 || var->varattno > list_length(aliases) || CollectMentions(static_cast<Node*>(list_nth(aliases, var->varattno - 1)), mentions);
    }
    if (item != nullptr && item->kind == ItemKind::kRelation && item->occurrence == mentions->occurrence) {
      mentions->columns = bms_add_member(mentions->columns, Max(var->varattno, 0));
      return var->varattno <= 0;
    }
    return false;
  }
  return WalkChildren(node, CollectMentions, mentions);
}

}  // namespace

bool HasPartition(const Query* query) {
  ListCell* cell;
  foreach (cell, query->targetList) {
    if (Partitions(query, lfirst_node(TargetEntry, cell))) {
      return true;
    }
  }
  return false;
}

List* FindCrossings(Analysis* analysis) {
  List* crossings = NIL;
  // Levels are in order of creation: outer ones first.  Resolving a partition may cross further levels, inner ones.
  for (int i = 0; i < list_length(analysis->levels); ++i) {
    Level* level = static_cast<Level*>(list_nth(analysis->levels, i));
    if (level->crossed) {
      AddCrossing(analysis, level, &crossings);
    }
  }
  ListCell* cell;
  foreach (cell, crossings) {  // when all occurrences and edges are known
    Crossing* crossing = static_cast<Crossing*>(lfirst(cell));
    crossing->solution = Solve(analysis, &crossing->key);
  }
  analysis->solved_count = analysis->occurrence_count;
  return crossings;
}

bool Concerns(const Analysis* analysis, const Crossing* crossing, int occurrence, Bitmapset** used, bool* any) {
  const Level* level = analysis->occurrences[occurrence].level;
  *used = nullptr;
  *any = true;
  if (!IsBelow(level, crossing->level)) {
    return false;
  }
  List* deciding = Deciding(crossing->level->query);
  if (level == crossing->level) {
    Mentions mentions = {level, occurrence, nullptr};
    *any = CollectMentions(reinterpret_cast<Node*>(deciding), &mentions);
    *used = mentions.columns;
    return true;
  }
  // A sub-select in a plain output column concerns its own row only.
  for (const Level* at = level; at != crossing->level; at = at->from_parent != nullptr ? at->from_parent : at->scope) {
    if (at->from_parent == nullptr && at->scope == crossing->level && at->sublink != nullptr) {
      return Holds(reinterpret_cast<Node*>(deciding), at->sublink);
    }
  }
  return true;
}

}  // namespace tviews::lineage
