// Finding stored rows by key without SQL, in whichever leaves they may be.
#pragma once

#include "refresh/target.h"

namespace tviews::refresh {

struct Stored {
  TupleTableSlot* slot;  // valid until the next row of the same leaf is asked for
  int leaf;
};

// Scans of the leaves' key indexes, begun as they are needed, and one search at a time.
struct Lookup;
Lookup* NewLookup(const Target* target, Snapshot snapshot);
void EndLookup(Lookup* lookup);

// Starts the search for the key of owned-column `values`.  With `nulls` all values are set, and the leaf they lead to comes first.
void StartSearch(Lookup* lookup, const Datum* values, const bool* nulls);

// The same in one leaf only.
void StartSearchOfLeaf(Lookup* lookup, const Datum* values, int leaf);

// The next stored row with the key; false: no more.  More than one can only be a user's doing.
bool NextStored(Lookup* lookup, Stored* stored);

}  // namespace tviews::refresh
