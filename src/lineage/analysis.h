// The expanded query, which the files of this folder share: levels, relation occurrences, values and edges.
#pragma once

#include "core/lineage.h"
#include "lineage/lineage.h"
#include "pg/pg.h"

namespace tviews::lineage {

struct Level;

enum class ItemKind : uint8 { kOpaque, kRelation, kJoin, kLevel, kRows };

// What a range-table entry of a level turned into.  kRows: functions, VALUES; kOpaque: a recursive reference.
struct Item {
  ItemKind kind;
  int occurrence;  // kRelation; kRows: one without relation, which has the item's place
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

inline constexpr int kMaxOccurrences = 1000;
inline constexpr int kMaxChoices = 16;

// ---- levels.cpp

// Expands `query` and everything in its FROM into levels and occurrences.  Ereports: refused relations.
Level* ExpandLevel(Analysis* analysis, Query* query, Level* scope, Level* from_parent, CommonTableExpr* cte, bool nullable, bool inert);
int AddOccurrence(Analysis* analysis, Oid relation, const Level* level);
// A view's query, copied, its SQL functions written out.  Holds AccessShareLock on the view.  Appends to `bodies` as InlineFunctions.
Query* ViewQuery(Oid view, List** bodies);

// Whether `level` is `above` or stands in it, in FROM or in an expression.
bool IsBelow(const Level* level, const Level* above);
// Whether the join gives NULLs where it finds no row of the occurrence at `position`.
bool NullExtends(const Join* join, int position);
// Whether rows of `level` may lack the occurrence: an outer join between them null-extends it.
bool IsOptionalWithin(const Level* level, const Occurrence* occurrence);

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

// "schema"."name", for messages and SQL.
const char* QualifiedName(Oid relation);

}  // namespace tviews::lineage
