// From edges to paths: the key, the search, and paths as captured columns and mapping queries.
#pragma once

#include "lineage/edges.h"

namespace tviews::lineage {

// A key column of the view and the places that give it; several for a merged column and for set operations.
struct KeyColumn {
  const char* name;
  Oid type, collation;
  Target* sources;
  bool nullable;
};

struct Key {
  int count;
  KeyColumn* columns;
  const char* names;
  bool nullable;  // some column is
  Oid view, table;
  const Level* within;  // paths stay below it; null: anywhere
};

// What a path leads to: key columns, in this order; fewer than the key has when the rows that have these are to be looked for.
struct Root {
  int count;
  int* columns;
};

struct Solution {
  core::LineageResult found;  // in the memory context of the call
  Root* roots;
  int root_count;
};

// ---- keys.cpp

// Ereports: no such column, or of a type that cannot be a key.
Key FindKey(Analysis* analysis, Level* top, const Request* request);
// Ereports unless some of the key comes from a table, and none of it from the optional side of an outer join.
void CheckKey(const Analysis* analysis, const Level* top, const Key* key);
void WarnOfNullKey(const Key* key);

// ---- roots.cpp

// The paths of all occurrences to the key.
Solution Solve(Analysis* analysis, const Key* key);
// Whether one of `targets` is more than a constant.
bool HasColumns(const Analysis* analysis, const Target* targets);

// ---- word_path.cpp

// The columns of an occurrence that are used and still there; null: all.
Bitmapset* LiveUsed(const Occurrence* occurrence);
// The path of one occurrence to the key, or false when there is none.
bool WordPath(const Analysis* analysis, int number, Solution* solution, const Key* key, Path* path);
// As WordPath, but where the next row is not told by one unique column, every plain column that is equated with one of that row's is
// captured and compared: a join by tenant and number must not lead to a whole tenant.
bool WordWholePath(Analysis* analysis, int number, Solution* solution, const Key* key, Path* path);

// ---- crossing.cpp

// A level whose rows depend on each other within a partition (windows, DISTINCT ON), and which is left through another column.  A
// change below it concerns all rows of the partitions that it leaves or enters, besides its own.
struct Crossing {
  Level* level;
  List* partition;  // its columns, expressions of the level; several are of one occurrence; NIL: none leads anywhere
  bool may_be_null, has_optional;  // one may be NULL; may be NULL for want of a partner in an outer join
  Key key;                         // it as what paths lead to
  Solution solution;               // these paths
  List* ways;                      // of Way*: from its rows to the key; NIL: there are none
};

// From all rows of a partition to the key: `path` is that of `occurrence`, one of the level's own.
struct Way {
  int occurrence;
  int crossings;  // that it passes, its own included
  Path path;
};

// Whether the partition of the level's rows has a column in common for all that makes them depend on each other.
bool HasPartition(const Query* query);
// The crossings among the levels, outer ones first, with the paths to their partitions.
List* FindCrossings(Analysis* analysis);
// Whether a change of `occurrence` may change more rows of `crossing` than its own; `*used` (null: any) gets the columns that may.
bool Concerns(const Analysis* analysis, const Crossing* crossing, int occurrence, Bitmapset** used, bool* any);

// ---- crossing_paths.cpp

// Fills `ways` of all crossings, from the paths to the key.
void FindWays(Analysis* analysis, List* crossings, Solution* to_key, const Key* key);
// Appends to `paths` (of Path*) those of `occurrence` through the crossings above it.  False when one cannot be had.
bool WordCrossingPaths(Analysis* analysis, const List* crossings, int occurrence, List** paths);

// ---- crossing_rows.cpp

// The query that leads from captured columns (`first`, to the partition) by all rows of the partition to the key; null: not possible.
const char* ThroughPartition(Analysis* analysis, const Crossing* crossing, const Path* first, const Way* way);

// ---- lookups.cpp

// The lookups (List* of MissingIndex*) along the paths of a solution, and of partitions' rows, for which there is no index.
List* UnindexedLookups(const Analysis* analysis, const Solution* solution, const Key* key, const List* crossings);

// ---- recursion.cpp

// A recursive CTE whose rows follow each other by an equality: `row.link = previous.next`.
struct Recursion {
  const Level* term;      // the recursive one
  Key key;                // the link
  Solution solution;      // paths to it inside the term
  Key outside;            // the next value as the query around sees it; no column: it does not
  Solution outside_solution;
  int next_occurrence;    // where the next row's value comes from
  AttrNumber next_column;
  List* starts;           // of int: per branch of the base term the occurrence, without a relation, that stands for the first rows' value
};

// Notes the recursion of a level that is a recursive CTE, with edges from the first rows' value to where it comes from; nothing
// when its rows are not linked by a plain column.
void EmitRecursion(Analysis* analysis, Level* level);
// Finds the paths to links and next values.
void SolveRecursions(Analysis* analysis);
// Appends to `paths` those of an occurrence inside a recursive term: to the link, by its closure to the first rows, on to the key.
// `outside`: of one that is joined to what the CTE gives; to the next value, and on as above.
bool WordRecursionPaths(Analysis* analysis, int occurrence, bool outside, Solution* to_key, const Key* key, List** paths);

// ---- compose.cpp

// `expr` as the runtime captures it: of the base type, as text when that has no array type or a path into it is captured.
const char* Captured(const char* expr, Oid type, const char* json_path);
const char* JsonPath(const Path* path, int i);
// The path's query with these expressions for the arrays of captured values.
const char* WithCaptured(const Path* path, const char* const* arrays);
// The query that takes the rows of `query` for what the path captures.
const char* ContinueFrom(const char* query, const Path* path);
// As WordPath, also for occurrences without a relation.
bool WordWay(const Analysis* analysis, int occurrence, Solution* solution, const Key* key, Path* path);

// ---- never_null.cpp

// Whether output column `number` of the view is never NULL, as far as can be told.
bool IsKeyNeverNull(Level* top, AttrNumber number);

// ---- mapping_query.cpp

// Further equalities of the first step: the captured tuple that they need, and their edges.
struct Further {
  int32 captured;
  List* edges;  // of int
};
// The mapping query from captured `value` along `steps`, or null when a step crosses a merged column.
const char* MappingQuery(const Analysis* analysis, int32 value, const core::LineageStep* steps, int step_count, const Key* key, const Root* root,
                         const Further* further);
// The operator as SQL says it whatever the search path: OPERATOR(schema.name).
const char* OperatorName(Oid op);
const char* CollationName(Oid collation);

// ---- collect.cpp

// What became of one relation occurrence.
struct Outcome {
  int occurrence;
  List* paths;    // of Path*
  bool pathless;  // it needs a full refresh
};

Lineage Collect(const Analysis* analysis, const Outcome* outcomes, int outcome_count);

// ---- narrow.cpp

// The view's query (changed on the way) narrowed to the groups that hold the keys in $1 .. $n, arrays of the key columns' base
// types; null when its rows do not depend on each other or the groups cannot be told from the key's own relation.  It gives
// other rows, too, but those with these keys as the view does.
const char* NarrowedQuery(Query* query, const Request& request);

}  // namespace tviews::lineage
