// The tv_ table of a refresh: its shape, and finding its stored rows by key without SQL.
#pragma once

#include "refresh/refresh.h"

namespace tviews::refresh {

struct Target {
  MemoryContext own;
  const catalog::Tview* tview;
  Relation table, index;
  TupleDesc row;  // the owned columns, then `tid`: what the changes are kept as
  int owned;      // how many
  int* key_at;    // where the key columns stand among the owned columns
  FmgrInfo* key_equal;
  ScanKey scan_keys;  // one per index column, in the index's order
  int* scan_key_at;   // where their values stand among the owned columns
  Snapshot latest;    // registered: what is stored now
};

// Opens the table (ROW EXCLUSIVE unless `lock` says otherwise) and its key index.  Ereports for what cannot be refreshed.
Target* OpenTarget(const catalog::Tview* tview, LOCKMODE lock, Snapshot snapshot);
void CloseTarget(Target* target);

IndexScanDesc BeginKeyScan(const Target* target, Snapshot snapshot);

// Fetches the stored row whose key is that of the owned-column `values`.
bool FindStored(const Target* target, IndexScanDesc scan, const Datum* values, TupleTableSlot* stored);

// True when column i of the owned columns is stored as `value` already, byte for byte.
bool SameValue(const Target* target, int i, TupleTableSlot* stored, Datum value, bool is_null);
bool SameRow(const Target* target, TupleTableSlot* stored, const Datum* values, const bool* nulls);

// True when the stored row has the key of the owned-column `values`.
bool SameKey(const Target* target, TupleTableSlot* stored, const Datum* values);

// The key of owned-column values as bytes of core/record.h, in the current context.
core::ByteSpan KeyBytes(const Target* target, const Datum* values, const bool* nulls);

}  // namespace tviews::refresh
