// What the files of this folder share: the expanded query as levels, relation occurrences and edges.
#pragma once

#include "core/lineage.h"
#include "lineage/lineage.h"
#include "pg/pg.h"

namespace tviews::lineage {

struct Level;

enum class ItemKind : uint8 { kOpaque, kRelation, kJoin, kLevel };

// What a range-table entry of a level turned into.  kOpaque: functions, VALUES, a recursive reference.
struct Item {
  ItemKind kind;
  int occurrence;  // kRelation
  Level* child;    // kLevel: sub-select, view or CTE, expanded for this reference
};

// A JOIN of a level and the occurrences below its two sides: [left_from, right_from) and [right_from, right_to).
struct Join {
  const JoinExpr* expr;
  int left_from, right_from, right_to;
};

// One SELECT of the expanded query.
struct Level {
  Query* query;
  Level* scope;        // where Vars with varlevelsup = 1 live; null at the top
  Level* from_parent;  // the level whose FROM or set operation holds this one; null at the top and for sub-selects in expressions
  Item* items;         // by range-table index (1-based)
  List* joins;         // of Join*
  List* true_sublinks; // of SubLink*: where NULL and FALSE mean the same
  CommonTableExpr* cte;  // what this level expands, or null
  int from, to;        // its occurrences, those of nested FROM levels included
  bool nullable;       // may be null-extended by an outer join above
  bool inert;          // a recursive CTE: no path leaves it
  SubLink* sublink;  // the expression that it is the sub-select of, or null
  int chosen;  // of a set operation: the range-table index of the branch that values enter by, 0: by the merged column
  bool crossed;        // left through another column than those of its windows' partition: see crossing.cpp
};

// A relation as it occurs in the expanded query, or (relation == InvalidOid) a merged column, see merged.cpp.
struct Occurrence {
  Oid relation;
  const Level* level;  // whose FROM it stands in; of a merged column the level that merges
  bool only;      // ONLY: without partitions and children
  bool nullable;  // may be null-extended by an outer join
  bool all_used;
  Bitmapset* used;
  int position;      // for a merged column the first occurrence it stands for, else its own number
  const char* note;  // why an edge could not be had, for the error
  int note_rank;
  // A merged column:
  List* merged_arms;  // the Vars it stands for
  Oid merged_type;
};

// What edges compare, known by its index: an expression of one occurrence's columns, or a tuple of such.
struct Value {
  int occurrence;
  List* expressions;   // over Vars with varno 1; that of a plain column is its Var
  Bitmapset* columns;  // attribute numbers read
  List* inputs;        // of Input*: what is captured for it
};

// A captured column, or the text at `path` of a jsonb column.
struct Input {
  AttrNumber column;
  List* path;  // of char*; NIL: the column itself
};

// One end of an equality, resolved to a value of an occurrence.
struct Target {
  int occurrence;
  int32 value;
  Target* next;
  Oid grouped_by;  // operator family under which its rows were grouped on the way out; InvalidOid: they were not
};

// How the values of an edge match.
enum class Match : uint8 {
  kEqual,
  kNullSafe,  // IS NOT DISTINCT FROM: NULL equals NULL
  kElement,   // near is an element of the array far
  kHolds,     // far is an element of the array near
};

// What the core does not need to know about an edge; `tag` is its index.
struct EdgeInfo {
  Oid op;  // near op far
  Oid near_input, far_input;  // the operator's operand types
  Oid collation;
  Oid family;
  Match match;
  // The edge holds only on the way to occurrences in this range, the optional side of its outer join; empty: to any.
  int optional_from, optional_to;
};

// An equality usable as an edge.
struct Equality {
  Oid op;         // left op right
  Oid commuted;   // right op left
  Oid left_input, right_input;
  Oid collation;
  Oid family;
  Match match;
};

// "element op ANY (array)".
struct Membership {
  Equality equality;
  const Node *element, *array;
};

struct Analysis {
  int choice;   // which branches of set operations values enter by, of `choices` ways to choose; -1: by merged columns
  int choices;  // 0: there is no set operation to enter
  bool may_cross;  // paths may leave levels through other columns than the partition's
  List* levels;  // of Level*, in order of creation; grows while it is walked
  Occurrence* occurrences;
  int occurrence_count, occurrence_room;
  int solved_count;  // of them when paths were found: resolving may add merged columns later
  core::LineageEdge* edges;
  EdgeInfo* edge_infos;
  int edge_count, edge_room;
  Value* values;
  int value_count, value_room;
  List* classes;  // of EqualityClass*
  List* tviews;   // OIDs of all TVIEW tables
  List* recursions;  // of Recursion*
  List* bodies;   // of Query*: of SQL functions that were written out
  Oid reader;     // as whom relations are read where the query does not say it: the owner of the TVIEW
  bool clock_allowed, reads_clock;
};

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

inline constexpr int kMaxOccurrences = 1000;
inline constexpr int kMaxChoices = 16;

// ---- levels.cpp

// Expands `query` and everything in its FROM into levels and occurrences.  Ereports: refused relations.
Level* ExpandLevel(Analysis* analysis, Query* query, Level* scope, Level* from_parent, CommonTableExpr* cte, bool nullable, bool inert);
int AddOccurrence(Analysis* analysis, Oid relation, const Level* level);
// A view's query, copied, its SQL functions written out.  Holds AccessShareLock on the view.  Appends to `bodies` as InlineFunctions.
Query* ViewQuery(Oid view, List** bodies);

// ---- inline.cpp

// The query with the SQL functions that the planner would inline written out, in FROM and in expressions, at every level.
// Appends to `bodies` the queries of those functions and of the functions they call.  Ereports.
Query* InlineFunctions(Query* query, List** bodies);

// ---- refuse_relation.cpp

// Ereports unless a TVIEW may read the relation of `entry`, which belongs to `query`.
void CheckRelation(const Analysis* analysis, const Query* query, const RangeTblEntry* entry);

// ---- refuse.cpp

// Ereports when the query itself (not its nested levels) asks for what no TVIEW can keep fresh: locking, changes.
void CheckQuery(const Query* query);
// Ereports when evaluating `node` itself (not its children) depends on more than its inputs and the pinned settings.
// Meeting the clock is noted in `analysis` where it is allowed.
void CheckExpressionNode(Analysis* analysis, Node* node);

// ---- values.cpp

// The number of a value; equal expressions of one occurrence have one number.
int32 ValueOf(Analysis* analysis, int occurrence, List* expressions);
int32 ColumnValue(Analysis* analysis, int occurrence, AttrNumber column);
// The column that a value is, or InvalidAttrNumber when it is an expression or a tuple.
AttrNumber PlainColumn(const Analysis* analysis, int32 value);
// The type of a value (of a tuple's first part), domains flattened.
Oid ValueType(const Analysis* analysis, int32 value, Oid* collation);

// ---- inputs.cpp

// What of a row determines the expressions.
List* InputsOf(const List* expressions);
// The path as a text[] literal.
const char* PathLiteral(const List* path);

// ---- resolve.cpp

enum class Resolve : uint8 {
  kEnter,  // near side: any plain column
  kExit,   // far side: only through columns into which a condition could be pushed; all alternatives are given
};

// The occurrences that column `var` of `level` comes from; null when it is no plain column (for kExit: or may not leave a level;
// the occurrences concerned are noted).  A merged column comes as its own occurrence, for kExit followed by its sources.
Target* ResolveVar(Analysis* analysis, Level* level, const Var* var, Resolve mode);
// As ResolveVar for output column `number` of `level`, seen from outside.
Target* ResolveOutput(Analysis* analysis, Level* level, AttrNumber number, Resolve mode);
// As ResolveVar for any expression of `level`, formed below `join` (null: above all joins): a Var, a COALESCE that merges columns,
// or an expression of one occurrence's columns; binary-compatible relabelling and COLLATE are stripped.
Target* ResolveExpression(Analysis* analysis, Level* level, const Join* join, const Node* expr, Resolve mode);
const Node* StripRelabel(const Node* expr);
// Whether a comparison of `family` tells no group's rows apart; else notes why the target is no exit.
bool IsComparableBy(Analysis* analysis, const Target* target, Oid family);
// Those of `targets` that are.
Target* ComparableBy(Analysis* analysis, Target* targets, Oid family);
Target* AppendTargets(Target* list, Target* more);
// Remembers why occurrences [from, to) lack an edge; the highest rank wins.
void NoteRange(Analysis* analysis, int from, int to, const char* note, int rank);

// ---- expressions.cpp

// As ResolveExpression for an expression that is no plain column: one whose columns all come from one occurrence.
Target* ResolveGeneral(Analysis* analysis, Level* level, const Join* join, const Node* expr, Resolve mode);
// Whether rows of the occurrence are there wherever the query evaluates `expr` of `level`, below `join`: no outer join puts NULLs instead.
bool IsAlwaysThere(const Analysis* analysis, const Level* level, const Join* join, const Node* expr, int occurrence);
// A constant of `level` as a value of each of its occurrences: view rows that come by way of the level have it.
Target* ResolveConstant(Analysis* analysis, const Level* level, const Node* expr);

// ---- inverse.cpp

// What `expr` casts to text, when that can be undone (uuid, integers); else null.
const Node* CastToText(const Node* expr);
// The value of `type` whose text is `text`; NULL where there is none.
Node* InverseOfCastToText(const Node* text, Oid type);
// The `text` of such an inverse; null when `expr` is none.
const Node* TextOfInverse(const Node* expr);

// ---- merged.cpp

// The Vars that `expr` takes its value from when it is a Var or nested COALESCEs of Vars (aliases of joins followed); else NIL.
List* MergedArms(Level* level, const Node* expr);
// A COALESCE whose arms are equal wherever they are not NULL; null when they may differ.
Target* ResolveCoalesce(Analysis* analysis, Level* level, const Node* expr, Resolve mode);
// The merged column's own occurrence, made when first met; null unless its values can be compared by their bytes.  For kExit
// followed by `sources`, the exits of what feeds it: each of them leads to the merged column, too.
Target* Merge(Analysis* analysis, const Level* level, List* arms, Oid type, Oid collation, int position, Target* sources, Resolve mode);

// ---- equality.cpp

// Whether the operator call (or DistinctExpr) is an equality that edges may use.
bool DescribeEquality(const OpExpr* call, Equality* equality);
// The call that `condition` is: of an equality, or a null-safe one (NOT a IS DISTINCT FROM b; a = b OR a IS NULL AND b IS NULL), and
// its description; null when it is neither.
const OpExpr* FindEquality(const Node* condition, Equality* equality);
// The equality that a type's own grouping uses.
Equality OwnEquality(Oid type, Oid collation);
// The class of comparing values of `type` with the type's own equality; 0 when equal values may differ in their bytes.
uint32 EqualityClassOf(Analysis* analysis, Oid type, Oid collation);
// The equality operator of `family` between two types, or InvalidOid.
Oid FamilyEquality(Oid family, Oid left, Oid right);
// 2, 1, 0: rows are found by the value through a unique index, an index, none.
int NearAccess(const Analysis* analysis, int32 value, Match match);
// The same for an expression over one relation (varno 1).
int Access(Oid relation, const Node* expression, Match match);

// ---- arrays.cpp

// Whether a condition of `level` says that a value is an element of an array.
bool FindMembership(const Level* level, const Node* condition, Membership* membership);

// ---- conditions.cpp

// Emits the edges of a condition of `level`: of WHERE (`join` null) or ON.
void EmitCondition(Analysis* analysis, Level* level, const Join* join, Node* node);

// ---- edges.cpp

// Emits the edges of one level, marks used columns, checks functions, and expands the sub-selects in its expressions.
void WalkLevel(Analysis* analysis, Level* level);
// An edge with the given ends, unless the shell could not make a query of it.
void AddEdge(Analysis* analysis, const Target* far, const Target* near, const Equality* equality, bool far_is_left, int barred_from, int barred_to);

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

// ---- derive.cpp

// The path of one occurrence to the key, or false when there is none.
bool WordPath(const Analysis* analysis, int number, Solution* solution, const Key* key, Path* path);


// ---- crossing.cpp

// Whether rows of `level` may lack the occurrence: an outer join between them null-extends it.
bool IsOptionalWithin(const Level* level, const Occurrence* occurrence);

// A level whose rows depend on each other within a partition (windows, DISTINCT ON), and which is left through another column.  A
// change below it concerns all rows of the partitions that it leaves or enters, besides its own.
struct Crossing {
  Level* level;
  const Node* partition;  // the partition's column, an expression of the level
  bool may_be_null, has_optional;  // it may be NULL; may be NULL for want of a partner in an outer join
  Key key;                         // it as what paths lead to
  Solution solution;               // these paths
  List* ways;                      // of Way*: from its rows to the key; NIL: there are none
};

// Whether the partition of the level's rows has a column in common for all that makes them depend on each other.
bool HasPartition(const Query* query);
// The crossings among the levels, outer ones first, with the paths to their partitions.
List* FindCrossings(Analysis* analysis);
bool IsBelow(const Level* level, const Level* above);
// Whether a change of `occurrence` may change more rows of `crossing` than its own; `*used` (null: any) gets the columns that may.
bool Concerns(const Analysis* analysis, const Crossing* crossing, int occurrence, Bitmapset** used, bool* any);

// ---- crossing_paths.cpp

// Fills `ways` of all crossings, from the paths to the key.
void FindWays(Analysis* analysis, List* crossings, Solution* to_key, const Key* key);
// Appends to `paths` (of Path*) those of `occurrence` through the crossings above it.  False when one cannot be had.
bool WordCrossingPaths(Analysis* analysis, const List* crossings, int occurrence, List** paths);

// ---- lookups.cpp

// The lookups (List* of MissingIndex*) along the paths of a solution, and of partitions' rows, for which there is no index.
List* UnindexedLookups(const Analysis* analysis, const Solution* solution, const Key* key, const List* crossings);

// ---- recursion.cpp

// A recursive CTE whose rows follow each other by an equality: `row.link = previous.next`.
struct Recursion {
  const Level* term;      // the recursive one
  Key key;                // the link
  Solution solution;      // paths to it inside the term
  int next_occurrence;    // where the next row's value comes from
  AttrNumber next_column;
  List* starts;           // of int: per branch of the base term the occurrence, without a relation, that stands for the first rows' value
};

// Notes the recursion of a level that is a recursive CTE, with edges from the first rows' value to where it comes from; nothing
// when its rows are not linked by a plain column.
void EmitRecursion(Analysis* analysis, Level* level);
// Appends to `paths` those of an occurrence inside a recursive term: to the link, by its closure to the first rows, on to the key.
bool WordRecursionPaths(Analysis* analysis, int occurrence, Solution* to_key, const Key* key, List** paths);

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

// The mapping query from captured `value` along `steps`, or null when a step crosses a merged column.
const char* MappingQuery(const Analysis* analysis, int32 value, const core::LineageStep* steps, int step_count, const Key* key, const Root* root);
// The operator as SQL says it whatever the search path: OPERATOR(schema.name).
const char* OperatorName(Oid op);
const char* CollationName(Oid collation);

// ---- narrow.cpp

// The view's query (changed on the way) narrowed to the groups that hold the keys in $1 .. $n, arrays of the key columns' base
// types; null when its rows do not depend on each other or the groups cannot be told from the key's own relation.  It gives
// other rows, too, but those with these keys as the view does.
const char* NarrowedQuery(Query* query, const Request& request);

// "schema"."name", for messages and SQL.
const char* QualifiedName(Oid relation);

}  // namespace tviews::lineage
