// What the paths of a view's relation occurrences come to: its lineage, each relation and each path once.
#include "lineage/paths.h"

namespace tviews::lineage {

namespace {

bool IsSamePath(const Path* a, const Path* b) {
  if (a->relation != b->relation || a->kind != b->kind || a->column_count != b->column_count ||
      (a->query == nullptr) != (b->query == nullptr) || (a->query != nullptr && strcmp(a->query, b->query) != 0)) {
    return false;
  }
  for (int i = 0; i < a->column_count; ++i) {
    const char *left = a->json_paths == nullptr ? nullptr : a->json_paths[i], *right = b->json_paths == nullptr ? nullptr : b->json_paths[i];
    if (a->columns[i] != b->columns[i] || (left == nullptr) != (right == nullptr) || (left != nullptr && strcmp(left, right) != 0)) {
      return false;
    }
  }
  return true;
}

// null stands for all columns, and swallows.
Bitmapset* Union(Bitmapset* a, Bitmapset* b) { return a == nullptr || b == nullptr ? nullptr : bms_union(a, b); }

void AddPath(Lineage* lineage, const Path* path) {
  for (int i = 0; i < lineage->path_count; ++i) {
    if (IsSamePath(&lineage->paths[i], path)) {
      lineage->paths[i].used = Union(lineage->paths[i].used, path->used);
      lineage->paths[i].nulls = lineage->paths[i].nulls || path->nulls;
      return;
    }
  }
  lineage->paths[lineage->path_count++] = *path;
}

void AddRelation(Lineage* lineage, Oid relation, bool is_tview, Bitmapset* used) {
  for (int i = 0; i < lineage->relation_count; ++i) {
    if (lineage->relations[i].oid == relation) {
      lineage->relations[i].used = Union(lineage->relations[i].used, used);
      return;
    }
  }
  lineage->relations[lineage->relation_count++] = {relation, is_tview, used};
}

}  // namespace

Lineage Collect(const Analysis* analysis, const Outcome* outcomes, int outcome_count) {
  Lineage lineage = {};
  int count = 0;
  for (int i = 0; i < outcome_count; ++i) {
    count += list_length(outcomes[i].paths);
  }
  lineage.relations = static_cast<Relation*>(palloc0(Max(outcome_count, 1) * sizeof(Relation)));
  lineage.paths = static_cast<Path*>(palloc0(Max(count, 1) * sizeof(Path)));
  for (int i = 0; i < outcome_count; ++i) {
    ListCell* cell;
    foreach (cell, outcomes[i].paths) {
      AddPath(&lineage, static_cast<const Path*>(lfirst(cell)));
    }
    const Path* first = static_cast<const Path*>(linitial(outcomes[i].paths));
    AddRelation(&lineage, first->relation, list_member_oid(analysis->tviews, first->relation), first->used);
  }
  lineage.bodies = analysis->bodies;
  lineage.reads_clock = analysis->reads_clock;
  return lineage;
}

}  // namespace tviews::lineage
