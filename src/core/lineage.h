// From edges between relation occurrences to one path per occurrence: how a changed row leads to the keys it affects.
//
// The shell walks the query tree and emits occurrences (one per range-table entry of the fully expanded query) and directed
// edges "a row of `far` contributes to a view row only together with a row of `near` for which far_value = near_value".  A value is
// the shell's number of a column, an expression or a tuple of expressions of one occurrence; here numbers are only compared.
// Paths form a tree, breadth first from the key outwards, so that the rest of a path is the path of the next occurrence.
#pragma once

#include "core/bytes.h"

namespace tviews::core {

struct LineageEdge {
  int32_t far;  // occurrence
  int32_t far_value;
  int32_t near;
  int32_t near_value;
  // Equal numbers mean: same operator family and collation, so that a value may stand for the other.  0: never skip over it.
  uint32_t equality_class;
  // How cheaply near rows are found by near_value: 2 unique, 1 indexed, 0 neither.
  int8_t near_access;
  // Occurrences that the path beyond `near` must not enter, as a half-open range (an equality of a FULL JOIN); empty if equal.
  int32_t barred_from, barred_to;
  int32_t tag;  // the shell's own number, handed back in the step
};

// A place where the key of the view comes from.  A FULL JOIN ... USING key has two.
struct LineageRoot {
  int32_t occurrence;
  int32_t value;
  uint32_t equality_class;  // of comparing keys
};

enum class PathKind : uint8_t {
  kNone,    // no path: the shell decides (full, or refuse)
  kKey,     // the captured value is the key
  kMapped,  // steps lead to the key
};

// One hop of a path: find the rows of `occurrence` whose `match_value` equals the values at hand; go on with `next_value`.
struct LineageStep {
  int32_t occurrence;
  int32_t match_value;
  int32_t next_value;
  int32_t edge_tag;  // the edge that led to this occurrence
};

struct OccurrencePath {
  PathKind kind;
  int32_t capture_value;  // the value of the occurrence that is captured, OLD and NEW
  int32_t first_step;     // into `steps`
  int32_t step_count;     // 0 for kKey
  int32_t root;           // the root it leads to; -1 for kNone
  int32_t next;           // the occurrence its edge leads to, skipped or not; -1 for a root and for kNone
};

struct LineageResult {
  OccurrencePath* paths;  // one per occurrence
  LineageStep* steps;
  int32_t step_count;
};

// Finds the paths.  `result->paths` and `result->steps` are malloc'ed; free them with FreeLineage.
//
// Order of preference for an occurrence: fewest steps after skipping, then near_access, then the lowest edge index.
// Skipping: when an edge arrives at near_value and near's own path captures that very value, near is not visited
// (the value at hand is used as the next value) provided both comparisons are of one equality class.
Outcome FindPaths(int32_t occurrences, const LineageEdge* edges, int32_t edge_count, const LineageRoot* roots, int32_t root_count,
                  LineageResult* result) noexcept;
void FreeLineage(LineageResult* result) noexcept;

// Levels: level[i] = 1 + the highest level among the TVIEWs that i reads, 0 when it reads none.  `reads` are pairs (reader,
// read).  Returns false when there is a cycle.
struct ReadsEdge {
  int32_t reader, read;
};
bool AssignLevels(int32_t count, const ReadsEdge* reads, int32_t reads_count, int32_t* level) noexcept;

}  // namespace tviews::core
