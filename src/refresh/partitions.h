// The partition tree of a tv_ table: which leaf a row belongs to, and in which leaves a key can be.
#pragma once

#include "refresh/target.h"

namespace tviews::refresh {

struct Branch {
  Relation table;
  PartitionKey key;
  PartitionDesc parts;
  int* children;     // per partition: the leaf's number, or ~ that of the branch
  bool by_key;       // the TVIEW's key says which partition
  bool by_owned;     // the owned columns do
  AttrNumber* owned_columns;  // attribute numbers in this relation
  TupleTableSlot* slot;       // a row to be routed, in this relation's layout
  TupleConversionMap* from_root;
  List* expressions;  // ExprStates of the partition key
  ExprContext* evaluation;
};

// Opens every partitioned table of the tree and numbers the leaves.  Ereports on a foreign one.
void OpenPartitions(Target* target);
void ClosePartitions(Target* target);

// The owned columns by name in a relation of the tree.
AttrNumber* ColumnsOf(const Target* target, Relation relation);

// The leaf for a row in the layout of the root.  Ereports like INSERT (23514) when there is none.
int LeafOfRow(const Target* target, TupleTableSlot* row);

// The leaf that owned-column values lead to; -1: none, or they do not say.
int LeafOfValues(const Target* target, const Datum* values, const bool* nulls);

// The leaves that can hold the key of owned-column `values`; `leaves` has room for all.  Returns how many.
int LeavesOfKey(const Target* target, const Datum* values, int* leaves);

}  // namespace tviews::refresh
