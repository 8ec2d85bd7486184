// From conditions to edges: which conditions are equalities, and what they join.
#pragma once

#include "lineage/resolve.h"

namespace tviews::lineage {

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

// ---- derived_edges.cpp

// Where a value equals a column of no relation (opaque.cpp), what is computed from it equals what is computed from the column.
void EmitDerivedEdges(Analysis* analysis);
// The edge to such a column of another type than `far`, which is cast to it if there is an implicit cast.
void AddCastEdge(Analysis* analysis, const Target* far, const Target* near, const Equality* equality, int barred_from, int barred_to);

}  // namespace tviews::lineage
