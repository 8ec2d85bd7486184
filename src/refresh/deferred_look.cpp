// What pg_tview_deferred holds: for the worker, after and before its batches.
#include "refresh/deferred_rows.h"

#include "pg/extension.h"
#include "refresh/deferred.h"

namespace tviews::refresh {

Datum KeyDatum(core::ByteSpan key) {
  bytea* value = static_cast<bytea*>(palloc(VARHDRSZ + key.size));
  SET_VARSIZE(value, VARHDRSZ + key.size);
  memcpy(VARDATA(value), key.data, key.size);
  return PointerGetDatum(value);
}

SysScanDesc ScanRows(Relation relation, Oid tview, const core::ByteSpan* key, Snapshot snapshot, ScanKeyData* keys) {
  ScanKeyInit(&keys[0], kTview, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(tview));
  if (key != nullptr) {
    ScanKeyInit(&keys[1], kKey, BTEqualStrategyNumber, F_BYTEAEQ, key->size > 0 ? KeyDatum(*key) : static_cast<Datum>(0));
    keys[1].sk_flags = key->size > 0 ? 0 : SK_ISNULL | SK_SEARCHNULL;
  }
  return systable_beginscan(relation, IndexOid("pg_tview_deferred_key"), true, snapshot, key != nullptr ? 2 : 1, keys);
}

Relation OpenDeferred(LOCKMODE mode) { return table_open(pg::TableOid(pg::Table::kDeferred), mode); }

Oid IndexOid(const char* name) {
  const Oid oid = get_relname_relid(name, pg::ExtensionSchemaOid());
  if (!OidIsValid(oid)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("index \"%s\" of the extension pg_tviews is missing", name)));
  }
  return oid;
}

bool SameReason(const char* a, const char* b) { return strcmp(a, b) == 0; }

Datum Attribute(HeapTuple tuple, Relation relation, Column column, bool* is_null) {
  return heap_getattr(tuple, column, RelationGetDescr(relation), is_null);
}

bool AnyDeferred() {
  Relation relation = OpenDeferred(AccessShareLock);
  Relation index = index_open(IndexOid("pg_tview_deferred_due"), AccessShareLock);
  Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
  SysScanDesc scan = systable_beginscan_ordered(relation, index, snapshot, 0, nullptr);
  const bool found = HeapTupleIsValid(systable_getnext_ordered(scan, ForwardScanDirection));
  systable_endscan_ordered(scan);
  UnregisterSnapshot(snapshot);
  index_close(index, NoLock);
  table_close(relation, AccessShareLock);
  return found;
}

bool HasDeferredRows(Oid tview, size_t count) {
  Relation relation = OpenDeferred(AccessShareLock);
  ScanKeyData keys[2];
  SysScanDesc scan = ScanRows(relation, tview, nullptr, nullptr, keys);
  while (count > 0 && HeapTupleIsValid(systable_getnext(scan))) {
    --count;
  }
  systable_endscan(scan);
  table_close(relation, AccessShareLock);
  return count == 0;
}

bool IsDeferredWhole(Oid tview) {
  const core::ByteSpan whole = {nullptr, 0};
  CommandCounterIncrement();  // rows of this transaction count
  Relation relation = OpenDeferred(AccessShareLock);
  ScanKeyData keys[2];
  SysScanDesc scan = ScanRows(relation, tview, &whole, nullptr, keys);
  const bool found = HeapTupleIsValid(systable_getnext(scan));
  systable_endscan(scan);
  table_close(relation, AccessShareLock);
  return found;
}

TimestampTz FailedUntil(const catalog::Tview* tview, core::ByteSpan key) {
  Relation relation = OpenDeferred(AccessShareLock);
  ScanKeyData keys[2];
  SysScanDesc scan = ScanRows(relation, tview->table, &key, nullptr, keys);
  const HeapTuple tuple = systable_getnext(scan);
  TimestampTz until = 0;
  bool is_null;
  if (HeapTupleIsValid(tuple) && SameReason(TextDatumGetCString(Attribute(tuple, relation, kReason, &is_null)), "failed")) {
    until = DatumGetTimestampTz(Attribute(tuple, relation, kNextAttempt, &is_null));
  }
  systable_endscan(scan);
  table_close(relation, AccessShareLock);
  return until;
}

TimestampTz NextDue() {
  Relation relation = OpenDeferred(AccessShareLock);
  Relation index = index_open(IndexOid("pg_tview_deferred_due"), AccessShareLock);
  Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
  SysScanDesc scan = systable_beginscan_ordered(relation, index, snapshot, 0, nullptr);
  TimestampTz next = DT_NOEND;
  const HeapTuple tuple = systable_getnext_ordered(scan, ForwardScanDirection);
  if (HeapTupleIsValid(tuple)) {
    bool is_null;
    next = DatumGetTimestampTz(Attribute(tuple, relation, kNextAttempt, &is_null));
  }
  systable_endscan_ordered(scan);
  UnregisterSnapshot(snapshot);
  index_close(index, NoLock);
  table_close(relation, AccessShareLock);
  return next;
}

DeferredCounts CountDeferred() {
  DeferredCounts counts = {};
  Relation relation = OpenDeferred(AccessShareLock);
  SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, nullptr, 0, nullptr);
  for (HeapTuple tuple; HeapTupleIsValid(tuple = systable_getnext(scan));) {
    bool is_null;
    const char* reason = TextDatumGetCString(Attribute(tuple, relation, kReason, &is_null));
    counts.parked += SameReason(reason, "failed");
    counts.blocking += SameReason(reason, "locked") || SameReason(reason, "backlog") || SameReason(reason, "resource");
    counts.refreshing += SameReason(reason, "refreshing");
    counts.detached += !SameReason(reason, "paused") && heap_attisnull(tuple, kKey, RelationGetDescr(relation)) &&
                       DatumGetTimestampTz(Attribute(tuple, relation, kNextAttempt, &is_null)) == DT_NOEND;
  }
  systable_endscan(scan);
  table_close(relation, AccessShareLock);
  return counts;
}

}  // namespace tviews::refresh
