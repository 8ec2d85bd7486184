// One path in words: the columns to capture and the query that leads on from their values.
#include "lineage/paths.h"

namespace tviews::lineage {

namespace {

constexpr int kUnique = 2;  // LineageEdge::near_access

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

// Whether an edge is an equality of two plain columns that says the same of every row.
bool IsPlain(const Analysis* analysis, const core::LineageEdge* edge) {
  const EdgeInfo* info = &analysis->edge_infos[edge->tag];
  return info->match == Match::kEqual && info->optional_from == info->optional_to && PlainColumn(analysis, edge->far_value) != InvalidAttrNumber &&
         PlainColumn(analysis, edge->near_value) != InvalidAttrNumber && OidIsValid(get_array_type(ValueType(analysis, edge->far_value, nullptr)));
}

// The equalities beside the first one of a path that hold between the same two rows; null when that one finds at most one row, or
// there are none.
const Further* FindFurther(Analysis* analysis, int number, const core::OccurrencePath* found, const core::LineageStep* steps) {
  if (found->step_count == 0) {
    return nullptr;
  }
  const core::LineageEdge first = analysis->edges[steps[found->first_step].edge_tag];
  if (first.far != number || first.far_value != found->capture_value || first.near_access >= kUnique || !IsPlain(analysis, &first)) {
    return nullptr;
  }
  Further* further = static_cast<Further*>(palloc0(sizeof(Further)));
  List* expressions = list_copy(analysis->values[first.far_value].expressions);
  for (int i = 0; i < analysis->edge_count; ++i) {
    const core::LineageEdge* edge = &analysis->edges[i];
    if (edge->far == first.far && edge->near == first.near && edge->far_value != first.far_value && edge->near_value != first.near_value &&
        edge->barred_from == first.barred_from && edge->barred_to == first.barred_to && IsPlain(analysis, edge)) {
      further->edges = lappend_int(further->edges, i);
      expressions = list_append_unique(expressions, linitial(analysis->values[edge->far_value].expressions));
    }
  }
  further->captured = ValueOf(analysis, number, expressions);
  return further->edges == NIL ? nullptr : further;
}

// As WordPath.
bool Word(const Analysis* analysis, int number, Solution* solution, const Key* key, const Further* further, Path* path) {
  const Occurrence* occurrence = &analysis->occurrences[number];
  core::OccurrencePath* found = &solution->found.paths[number];
  if (found->kind == core::PathKind::kNone) {
    return false;
  }
  const Root* root = &solution->roots[found->root];
  const int32 captured = further == nullptr ? found->capture_value : further->captured;
  if (IsKeyItself(analysis, found, key, root)) {
    path->kind = catalog::MappingKind::kKey;
    CaptureKey(analysis, found->capture_value, path);
  } else {
    path->query = MappingQuery(analysis, found->capture_value, solution->found.steps + found->first_step, found->step_count, key, root, further);
    if (path->query == nullptr) {
      found->kind = core::PathKind::kNone;
      return false;
    }
    path->kind = root->count < key->count ? catalog::MappingKind::kPartition : catalog::MappingKind::kMapped;
    CaptureColumns(analysis, captured, path);
    path->nulls = path->nulls || MatchesNulls(analysis, number, solution->found.steps + found->first_step, found->step_count);
  }
  path->nulls = path->nulls || (key->nullable && found->kind == core::PathKind::kKey);
  if (!occurrence->all_used) {
    path->used = bms_union(LiveUsed(occurrence), analysis->values[captured].columns);
  }
  return true;
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
  return Word(analysis, number, solution, key, nullptr, path);
}

bool WordWholePath(Analysis* analysis, int number, Solution* solution, const Key* key, Path* path) {
  const Further* further = FindFurther(analysis, number, &solution->found.paths[number], solution->found.steps);
  return Word(analysis, number, solution, key, further, path);
}

}  // namespace tviews::lineage
