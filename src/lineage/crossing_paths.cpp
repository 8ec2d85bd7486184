// Paths that pass crossings: to the partition, to all of its rows, and on to the key.
#include "lineage/paths.h"
#include "lineage/walker.h"

namespace tviews::lineage {

namespace {

constexpr int kMaxCrossings = 3;  // on one path

// The occurrence through which a crossing's rows go on along `found`: it stands in each of them.  -1: there is none.
int ExitOf(const Analysis* analysis, const Crossing* crossing, const core::LineageResult* found, bool is_tuple) {
  int best = -1;
  for (int i = 0; i < analysis->solved_count; ++i) {
    const core::OccurrencePath* path = &found->paths[i];
    const Level* level = analysis->occurrences[i].level;
    if (path->kind == core::PathKind::kNone || (path->next >= 0 && IsBelow(analysis->occurrences[path->next].level, crossing->level))) {
      continue;
    }
    while (level != nullptr && level != crossing->level) {
      level = level->from_parent;
    }
    // Of a key of several columns others than their own sources are roots, too: they must be there.
    if (level != nullptr && is_tuple && path->next < 0 && IsOptionalWithin(level, &analysis->occurrences[i])) {
      continue;
    }
    if (level != nullptr && (best < 0 || path->step_count < found->paths[best].step_count)) {
      best = i;
    }
  }
  return best;
}

// `first` continued by each of the crossing's ways.  False when one cannot be worded.
bool Continue(Analysis* analysis, const Crossing* crossing, const Path* first, int occurrence, List** ways) {
  ListCell* cell;
  foreach (cell, crossing->ways) {
    const Way* way = static_cast<const Way*>(lfirst(cell));
    const char* query = ThroughPartition(analysis, crossing, first, way);
    if (query == nullptr || way->crossings >= kMaxCrossings) {
      return false;
    }
    Way* longer = static_cast<Way*>(palloc0(sizeof(Way)));
    *longer = {occurrence, way->crossings + 1, *first};
    longer->path.kind = catalog::MappingKind::kPartition;
    longer->path.query = query;
    // Also a row without a partner, whose own value is NULL, stands in the partition of NULLs.
    longer->path.nulls = longer->path.nulls || crossing->has_optional || (first->kind == catalog::MappingKind::kKey && crossing->may_be_null);
    *ways = lappend(*ways, longer);
  }
  return crossing->ways != NIL;
}

bool WordFirst(const Analysis* analysis, Crossing* crossing, int occurrence, Path* path) {
  *path = {};
  path->relation = analysis->occurrences[occurrence].relation;
  return crossing->partition != NIL && WordWay(analysis, occurrence, &crossing->solution, &crossing->key, path);
}

// The ways of one crossing; NIL when one of them cannot be had.
List* WaysOf(Analysis* analysis, const List* crossings, const Crossing* crossing, Solution* to_key, const Key* key) {
  Way* direct = static_cast<Way*>(palloc0(sizeof(Way)));
  direct->occurrence = ExitOf(analysis, crossing, &to_key->found, key->count > 1);
  if (direct->occurrence < 0 || !WordWay(analysis, direct->occurrence, to_key, key, &direct->path)) {
    return NIL;
  }
  List* ways = list_make1(direct);
  ListCell* cell;
  foreach (cell, crossings) {
    Crossing* outer = static_cast<Crossing*>(lfirst(cell));
    Bitmapset* used;
    bool any;
    Path first;
    const int exit = outer != crossing && IsBelow(crossing->level, outer->level) ? ExitOf(analysis, crossing, &outer->solution.found, false) : -1;
    if (outer == crossing || !IsBelow(crossing->level, outer->level) || (exit >= 0 && !Concerns(analysis, outer, exit, &used, &any))) {
      continue;
    }
    if (exit < 0 || !WordFirst(analysis, outer, exit, &first) || !Continue(analysis, outer, &first, exit, &ways)) {
      return NIL;
    }
  }
  return ways;
}

}  // namespace

void FindWays(Analysis* analysis, List* crossings, Solution* to_key, const Key* key) {
  ListCell* cell;
  foreach (cell, crossings) {  // outer ones first
    Crossing* crossing = static_cast<Crossing*>(lfirst(cell));
    crossing->ways = WaysOf(analysis, crossings, crossing, to_key, key);
  }
}

bool WordCrossingPaths(Analysis* analysis, const List* crossings, int occurrence, List** paths) {
  ListCell* cell;
  foreach (cell, crossings) {
    Crossing* crossing = static_cast<Crossing*>(lfirst(cell));
    Bitmapset* used;
    bool any;
    if (!Concerns(analysis, crossing, occurrence, &used, &any)) {
      continue;
    }
    Path first;
    List* ways = NIL;
    if (!WordFirst(analysis, crossing, occurrence, &first) || !Continue(analysis, crossing, &first, occurrence, &ways)) {
      NoteRange(analysis, occurrence, occurrence + 1, "it does not lead to the partition of a window function or DISTINCT ON, or that not to the key", 8);
      return false;
    }
    ListCell* at;
    foreach (at, ways) {
      Path* path = &static_cast<Way*>(lfirst(at))->path;
      if (!any) {
        path->used = used;
        for (int i = 0; i < path->column_count; ++i) {
          path->used = bms_add_member(bms_copy(path->used), path->columns[i]);
        }
      }
      *paths = lappend(*paths, path);
    }
  }
  return true;
}

}  // namespace tviews::lineage
