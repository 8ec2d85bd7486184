// DeriveLineage: walks the view's query, has the core find the paths and has them worded; tries again by other ways what has none.
#include "lineage/paths.h"
#include "lineage/walker.h"
#include "pg/extension.h"
#include "pg/owner_context.h"

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

// One attempt at the lineage of a view.
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
  bool recursive = WordRecursionPaths(&derived->analysis, number, false, &derived->solution, &derived->key, &more);
  if (!recursive && !WordWholePath(&derived->analysis, number, &derived->solution, &derived->key, path)) {
    recursive = WordRecursionPaths(&derived->analysis, number, true, &derived->solution, &derived->key, &more);
  }
  if ((recursive || derived->solution.found.paths[number].kind != core::PathKind::kNone) &&
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
  analysis->reader = OidIsValid(request.table) ? pg::OwnerOf(request.table) : GetUserId();
  analysis->clock_allowed = request.clock_allowed;
  derived.top = ExpandLevel(analysis, ViewQuery(request.view, &analysis->bodies), nullptr, nullptr, nullptr, false, false);
  for (int i = 0; i < list_length(analysis->levels); ++i) {
    WalkLevel(analysis, static_cast<Level*>(list_nth(analysis->levels, i)));
  }
  derived.key = FindKey(analysis, derived.top, &request);
  EmitDerivedEdges(analysis);
  derived.crossings = FindCrossings(analysis);
  SolveRecursions(analysis);
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
  if (derived.pathless > 0 && !request.unkeyed_full) {
    RefuseOccurrence(&derived);
  }
  WarnOfNullKey(&derived.key);
  Lineage lineage = Collect(&derived.analysis, derived.outcomes, derived.outcome_count);
  lineage.narrowed = NarrowedQuery(derived.top->query, request);
  return lineage;
}

List* MissingIndexes(const Request& request) {
  const Derived derived = DeriveBest(request);
  return UnindexedLookups(&derived.analysis, &derived.solution, &derived.key, derived.crossings);
}

}  // namespace tviews::lineage
