// DeriveLineage: walks the view's query, has the core find the paths, and words them as capture columns and mapping queries.
#include "lineage/analysis.h"
#include "lineage/walker.h"
#include "pg/extension.h"

namespace tviews::lineage {

namespace {

constexpr const char* kDefaultNote = "no equality joins it to the rest of the query";

List* AllTviews() {
  if (!OidIsValid(pg::ExtensionOid())) {
    return NIL;
  }
  List* tviews = NIL;
  ::Relation catalog = table_open(pg::TableOid(pg::Table::kTview), AccessShareLock);
  Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
  SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, snapshot, 0, nullptr);
  HeapTuple tuple;
  while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
    bool is_null;
    tviews = lappend_oid(tviews, DatumGetObjectId(heap_getattr(tuple, 1, RelationGetDescr(catalog), &is_null)));
  }
  systable_endscan(scan);
  UnregisterSnapshot(snapshot);
  table_close(catalog, AccessShareLock);
  return tviews;
}

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

constexpr int kPathRoom = 16;

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
  if (lineage->path_count % kPathRoom == 0) {
    const Size size = (lineage->path_count + kPathRoom) * sizeof(Path);
    lineage->paths = static_cast<Path*>(lineage->paths == nullptr ? palloc(size) : repalloc(lineage->paths, size));
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

namespace {

Analysis NewAnalysis() {
  Analysis analysis = {};
  analysis.occurrence_room = analysis.edge_room = analysis.value_room = 32;
  analysis.occurrences = static_cast<Occurrence*>(palloc(analysis.occurrence_room * sizeof(Occurrence)));
  analysis.edges = static_cast<core::LineageEdge*>(palloc(analysis.edge_room * sizeof(core::LineageEdge)));
  analysis.edge_infos = static_cast<EdgeInfo*>(palloc(analysis.edge_room * sizeof(EdgeInfo)));
  analysis.values = static_cast<Value*>(palloc(analysis.value_room * sizeof(Value)));
  analysis.tviews = AllTviews();
  return analysis;
}

Oid RelationOwner(Oid relation) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) {
    elog(ERROR, "cache lookup failed for relation %u", relation);
  }
  const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
  ReleaseSysCache(tuple);
  return owner;
}

// One attempt at the lineage of a view.
// What became of one relation occurrence.
struct Outcome {
  int occurrence;
  List* paths;   // of Path*
  bool pathless; // it needs a full refresh
};

struct Derived {
  Analysis analysis;
  Level* top;
  Key key;
  Solution solution;
  List* crossings;
  Outcome* outcomes;  // of relation occurrences, in their order: the same in each analysis of a view
  int outcome_count;
  int pathless;
};

Outcome WordOccurrence(Derived* derived, const List* crossings, int number) {
  const Occurrence* occurrence = &derived->analysis.occurrences[number];
  Path* path = static_cast<Path*>(palloc0(sizeof(Path)));
  path->relation = occurrence->relation;
  List* more = NIL;
  const bool recursive = WordRecursionPaths(&derived->analysis, number, &derived->solution, &derived->key, &more);
  if ((recursive || WordPath(&derived->analysis, number, &derived->solution, &derived->key, path)) &&
      WordCrossingPaths(&derived->analysis, crossings, number, &more)) {
    return {number, recursive ? more : lcons(path, more), false};
  }
  occurrence = &derived->analysis.occurrences[number];  // resolving may have moved it
  derived->solution.found.paths[number].kind = core::PathKind::kNone;
  *path = {};
  path->relation = occurrence->relation;
  path->kind = catalog::MappingKind::kFull;
  path->used = LiveUsed(occurrence);
  path->reason = occurrence->note != nullptr ? occurrence->note : kDefaultNote;
  ++derived->pathless;
  return {number, list_make1(path), true};
}

// `crossing`: paths may pass crossings.  `choice`: see Analysis.
Derived Derive(const Request& request, bool crossing, int choice) {
  Derived derived = {};
  derived.analysis = NewAnalysis();
  Analysis* analysis = &derived.analysis;
  analysis->may_cross = crossing;
  analysis->choice = choice;
  analysis->reader = OidIsValid(request.table) ? RelationOwner(request.table) : GetUserId();
  analysis->clock_allowed = request.clock_allowed;
  derived.top = ExpandLevel(analysis, ViewQuery(request.view, &analysis->bodies), nullptr, nullptr, nullptr, false, false);
  for (int i = 0; i < list_length(analysis->levels); ++i) {
    WalkLevel(analysis, static_cast<Level*>(list_nth(analysis->levels, i)));
  }
  derived.key = FindKey(analysis, derived.top, &request);
  derived.crossings = FindCrossings(analysis);
  ListCell* cell;
  foreach (cell, analysis->recursions) {
    Recursion* recursion = static_cast<Recursion*>(lfirst(cell));
    recursion->solution = Solve(analysis, &recursion->key);
  }
  derived.solution = Solve(analysis, &derived.key);
  FindWays(analysis, derived.crossings, &derived.solution, &derived.key);
  derived.outcomes = static_cast<Outcome*>(palloc0(Max(analysis->solved_count, 1) * sizeof(Outcome)));
  for (int i = 0; i < analysis->solved_count; ++i) {
    if (OidIsValid(analysis->occurrences[i].relation)) {
      derived.outcomes[derived.outcome_count++] = WordOccurrence(&derived, derived.crossings, i);
    }
  }
  return derived;
}

