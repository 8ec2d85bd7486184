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

struct Key {
  const char* name;
  Oid type, collation;
  Target* roots;
};

Key FindKey(Analysis* analysis, Level* top, const Request* request) {
  if (request->key_count != 1) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW with a key of %d columns is not supported", request->key_count),
                    errhint("Name one column that is unique in the view.")));
  }
  const TargetEntry* entry = get_tle_by_resno(top->query->targetList, request->key_columns[0]);
  if (entry == nullptr || entry->resjunk) {
    elog(ERROR, "view has no column %d", request->key_columns[0]);
  }
  const Node* expr = reinterpret_cast<const Node*>(entry->expr);
  Key key = {entry->resname, getBaseType(exprType(expr)), exprCollation(expr), nullptr};
  const TypeCacheEntry* type = lookup_type_cache(key.type, TYPECACHE_EQ_OPR | TYPECACHE_BTREE_OPFAMILY | TYPECACHE_HASH_PROC);
  if (!OidIsValid(type->btree_opf) || !OidIsValid(type->hash_proc) || !OidIsValid(get_array_type(key.type)) || type_is_rowtype(key.type)) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("column \"%s\" of type %s cannot be the key of a TVIEW", key.name, format_type_be(key.type)),
                    errhint("The key needs a type with an equality, a sort order and a hash function; arrays and composite types cannot be keys.")));
  }
  key.roots = ComparableBy(analysis, ResolveOutput(analysis, top, request->key_columns[0], Resolve::kExit), type->btree_opf);
  return key;
}

// Paths of all occurrences, in the current memory context.
core::LineageResult Solve(Analysis* analysis, const Key* key) {
  int root_count = 0;
  for (const Target* root = key->roots; root != nullptr; root = root->next) {
    ++root_count;
  }
  core::LineageRoot* roots = static_cast<core::LineageRoot*>(palloc0(Max(root_count, 1) * sizeof(core::LineageRoot)));
  root_count = 0;
  for (const Target* root = key->roots; root != nullptr; root = root->next) {
    const bool same_type = ValueType(analysis, root->value, nullptr) == key->type;
    roots[root_count++] = {root->occurrence, root->value, same_type ? EqualityClassOf(analysis, key->type, key->collation) : 0};
  }
  core::LineageResult found = {};
  if (core::FindPaths(analysis->occurrence_count, analysis->edges, analysis->edge_count, roots, root_count, &found) != core::Outcome::kOk) {
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"), errdetail("Failed while finding the paths of a TVIEW.")));
  }
  const Size paths_size = Max(analysis->occurrence_count, 1) * sizeof(core::OccurrencePath);
  const Size steps_size = Max(found.step_count, 1) * sizeof(core::LineageStep);
  core::LineageResult copy = {};
  copy.step_count = found.step_count;
  copy.paths = static_cast<core::OccurrencePath*>(palloc_extended(paths_size, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_ZERO));
  copy.steps = static_cast<core::LineageStep*>(palloc_extended(steps_size, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_ZERO));
  const bool copied = copy.paths != nullptr && copy.steps != nullptr;
  if (copied) {
    if (analysis->occurrence_count > 0) {
      memcpy(copy.paths, found.paths, analysis->occurrence_count * sizeof(core::OccurrencePath));
    }
    if (found.step_count > 0) {
      memcpy(copy.steps, found.steps, found.step_count * sizeof(core::LineageStep));
    }
  }
  core::FreeLineage(&found);
  if (!copied) {
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"), errdetail("Failed while finding the paths of a TVIEW.")));
  }
  return copy;
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

[[noreturn]] void RefuseKey(const Analysis* analysis, const Level* top, const Key* key) {
  const char* note = nullptr;
  for (int i = top->from; i < top->to && note == nullptr; ++i) {
    note = analysis->occurrences[i].note;
  }
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("key column \"%s\" of the TVIEW cannot be traced to a table: %s", key->name,
                                                                 note != nullptr ? note : "it is not an expression of one table's columns"),
                  errhint("Choose another key, or create the TVIEW with the option on_unkeyed => 'full' to have it refreshed as a whole.")));
}

// A key from the optional side of an outer join: a row that finds no match has no key, and no path leads from it to one.
void RefuseOptionalKey(const Analysis* analysis, const Key* key) {
  const Occurrence* root = key->roots == nullptr ? nullptr : &analysis->occurrences[key->roots->occurrence];
  if (root != nullptr && OidIsValid(root->relation) && root->nullable) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("key column \"%s\" of the TVIEW comes from table %s, the optional side of an outer join", key->name, QualifiedName(root->relation)),
                    errdetail("Rows without a match would have no key."),
                    errhint("Take the key from the side that keeps its rows, or add \"WHERE ... IS NOT NULL\" to the query.")));
  }
}

[[noreturn]] void RefuseOccurrence(const Analysis* analysis, const core::LineageResult* found, const Key* key) {
  const Occurrence* worst = nullptr;
  for (int i = 0; i < analysis->occurrence_count; ++i) {
    const Occurrence* occurrence = &analysis->occurrences[i];
    if (OidIsValid(occurrence->relation) && found->paths[i].kind == core::PathKind::kNone && (worst == nullptr || occurrence->note_rank > worst->note_rank)) {
      worst = occurrence;
    }
  }
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("changes of table %s do not lead to the key \"%s\" of the TVIEW: %s", QualifiedName(worst->relation), key->name,
                         worst->note != nullptr ? worst->note : kDefaultNote),
                  errhint("Join it by an equality that leads to the key, or create the TVIEW with the option on_unkeyed => 'full' "
                          "to have it refreshed as a whole.")));
}

