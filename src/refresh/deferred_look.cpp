// What pg_tview_deferred holds: for the worker, after and before its batches.
#include "refresh/deferred_rows.h"

#include "pg/extension.h"
#include "refresh/deferred.h"
#include "refresh/detached.h"

namespace tviews::refresh {
namespace {

// Scans the rows of one reason, of TVIEWs above an OID, in the order of these.  `keys`: room for two.
SysScanDesc ScanReason(Relation relation, const char* reason, Oid above, ScanKeyData* keys) {
  const Oid index = get_relname_relid("pg_tview_deferred_reason", pg::ExtensionSchemaOid());
  int count = 0;
  if (OidIsValid(index)) {  // else before ALTER EXTENSION UPDATE
    ScanKeyInit(&keys[count], kReason, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(reason));
    keys[count++].sk_collation = C_COLLATION_OID;
  }
  ScanKeyInit(&keys[count++], kTview, BTGreaterStrategyNumber, F_OIDGT, ObjectIdGetDatum(above));
  return systable_beginscan(relation, OidIsValid(index) ? index : IndexOid("pg_tview_deferred_key"), true, nullptr, count, keys);
}

HeapTuple NextOfReason(SysScanDesc scan, Relation relation, const char* reason) {
  HeapTuple tuple;
  do {
    tuple = systable_getnext(scan);
  } while (HeapTupleIsValid(tuple) && !HasReason(tuple, relation, reason));
  return tuple;
}

// The first TVIEW above an OID that has a row of this reason; InvalidOid: none.
Oid NextTview(Relation relation, const char* reason, Oid above) {
  ScanKeyData keys[2];
  SysScanDesc scan = ScanReason(relation, reason, above, keys);
  const HeapTuple tuple = NextOfReason(scan, relation, reason);
  bool is_null;
  const Oid found = HeapTupleIsValid(tuple) ? DatumGetObjectId(Attribute(tuple, relation, kTview, &is_null)) : InvalidOid;
  systable_endscan(scan);
  return found;
}

bool AnyOf(Relation relation, const char* reason) { return OidIsValid(NextTview(relation, reason, InvalidOid)); }

bool AnyDetached(Relation relation, const char* reason) {
  Oid tview = InvalidOid;
  do {
    tview = NextTview(relation, reason, tview);
  } while (OidIsValid(tview) && FindWholeRow(tview) != WholeRow::kDetached);
  return OidIsValid(tview);
}

}  // namespace

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

bool HasReason(HeapTuple tuple, Relation relation, const char* reason) {
  bool is_null;
  const auto* stored = reinterpret_cast<const struct varlena*>(DatumGetPointer(Attribute(tuple, relation, kReason, &is_null)));
  return VARSIZE_ANY_EXHDR(stored) == strlen(reason) && memcmp(VARDATA_ANY(stored), reason, strlen(reason)) == 0;
}

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

DeferredKinds FindDeferred() {
  Relation relation = OpenDeferred(AccessShareLock);
  const DeferredKinds kinds = {AnyOf(relation, "locked") || AnyOf(relation, "backlog") || AnyOf(relation, "resource"), AnyOf(relation, "refreshing"),
                               AnyDetached(relation, "refreshing") || AnyDetached(relation, "failed")};
  table_close(relation, AccessShareLock);
  return kinds;
}

List* TviewsWith(const char* reason) {
  List* tviews = NIL;
  Relation relation = OpenDeferred(AccessShareLock);
  for (Oid tview = InvalidOid; OidIsValid(tview = NextTview(relation, reason, tview));) {
    tviews = lappend_oid(tviews, tview);
  }
  table_close(relation, AccessShareLock);
  return tviews;
}

int64 CountParked() {
  Relation relation = OpenDeferred(AccessShareLock);
  ScanKeyData keys[2];
  SysScanDesc scan = ScanReason(relation, "failed", InvalidOid, keys);
  int64 count = 0;
  while (HeapTupleIsValid(NextOfReason(scan, relation, "failed"))) {
    ++count;
  }
  systable_endscan(scan);
  table_close(relation, AccessShareLock);
  return count;
}

}  // namespace tviews::refresh
