// What an apply pass holds open; private to write_group.cpp, write_row.cpp and write_insert.cpp.
#pragma once

#include "refresh/lookup.h"
#include "refresh/write_row.h"

namespace tviews::refresh {

// One leaf that is written to.
struct Place {
  const Leaf* leaf;
  int number;
  ResultRelInfo* result;
  TupleTableSlot* stored;
  TupleTableSlot* fresh;
  TupleConversionMap* from_root;  // null: the layouts are alike, or the leaf is the table itself
  int group;                      // the last group it was prepared for
};

// A row whose uniqueness is to be checked at the end of its group.
struct Suspect {
  ItemPointerData tid;
  const Place* place;
  Oid index;
  int64 tag;
};

struct Writer {
  const Target* target;
  EState* estate;
  ResultRelInfo* root;  // carries the statement triggers; that of the one place of an ordinary table
  Place** places;       // per leaf; null until written to
  TupleTableSlot* row;  // a new row in the table's layout
  EPQState epq;
  Lookup* dirty_lookup;
  SnapshotData dirty;
  ExprState** defaults;  // per attribute of the table; built at the first insert
  TransitionCaptureState* transition;
  MemoryContext own;
  List* suspects;  // of Suspect*
  Op op;
  int group;
  int64 tag;
};

// The place of a leaf, ready for the current group.
Place* OpenPlace(Writer* writer, int leaf);

// Inserts the row of these owned-column values, where it belongs; updates the one that a user put there meanwhile.
Written Insert(Writer* writer, const Datum* values, const bool* nulls);

// Inserts writer->row into its leaf; `moving`: it came from another one by an UPDATE.  Returns the row as it was inserted.
TupleTableSlot* InsertRow(Writer* writer, Place* place, bool moving);

// Updates the row in place->stored.
Written Update(Writer* writer, Place* place, const Datum* values, const bool* nulls);

// Makes the index entries of `slot` and notes the unique indexes that are to be checked again.
List* InsertIndexEntries(Writer* writer, Place* place, TupleTableSlot* slot, bool update);

bool HasTrigger(const Place* place, bool TriggerDesc::*kind);
bool HasGenerated(const Place* place);
[[noreturn]] void RaiseSuppressed(const Place* place);

}  // namespace tviews::refresh
