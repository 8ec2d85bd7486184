// The rows of pg_tview_deferred, for the files that read and write them.
#pragma once

#include "catalog/graph.h"
#include "core/bytes.h"
#include "pg/pg.h"

namespace tviews::refresh {

enum Column : AttrNumber {
  kTview = 1,
  kKey,
  kKeyText,
  kReason,
  kSince,
  kAttempts,
  kNextAttempt,
  kSqlstate,
  kMessage,
  kColumns = kMessage
};

Relation OpenDeferred(LOCKMODE mode);
Oid IndexOid(const char* name);

// Scans the rows of one key (size 0: of the whole-TVIEW row), or of all keys when `key` is null.  `keys`: room for two.
SysScanDesc ScanRows(Relation relation, Oid tview, const core::ByteSpan* key, Snapshot snapshot, ScanKeyData* keys);

Datum KeyDatum(core::ByteSpan key);
Datum Attribute(HeapTuple tuple, Relation relation, Column column, bool* is_null);

core::ByteSpan KeyOf(HeapTuple tuple, Relation relation);
void SetNextAttempt(Relation relation, HeapTuple tuple, TimestampTz next);
// Inserts a row; `values` and `nulls` lack the columns that say whose it is.
void InsertRow(Relation relation, const catalog::Tview* tview, core::ByteSpan key, Datum* values, bool* nulls);

bool SameReason(const char* a, const char* b);
// Copies nothing: reasons are short, and never out of line.
bool HasReason(HeapTuple tuple, Relation relation, const char* reason);

}  // namespace tviews::refresh
