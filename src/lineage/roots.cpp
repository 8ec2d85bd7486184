// Where paths end: the occurrences whose columns give the key, all of it or a part; and the search for the paths to them.
#include "lineage/paths.h"

namespace tviews::lineage {

namespace {

[[noreturn]] void RaiseOutOfMemory() {
  ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"), errdetail("Failed while finding the paths of a TVIEW.")));
}

// Whether the edge holds on the way to these roots.
bool LeadsTo(const Analysis* analysis, const EdgeInfo* info, const core::LineageRoot* roots, int root_count) {
  for (int i = 0; info->optional_from < info->optional_to && i < root_count; ++i) {
    const Occurrence* root = &analysis->occurrences[roots[i].occurrence];
    if (!OidIsValid(root->relation) || root->position < info->optional_from || root->position >= info->optional_to) {
      return false;
    }
  }
  return true;
}

// The edges that paths to these roots may take: among the occurrences below `within`, where one without the root's side does not
// count; null: all but those to optional sides.
core::LineageEdge* UsableEdges(const Analysis* analysis, const Level* within, const core::LineageRoot* roots, int root_count, int* count) {
  core::LineageEdge* edges = static_cast<core::LineageEdge*>(palloc(Max(analysis->edge_count, 1) * sizeof(core::LineageEdge)));
  *count = 0;
  for (int i = 0; i < analysis->edge_count; ++i) {
    const core::LineageEdge* edge = &analysis->edges[i];
    const EdgeInfo* info = &analysis->edge_infos[i];
    if (within == nullptr ? info->optional_from >= info->optional_to
                          : LeadsTo(analysis, info, roots, root_count) && IsBelow(analysis->occurrences[edge->far].level, within) &&
                                IsBelow(analysis->occurrences[edge->near].level, within)) {
      edges[(*count)++] = *edge;
    }
  }
  return edges;
}

// The core's answer, in the current memory context.
core::LineageResult Search(const Analysis* analysis, const Level* within, const core::LineageRoot* roots, int root_count) {
  int edge_count;
  const core::LineageEdge* edges = UsableEdges(analysis, within, roots, root_count, &edge_count);
  core::LineageResult found = {};
  if (core::FindPaths(analysis->occurrence_count, edges, edge_count, roots, root_count, &found) != core::Outcome::kOk) {
    RaiseOutOfMemory();
  }
  core::LineageResult copy = {};
  copy.step_count = found.step_count;
  copy.paths = static_cast<core::OccurrencePath*>(
      palloc_extended(Max(analysis->occurrence_count, 1) * sizeof(core::OccurrencePath), MCXT_ALLOC_NO_OOM | MCXT_ALLOC_ZERO));
  copy.steps = static_cast<core::LineageStep*>(
      palloc_extended(Max(found.step_count, 1) * sizeof(core::LineageStep), MCXT_ALLOC_NO_OOM | MCXT_ALLOC_ZERO));
  const bool copied = copy.paths != nullptr && copy.steps != nullptr;
  if (copied && analysis->occurrence_count > 0) {
    memcpy(copy.paths, found.paths, analysis->occurrence_count * sizeof(core::OccurrencePath));
  }
  if (copied && found.step_count > 0) {
    memcpy(copy.steps, found.steps, found.step_count * sizeof(core::LineageStep));
  }
  core::FreeLineage(&found);
  if (!copied) {
    RaiseOutOfMemory();
  }
  return copy;
}

core::LineageRoot SourceRoot(Analysis* analysis, const KeyColumn* column, const Target* source) {
  const uint32 key_class = EqualityClassOf(analysis, column->type, column->collation);
  const bool same = EqualityClassOf(analysis, ValueType(analysis, source->value, nullptr), column->collation) == key_class;
  return {source->occurrence, source->value, same ? key_class : 0};
}

int SourceCount(const Target* sources) {
  int count = 0;
  for (; sources != nullptr; sources = sources->next) {
    ++count;
  }
  return count;
}

// Per occurrence the value that is the key column in every view row that a row of it contributes to, or -1.
int32* ValuesOfColumn(Analysis* analysis, const Level* within, const KeyColumn* column) {
  int32* values = static_cast<int32*>(palloc(Max(analysis->occurrence_count, 1) * sizeof(int32)));
  core::LineageRoot* roots = static_cast<core::LineageRoot*>(palloc0(Max(SourceCount(column->sources), 1) * sizeof(core::LineageRoot)));
  int root_count = 0;
  for (const Target* source = column->sources; source != nullptr; source = source->next) {
    roots[root_count++] = SourceRoot(analysis, column, source);
  }
  const core::LineageResult found = Search(analysis, within, roots, root_count);
  for (int i = 0; i < analysis->occurrence_count; ++i) {
    values[i] = found.paths[i].kind == core::PathKind::kKey ? found.paths[i].capture_value : -1;
  }
  return values;
}

// Adds the occurrence as a root that gives those key columns of which it has values.
void AddRoot(Analysis* analysis, Solution* solution, core::LineageRoot* core_roots, const Key* key, int32** values, int occurrence) {
  Root* root = &solution->roots[solution->root_count];
  root->columns = static_cast<int*>(palloc(key->count * sizeof(int)));
  List* expressions = NIL;
  uint32 equality_class = 0;
  for (int i = 0; i < key->count; ++i) {
    if (values[i][occurrence] >= 0) {
      const Target source = {occurrence, values[i][occurrence], nullptr, InvalidOid};
      equality_class = SourceRoot(analysis, &key->columns[i], &source).equality_class;
      root->columns[root->count++] = i;
      expressions = lappend(expressions, linitial(analysis->values[values[i][occurrence]].expressions));
    }
  }
  core_roots[solution->root_count++] = {occurrence, ValueOf(analysis, occurrence, expressions), root->count == 1 ? equality_class : 0};
}

// How many key columns the occurrence has values of; 0 when these are constants only and not the whole key.
int ColumnsAt(const Analysis* analysis, const Key* key, int32** values, int occurrence) {
  int count = 0;
  bool varies = false;
  for (int i = 0; OidIsValid(analysis->occurrences[occurrence].relation) && i < key->count; ++i) {
    if (values[i][occurrence] >= 0) {
      ++count;
      varies = varies || analysis->values[values[i][occurrence]].columns != nullptr;
    }
  }
  return varies || (count == key->count && key->within == nullptr) ? count : 0;
}

// Adds as roots the occurrences without a path that have values of most key columns; false when none has any.
bool AddPartialRoots(Analysis* analysis, Solution* solution, core::LineageRoot* roots, const Key* key, int32** values) {
  const core::OccurrencePath* paths = solution->found.paths;
  int most = 0;
  for (int i = 0; i < analysis->occurrence_count; ++i) {
    most = paths[i].kind == core::PathKind::kNone ? Max(most, ColumnsAt(analysis, key, values, i)) : most;
  }
  for (int i = 0; most > 0 && i < analysis->occurrence_count; ++i) {
    if (paths[i].kind == core::PathKind::kNone && ColumnsAt(analysis, key, values, i) == most) {
      AddRoot(analysis, solution, roots, key, values, i);
    }
  }
  return most > 0;
}

// Sets stand in a whole key only, and alone: two would give their values side by side, not each with each.
void ForgetLooseSets(const Analysis* analysis, const Key* key, int32** values, int occurrence) {
  int sets = 0, count = 0;
  for (int i = 0; i < key->count; ++i) {
    sets += values[i][occurrence] >= 0 && IsSetReturning(analysis, values[i][occurrence]) ? 1 : 0;
    count += values[i][occurrence] >= 0 ? 1 : 0;
  }
  for (int i = 0; i < key->count && sets > 0 && (sets > 1 || count < key->count); ++i) {
    if (values[i][occurrence] >= 0 && IsSetReturning(analysis, values[i][occurrence])) {
      values[i][occurrence] = -1;
    }
  }
}

Solution SolveTuple(Analysis* analysis, const Key* key) {
  int32** values = static_cast<int32**>(palloc(key->count * sizeof(int32*)));
  for (int i = 0; i < key->count; ++i) {
    values[i] = ValuesOfColumn(analysis, key->within, &key->columns[i]);
  }
  for (int i = 0; i < analysis->occurrence_count; ++i) {
    ForgetLooseSets(analysis, key, values, i);
  }
  Solution solution = {};
  solution.roots = static_cast<Root*>(palloc0(Max(analysis->occurrence_count, 1) * sizeof(Root)));
  core::LineageRoot* roots = static_cast<core::LineageRoot*>(palloc0(Max(analysis->occurrence_count, 1) * sizeof(core::LineageRoot)));
  for (int i = 0; i < analysis->occurrence_count; ++i) {
    if (ColumnsAt(analysis, key, values, i) == key->count) {
      AddRoot(analysis, &solution, roots, key, values, i);
    }
  }
  solution.found = Search(analysis, key->within, roots, solution.root_count);
  // What leads to no whole key may lead to a part of it; the rows that have this part are looked for then.
  while (AddPartialRoots(analysis, &solution, roots, key, values)) {
    solution.found = Search(analysis, key->within, roots, solution.root_count);
  }
  return solution;
}

Solution SolveColumn(Analysis* analysis, const Key* key) {
  Solution solution = {};
  const int room = Max(SourceCount(key->columns[0].sources), 1);
  solution.roots = static_cast<Root*>(palloc0(room * sizeof(Root)));
  core::LineageRoot* roots = static_cast<core::LineageRoot*>(palloc0(room * sizeof(core::LineageRoot)));
  for (const Target* source = key->columns[0].sources; source != nullptr; source = source->next) {
    if (analysis->values[source->value].columns == nullptr && key->within != nullptr) {
      continue;  // a constant: nothing to capture
    }
    core::LineageRoot root = SourceRoot(analysis, &key->columns[0], source);
    if (ValueType(analysis, source->value, nullptr) != key->columns[0].type) {
      root.equality_class = 0;
    }
    solution.roots[solution.root_count] = {1, static_cast<int*>(palloc0(sizeof(int)))};
    roots[solution.root_count++] = root;
  }
  solution.found = Search(analysis, key->within, roots, solution.root_count);
  return solution;
}

// Several columns of one occurrence: paths lead to all of them there.
Solution SolveTogether(Analysis* analysis, const Key* key) {
  Solution solution = {};
  solution.roots = static_cast<Root*>(palloc0(sizeof(Root)));
  solution.root_count = 1;
  Root* root = solution.roots;
  root->columns = static_cast<int*>(palloc(key->count * sizeof(int)));
  List* expressions = NIL;
  for (int i = 0; i < key->count; ++i) {
    root->columns[root->count++] = i;
    expressions = lappend(expressions, linitial(analysis->values[key->columns[i].sources->value].expressions));
  }
  const int occurrence = key->columns[0].sources->occurrence;
  const core::LineageRoot together = {occurrence, ValueOf(analysis, occurrence, expressions), 0};
  solution.found = Search(analysis, key->within, &together, 1);
  return solution;
}

}  // namespace

bool HasColumns(const Analysis* analysis, const Target* targets) {
  for (; targets != nullptr; targets = targets->next) {
    if (analysis->values[targets->value].columns != nullptr) {
      return true;
    }
  }
  return false;
}

Solution Solve(Analysis* analysis, const Key* key) {
  if (key->count > 1 && key->within != nullptr) {
    return SolveTogether(analysis, key);
  }
  return key->count <= 1 ? SolveColumn(analysis, key) : SolveTuple(analysis, key);
}

}  // namespace tviews::lineage