// What has no path because it leads into a set operation: paths by way of each of its branches, if all have one.  A row of the
// set operation comes from one of them.  They form trees apart, which what has a path already does not enter.
void DeriveByBranches(const Request& request, Derived* derived) {
  const int choices = derived->analysis.choices;
  if (derived->pathless == 0 || choices == 0 || choices > kMaxChoices) {
    return;
  }
  List** paths = static_cast<List**>(palloc0(derived->outcome_count * sizeof(List*)));
  bool* missing = static_cast<bool*>(palloc0(derived->outcome_count * sizeof(bool)));
  for (int choice = 0; choice < choices; ++choice) {
    const Derived chosen = Derive(request, false, choice);
    for (int i = 0; i < derived->outcome_count; ++i) {
      missing[i] = missing[i] || chosen.outcome_count != derived->outcome_count || chosen.outcomes[i].pathless;
      paths[i] = missing[i] ? NIL : list_concat(paths[i], chosen.outcomes[i].paths);
    }
  }
  for (int i = 0; i < derived->outcome_count; ++i) {
    Outcome* outcome = &derived->outcomes[i];
    if (outcome->pathless && !missing[i]) {
      *outcome = {outcome->occurrence, paths[i], false};
      --derived->pathless;
    }
  }
}

[[noreturn]] void RefuseOccurrence(const Derived* derived) {
  const Occurrence* worst = nullptr;
  for (int i = 0; i < derived->outcome_count; ++i) {
    const Occurrence* occurrence = &derived->analysis.occurrences[derived->outcomes[i].occurrence];
    if (derived->outcomes[i].pathless && (worst == nullptr || occurrence->note_rank > worst->note_rank)) {
      worst = occurrence;
    }
  }
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("changes of table %s do not lead to the key \"%s\" of the TVIEW: %s", QualifiedName(worst->relation), derived->key.names,
                         worst->note != nullptr ? worst->note : kDefaultNote),
                  errhint("Join it by an equality that leads to the key, or create the TVIEW with the option on_unkeyed => 'full' "
                          "to have it refreshed as a whole.")));
}

Lineage Collect(const Derived* derived) {
  Lineage lineage = {};
  int count = 0;
  for (int i = 0; i < derived->outcome_count; ++i) {
    count += list_length(derived->outcomes[i].paths);
  }
  lineage.relations = static_cast<Relation*>(palloc0(Max(derived->outcome_count, 1) * sizeof(Relation)));
  lineage.paths = static_cast<Path*>(palloc0(Max(count, 1) * sizeof(Path)));
  for (int i = 0; i < derived->outcome_count; ++i) {
    ListCell* cell;
    foreach (cell, derived->outcomes[i].paths) {
      AddPath(&lineage, static_cast<const Path*>(lfirst(cell)));
    }
    const Path* first = static_cast<const Path*>(linitial(derived->outcomes[i].paths));
    AddRelation(&lineage, first->relation, list_member_oid(derived->analysis.tviews, first->relation), first->used);
  }
  lineage.bodies = derived->analysis.bodies;
  lineage.reads_clock = derived->analysis.reads_clock;
  return lineage;
}

Derived DeriveBest(const Request& request) {
  Derived derived = Derive(request, false, -1);
  if (derived.pathless > 0) {
    const Derived crossing = Derive(request, true, -1);
    if (crossing.pathless < derived.pathless) {
      derived = crossing;
    }
  }
  DeriveByBranches(request, &derived);
  return derived;
}

}  // namespace

Lineage DeriveLineage(const Request& request) {
  if (get_rel_persistence(request.view) == RELPERSISTENCE_TEMP) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW cannot be defined by temporary view %s", QualifiedName(request.view)),
                    errhint("Use an ordinary view over ordinary tables.")));
  }
  Derived derived = DeriveBest(request);
  if (!request.unkeyed_full) {
    CheckKey(&derived.analysis, derived.top, &derived.key);
  }
  WarnOfNullKey(&derived.key);
  if (derived.pathless > 0 && !request.unkeyed_full) {
    RefuseOccurrence(&derived);
  }
  Lineage lineage = Collect(&derived);
  lineage.narrowed = NarrowedQuery(derived.top->query, request);
  return lineage;
}

List* MissingIndexes(const Request& request) {
  const Derived derived = DeriveBest(request);
  return UnindexedLookups(&derived.analysis, &derived.solution, &derived.key, derived.crossings);
}

}  // namespace tviews::lineage