// What is captured for a value: the columns it reads; their NULLs too if it may have a value in spite of one.
void CaptureColumns(const Analysis* analysis, int32 value, Path* path) {
  const Value* captured = &analysis->values[value];
  path->columns = static_cast<AttrNumber*>(palloc0(bms_num_members(captured->columns) * sizeof(AttrNumber)));
  for (int column = -1; (column = bms_next_member(captured->columns, column)) >= 0;) {
    path->columns[path->column_count++] = static_cast<AttrNumber>(column);
  }
  path->nulls = contain_nonstrict_functions(reinterpret_cast<Node*>(captured->expressions));
}

// The path of one occurrence, or false when there is none.
bool WordPath(const Analysis* analysis, int number, core::OccurrencePath* found, const core::LineageStep* steps, Oid key_type, Path* path) {
  const Occurrence* occurrence = &analysis->occurrences[number];
  if (found->kind == core::PathKind::kNone) {
    return false;
  }
  const Oid type = ValueType(analysis, found->capture_value, nullptr);
  if (found->kind == core::PathKind::kMapped) {
    path->query = MappingQuery(analysis, found->capture_value, steps + found->first_step, found->step_count, key_type);
    if (path->query == nullptr) {
      found->kind = core::PathKind::kNone;
      return false;
    }
    path->kind = catalog::MappingKind::kMapped;
  } else if (PlainColumn(analysis, found->capture_value) == InvalidAttrNumber) {
    path->query = MappingQuery(analysis, found->capture_value, nullptr, 0, key_type);
    path->kind = catalog::MappingKind::kMapped;
  } else if (type != key_type) {
    path->query = CastQuery(type, key_type);
    path->kind = catalog::MappingKind::kMapped;
  } else {
    path->kind = catalog::MappingKind::kKey;
  }
  CaptureColumns(analysis, found->capture_value, path);
  if (!occurrence->all_used) {
    path->used = bms_union(LiveUsed(occurrence), analysis->values[found->capture_value].columns);
  }
  return true;
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

struct Reads {
  Oid view;
  List* relations;
};

bool CollectRelations(Node* node, Reads* reads) {
  if (node == nullptr) {
    return false;
  }
  if (IsA(node, RangeTblEntry)) {
    const RangeTblEntry* entry = reinterpret_cast<const RangeTblEntry*>(node);
    // Until 15 a view's query carries OLD and NEW, entries of the view itself.
    if (entry->rtekind == RTE_RELATION && entry->relid != reads->view) {
      if (get_rel_relkind(entry->relid) == RELKIND_VIEW) {
        reads->relations = list_concat_unique_oid(reads->relations, RelationsRead(entry->relid));
      } else {
        reads->relations = list_append_unique_oid(reads->relations, entry->relid);
      }
    }
    return false;
  }
  if (IsA(node, Query)) {
    return WalkQuery(reinterpret_cast<Query*>(node), CollectRelations, reads, QTW_EXAMINE_RTES_BEFORE);
  }
  return WalkChildren(node, CollectRelations, reads);
}

}  // namespace

Lineage DeriveLineage(const Request& request) {
  if (get_rel_persistence(request.view) == RELPERSISTENCE_TEMP) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW cannot be defined by temporary view %s", QualifiedName(request.view)),
                    errhint("Use an ordinary view over ordinary tables.")));
  }
  Analysis analysis = NewAnalysis();
  Level* top = ExpandLevel(&analysis, ViewQuery(request.view, &analysis.bodies), nullptr, nullptr, nullptr, false, false);
  for (int i = 0; i < list_length(analysis.levels); ++i) {
    WalkLevel(&analysis, static_cast<Level*>(list_nth(analysis.levels, i)));
  }
  const Key key = FindKey(&analysis, top, &request);
  if (key.roots == nullptr && !request.unkeyed_full) {
    RefuseKey(&analysis, top, &key);
  }
  const bool nullable = !IsKeyNeverNull(top, request.key_columns[0]);
  if (nullable && !request.unkeyed_full) {
    RefuseOptionalKey(&analysis, &key);
  }
  if (nullable) {
    WarnOfNullKey(top, request.key_columns[0]);
  }
  const core::LineageResult found = Solve(&analysis, &key);
  Lineage lineage = {};
  lineage.relations = static_cast<Relation*>(palloc0(Max(analysis.occurrence_count, 1) * sizeof(Relation)));
  lineage.paths = static_cast<Path*>(palloc0(Max(analysis.occurrence_count, 1) * sizeof(Path)));
  for (int i = 0; i < analysis.occurrence_count; ++i) {
    const Occurrence* occurrence = &analysis.occurrences[i];
    if (!OidIsValid(occurrence->relation)) {
      continue;
    }
    Path path = {};
    path.relation = occurrence->relation;
    if (!WordPath(&analysis, i, &found.paths[i], found.steps, key.type, &path)) {
      if (!request.unkeyed_full) {
        RefuseOccurrence(&analysis, &found, &key);
      }
      path.kind = catalog::MappingKind::kFull;
      path.used = LiveUsed(occurrence);
      path.reason = occurrence->note != nullptr ? occurrence->note : kDefaultNote;
    }
    path.nulls = path.nulls || (nullable && found.paths[i].kind == core::PathKind::kKey);
    AddPath(&lineage, &path);
    AddRelation(&lineage, occurrence->relation, list_member_oid(analysis.tviews, occurrence->relation), path.used);
  }
  lineage.bodies = analysis.bodies;
  lineage.narrowed = NarrowedQuery(top->query, request);
  return lineage;
}

List* RelationsRead(Oid view) {
  check_stack_depth();
  Reads reads = {view, NIL};
  List* bodies = NIL;
  CollectRelations(reinterpret_cast<Node*>(ViewQuery(view, &bodies)), &reads);
  return reads.relations;
}

}  // namespace tviews::lineage
