// Where the columns and expressions of a level come from: values of relation occurrences.
#pragma once

#include "lineage/analysis.h"

namespace tviews::lineage {

// One end of an equality, resolved to a value of an occurrence.
struct Target {
  int occurrence;
  int32 value;
  Target* next;
  Oid grouped_by;  // operator family under which its rows were grouped on the way out; InvalidOid: they were not
};

// ---- resolve.cpp

// Whether the target column is one of those in a GROUP BY, DISTINCT or PARTITION BY clause.
bool IsIn(const TargetEntry* entry, List* clause);

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
// A constant of `level` as a value of each occurrence below it, in sub-selects too: view rows that come by way of the level have it.
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

// ---- opaque.cpp

bool IsSetReturning(const Analysis* analysis, int32 value);
// Column `var` of an item of kind kRows, of `level`: an occurrence of its own; for kExit followed by the function's value where that
// is an expression of one occurrence's columns.
Target* ResolveRows(Analysis* analysis, Level* level, const Var* var, Resolve mode);
// The same for a column of a sub-select that is no plain value; `sources`: what it is, returning a set, or null.
Target* ResolveOpaqueColumn(Analysis* analysis, Level* level, const Var* var, Target* sources, Resolve mode);
// An expression of such columns of one item, `vars`, which resolve to `resolved` (of Target*); null when it is none.
Target* ResolveOpaqueExpression(Analysis* analysis, Level* level, const Join* join, const Node* expr, const List* vars, const List* resolved);

}  // namespace tviews::lineage
