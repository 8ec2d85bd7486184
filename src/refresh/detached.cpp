// The deferred rows of a TVIEW that the second process compares as a whole while batches go on without it.
#include "refresh/detached.h"

#include "pg/own_rows.h"
#include "refresh/deferred_rows.h"

namespace tviews::refresh {

namespace {

constexpr core::ByteSpan kWhole = {nullptr, 0};

void WriteNever(const catalog::Tview* tview, core::ByteSpan key) {
  Relation relation = OpenDeferred(RowExclusiveLock);
  ScanKeyData keys[2];
  SysScanDesc scan = ScanRows(relation, tview->table, &key, nullptr, keys);
  const HeapTuple existing = systable_getnext(scan);
  bool is_null;
  const bool failed = HeapTupleIsValid(existing) && SameReason(TextDatumGetCString(Attribute(existing, relation, kReason, &is_null)), "failed");
  if (key.size == 0 && failed) {
    SetNextAttempt(relation, existing, DT_NOEND);  // it keeps its error and its attempts
  } else {
    Datum values[kColumns] = {};
    bool nulls[kColumns] = {};
    bool replace[kColumns] = {};
    values[kReason - 1] = CStringGetTextDatum("refreshing");
    values[kSince - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
    values[kNextAttempt - 1] = TimestampTzGetDatum(DT_NOEND);
    nulls[kSqlstate - 1] = nulls[kMessage - 1] = true;
    const Column changing[] = {kReason, kAttempts, kNextAttempt, kSqlstate, kMessage};
    for (const Column column : changing) {
      replace[column - 1] = true;
    }
    if (HeapTupleIsValid(existing)) {
      pg::UpdateOwnRow(relation, &existing->t_self, heap_modify_tuple(existing, RelationGetDescr(relation), values, nulls, replace));
    } else {
      InsertRow(relation, tview, key, values, nulls);
    }
  }
  systable_endscan(scan);
  table_close(relation, NoLock);
  CommandCounterIncrement();
}

bool IsSeenBy(HeapTuple tuple, Snapshot snapshot) { return !XidInMVCCSnapshot(HeapTupleHeaderGetXmin(tuple->t_data), snapshot); }

bool IsOurs(HeapTuple tuple) { return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)); }

}  // namespace

WholeRow FindWholeRow(Oid tview) {
  Relation relation = OpenDeferred(AccessShareLock);
  ScanKeyData keys[2];
  SysScanDesc scan = ScanRows(relation, tview, &kWhole, GetActiveSnapshot(), keys);
  const HeapTuple tuple = systable_getnext(scan);
  WholeRow found = WholeRow::kNone;
  if (HeapTupleIsValid(tuple)) {
    bool is_null;
    const bool never = DatumGetTimestampTz(Attribute(tuple, relation, kNextAttempt, &is_null)) == DT_NOEND;
    const bool paused = SameReason(TextDatumGetCString(Attribute(tuple, relation, kReason, &is_null)), "paused");
    found = never && !paused ? WholeRow::kDetached : WholeRow::kOrdinary;
  }
  systable_endscan(scan);
  table_close(relation, AccessShareLock);
  return found;
}

void Detach(const catalog::Tview* tview) { WriteNever(tview, kWhole); }

void DeferDetached(const catalog::Tview* tview, core::ByteSpan key) { WriteNever(tview, key); }

bool Attach(const catalog::Tview* tview, Snapshot compared) {
  Relation relation = OpenDeferred(RowExclusiveLock);
  ScanKeyData keys[2];
  SysScanDesc scan = ScanRows(relation, tview->table, nullptr, nullptr, keys);
  bool again = false;
  const TimestampTz now = GetCurrentTimestamp();
  for (HeapTuple tuple; HeapTupleIsValid(tuple = systable_getnext(scan));) {
    if (IsOurs(tuple)) {
      continue;
    }
    if (IsSeenBy(tuple, compared)) {
      pg::DeleteOwnRow(relation, &tuple->t_self);
      continue;
    }
    bool is_null;
    if (DatumGetTimestampTz(Attribute(tuple, relation, kNextAttempt, &is_null)) > now) {
      SetNextAttempt(relation, tuple, now);
    }
    again = again || KeyOf(tuple, relation).size == 0;
  }
  systable_endscan(scan);
  table_close(relation, NoLock);
  CommandCounterIncrement();
  return again;
}

void DropCovered(const catalog::Tview* tview) {
  Relation relation = OpenDeferred(RowExclusiveLock);
  ScanKeyData keys[2];
  SysScanDesc scan = ScanRows(relation, tview->table, nullptr, nullptr, keys);
  for (HeapTuple tuple; HeapTupleIsValid(tuple = systable_getnext(scan));) {
    if (KeyOf(tuple, relation).size > 0) {
      pg::DeleteOwnRow(relation, &tuple->t_self);
    }
  }
  systable_endscan(scan);
  table_close(relation, NoLock);
  CommandCounterIncrement();
}

}  // namespace tviews::refresh
