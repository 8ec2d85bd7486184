// The tv_ table of a refresh: its shape, and the places where its rows are stored.
#pragma once

#include "refresh/refresh.h"

namespace tviews::refresh {

// Where rows are stored: the table itself, or a leaf of its partition tree.
struct Leaf {
  Oid oid;
  Relation table;  // null until OpenLeaf
  Relation index;  // leads with the key columns
  bool unique;     // and is unique on them
  bool empty;      // held no row when it was opened
  AttrNumber* owned_columns;  // attribute numbers in this relation, in the order of the view's columns
  AttrNumber* key_columns;
  ScanKey scan_keys;  // one per key column, in the index's order
  int* scan_key_at;   // where their values stand among the owned columns
};

struct Branch;  // a partitioned table of the tree, see partitions.h

struct Target {
  MemoryContext own;
  ResourceOwner resources;
  LOCKMODE lock;
  const catalog::Tview* tview;
  Relation table;
  TupleDesc row;  // the owned columns, then `tid` and `leaf`: what the changes are kept as
  int owned;      // how many
  int* key_at;    // where the key columns stand among the owned columns
  FmgrInfo* key_equal;
  Snapshot latest;  // registered: what is stored now
  int leaf_count;
  Leaf* leaves;
  int branch_count;  // 0: an ordinary table, whose one leaf is itself
  Branch* branches;  // parents before children
};

// Opens the table (ROW EXCLUSIVE unless `lock` says otherwise).  Ereports for what cannot be refreshed.
Target* OpenTarget(const catalog::Tview* tview, LOCKMODE lock, Snapshot snapshot);
void CloseTarget(Target* target);

// The leaf, opened with its key index on first use; it stays open as long as the target, whatever subtransaction asks.  Ereports.
const Leaf* OpenLeaf(const Target* target, int leaf);

// The planner's idea of how many rows the table and its partitions hold; -1: none.
double RowsStored(Oid table);

// True when column i of the owned columns is stored as `value` already, byte for byte.
bool SameValue(const Target* target, const Leaf* leaf, int i, TupleTableSlot* stored, Datum value, bool is_null);
bool SameRow(const Target* target, const Leaf* leaf, TupleTableSlot* stored, const Datum* values, const bool* nulls);

// True when the stored row has the key of the owned-column `values`.
bool SameKey(const Target* target, const Leaf* leaf, TupleTableSlot* stored, const Datum* values);

// The key of owned-column values as bytes of core/record.h, in the current context.
core::ByteSpan KeyBytes(const Target* target, const Datum* values, const bool* nulls);

}  // namespace tviews::refresh
