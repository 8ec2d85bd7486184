// The rows of pg_tview_deferred, for the files that read and write them.
#pragma once

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

bool SameReason(const char* a, const char* b);

}  // namespace tviews::refresh
