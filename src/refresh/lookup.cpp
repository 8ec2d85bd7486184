// Finding stored rows by key without SQL, in whichever leaves they may be.
#include "refresh/lookup.h"

#include "refresh/partitions.h"

namespace tviews::refresh {

struct Lookup {
  const Target* target;
  Snapshot snapshot;
  MemoryContext own;
  IndexScanDesc* scans;    // per leaf; null until needed
  TupleTableSlot** slots;  // per leaf
  // Of the current search:
  const Datum* values;
  int first;        // the leaf that is looked at first; -1: none
  int* candidates;  // the leaves that can hold the key
  int count, next;  // count < 0: not determined yet
  int scanning;     // the leaf whose scan may give more; -1: none
};

namespace {

// The scan allocates some of its state when it first needs it, so that it must not run in memory that is reset per row.
bool Fetch(Lookup* lookup, Stored* stored) {
  MemoryContext context = MemoryContextSwitchTo(lookup->own);
  stored->leaf = lookup->scanning;
  stored->slot = lookup->slots[lookup->scanning];
  const bool found = index_getnext_slot(lookup->scans[lookup->scanning], ForwardScanDirection, stored->slot);
  if (!found || lookup->target->leaves[lookup->scanning].unique) {
    lookup->scanning = -1;
  }
  MemoryContextSwitchTo(context);
  return found;
}

void BeginScan(Lookup* lookup, int number) {
  const Leaf* leaf = OpenLeaf(lookup->target, number);
  const int count = lookup->target->tview->key_count;
  MemoryContext context = MemoryContextSwitchTo(lookup->own);
  if (lookup->scans[number] == nullptr) {
    lookup->scans[number] = BeginIndexScan(leaf->table, leaf->index, lookup->snapshot, count);
    lookup->slots[number] = table_slot_create(leaf->table, nullptr);
  }
  for (int i = 0; i < count; ++i) {
    leaf->scan_keys[i].sk_argument = lookup->values[leaf->scan_key_at[i]];
  }
  index_rescan(lookup->scans[number], leaf->scan_keys, count, nullptr, 0);
  MemoryContextSwitchTo(context);
  lookup->scanning = number;
}

// What was empty under an MVCC snapshot taken before it was looked at stays so.
bool MayHoldRows(const Lookup* lookup, int leaf) {
  return lookup->snapshot->snapshot_type != SNAPSHOT_MVCC || !OpenLeaf(lookup->target, leaf)->empty;
}

// The next leaf to look at; -1: none.
int NextLeaf(Lookup* lookup) {
  if (lookup->count < 0) {
    lookup->count = LeavesOfKey(lookup->target, lookup->values, lookup->candidates);
  }
  while (lookup->next < lookup->count) {
    const int leaf = lookup->candidates[lookup->next++];
    if (leaf != lookup->first && MayHoldRows(lookup, leaf)) {
      return leaf;
    }
  }
  return -1;
}

}  // namespace

Lookup* NewLookup(const Target* target, Snapshot snapshot) {
  Lookup* lookup = static_cast<Lookup*>(palloc0(sizeof(Lookup)));
  lookup->target = target;
  lookup->snapshot = snapshot;
  lookup->own = CurrentMemoryContext;
  lookup->scans = static_cast<IndexScanDesc*>(palloc0((target->leaf_count + 1) * sizeof(IndexScanDesc)));
  lookup->slots = static_cast<TupleTableSlot**>(palloc0((target->leaf_count + 1) * sizeof(TupleTableSlot*)));
  lookup->candidates = static_cast<int*>(palloc((target->leaf_count + 1) * sizeof(int)));
  return lookup;
}

void EndLookup(Lookup* lookup) {
  for (int i = 0; i < lookup->target->leaf_count; ++i) {
    if (lookup->scans[i] != nullptr) {
      index_endscan(lookup->scans[i]);
      ExecDropSingleTupleTableSlot(lookup->slots[i]);
    }
  }
}

void StartSearch(Lookup* lookup, const Datum* values, const bool* nulls) {
  lookup->values = values;
  lookup->next = 0;
  lookup->count = -1;
  lookup->scanning = -1;
  lookup->first = -1;
  if (lookup->target->branch_count == 0) {
    lookup->count = 0;
    lookup->first = 0;
  } else if (nulls != nullptr) {
    lookup->first = LeafOfValues(lookup->target, values, nulls);
  }
  if (lookup->first >= 0) {
    BeginScan(lookup, lookup->first);
  }
}

void StartSearchOfLeaf(Lookup* lookup, const Datum* values, int leaf) {
  lookup->values = values;
  lookup->next = lookup->count = 0;
  lookup->first = leaf;
  BeginScan(lookup, leaf);
}

bool NextStored(Lookup* lookup, Stored* stored) {
  for (;;) {
    if (lookup->scanning >= 0 && Fetch(lookup, stored)) {
      return true;
    }
    const int leaf = NextLeaf(lookup);
    if (leaf < 0) {
      return false;
    }
    BeginScan(lookup, leaf);
  }
}

}  // namespace tviews::refresh
