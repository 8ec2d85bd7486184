// One path in words: the columns to capture and the query that leads on from their values.
#include "lineage/paths.h"

namespace tviews::lineage {

namespace {

// What is captured for a value: its inputs; their NULLs too if it may have a value in spite of one.
void CaptureColumns(const Analysis* analysis, int32 value, Path* path) {
  const Value* captured = &analysis->values[value];
  const int room = list_length(captured->inputs);
  path->columns = static_cast<AttrNumber*>(palloc0(room * sizeof(AttrNumber)));
  const char** json_paths = static_cast<const char**>(palloc0(room * sizeof(const char*)));
  ListCell* cell;
  foreach (cell, captured->inputs) {
    const Input* input = static_cast<const Input*>(lfirst(cell));
    if (input->path != NIL) {
      json_paths[path->column_count] = PathLiteral(input->path);
      path->json_paths = json_paths;
    }
    path->columns[path->column_count++] = input->column;
  }
  path->nulls = contain_nonstrict_functions(reinterpret_cast<Node*>(captured->expressions));
}

// Whether the captured value is the key: plain columns of its types, all of them.
bool IsKeyItself(const Analysis* analysis, const core::OccurrencePath* found, const Key* key, const Root* root) {
  if (found->kind != core::PathKind::kKey || root->count != key->count) {
    return false;
  }
  for (int i = 0; i < key->count; ++i) {
    const Node* part = static_cast<const Node*>(list_nth(analysis->values[found->capture_value].expressions, i));
    if (!IsA(part, Var) || getBaseType(exprType(part)) != key->columns[i].type) {
      return false;
    }
  }
  return true;
}

// The columns of a key, in its order.
void CaptureKey(const Analysis* analysis, int32 value, Path* path) {
  const List* parts = analysis->values[value].expressions;
  path->columns = static_cast<AttrNumber*>(palloc(list_length(parts) * sizeof(AttrNumber)));
  ListCell* cell;
  foreach (cell, parts) {
    path->columns[path->column_count++] = lfirst_node(Var, cell)->varattno;
  }
}

// Whether the path's first edge is one that leads from NULL to NULL.
bool MatchesNulls(const Analysis* analysis, int occurrence, const core::LineageStep* steps, int step_count) {
  return step_count > 0 && analysis->edges[steps[0].edge_tag].far == occurrence && analysis->edge_infos[steps[0].edge_tag].match == Match::kNullSafe;
}

}  // namespace

Bitmapset* LiveUsed(const Occurrence* occurrence) {
  if (occurrence->all_used) {
    return nullptr;
  }
  Bitmapset* live = nullptr;
  int column = -1;
  while ((column = bms_next_member(occurrence->used, column)) >= 0) {
    if (get_attname(occurrence->relation, column, true) != nullptr) {
      live = bms_add_member(live, column);
    }
  }
  return live;
}

bool WordPath(const Analysis* analysis, int number, Solution* solution, const Key* key, Path* path) {
  const Occurrence* occurrence = &analysis->occurrences[number];
  core::OccurrencePath* found = &solution->found.paths[number];
  if (found->kind == core::PathKind::kNone) {
    return false;
  }
  const Root* root = &solution->roots[found->root];
  if (IsKeyItself(analysis, found, key, root)) {
    path->kind = catalog::MappingKind::kKey;
    CaptureKey(analysis, found->capture_value, path);
  } else {
    path->query = MappingQuery(analysis, found->capture_value, solution->found.steps + found->first_step, found->step_count, key, root);
    if (path->query == nullptr) {
      found->kind = core::PathKind::kNone;
      return false;
    }
    path->kind = root->count < key->count ? catalog::MappingKind::kPartition : catalog::MappingKind::kMapped;
    CaptureColumns(analysis, found->capture_value, path);
    path->nulls = path->nulls || MatchesNulls(analysis, number, solution->found.steps + found->first_step, found->step_count);
  }
  path->nulls = path->nulls || (key->nullable && found->kind == core::PathKind::kKey);
  if (!occurrence->all_used) {
    path->used = bms_union(LiveUsed(occurrence), analysis->values[found->capture_value].columns);
  }
  return true;
}

}  // namespace tviews::lineage
