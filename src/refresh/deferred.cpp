// pg_tview_deferred: keys that could not be applied in their batch, with reason and next attempt.
//
// Written below SQL: no rights, no triggers, no plans.  What is due and what is done is judged by the active snapshot S: a row that
// arrives after S (DDL asks for a reconcile) belongs to a later batch.
#include "refresh/deferred.h"

#include "core/backoff.h"
#include "pg/extension.h"
#include "pg/own_rows.h"
#include "pg/settings.h"
#include "refresh/careful.h"
#include "refresh/deferred_rows.h"
#include "refresh/key_text.h"
#include "shmem/statistics.h"

namespace tviews::refresh {

void SetNextAttempt(Relation relation, HeapTuple tuple, TimestampTz next) {
  Datum values[kColumns] = {};
  bool nulls[kColumns] = {};
  bool replace[kColumns] = {};
  values[kNextAttempt - 1] = TimestampTzGetDatum(next);
  replace[kNextAttempt - 1] = true;
  pg::UpdateOwnRow(relation, &tuple->t_self, heap_modify_tuple(tuple, RelationGetDescr(relation), values, nulls, replace));
}

core::ByteSpan KeyOf(HeapTuple tuple, Relation relation) {
  bool is_null;
  const Datum key = Attribute(tuple, relation, kKey, &is_null);
  if (is_null) {
    return {nullptr, 0};
  }
  struct varlena* plain = pg_detoast_datum_packed(reinterpret_cast<struct varlena*>(DatumGetPointer(key)));
  return {reinterpret_cast<const unsigned char*>(VARDATA_ANY(plain)), VARSIZE_ANY_EXHDR(plain)};
}

void InsertRow(Relation relation, const catalog::Tview* tview, core::ByteSpan key, Datum* values, bool* nulls) {
  values[kTview - 1] = ObjectIdGetDatum(tview->table);
  nulls[kKey - 1] = nulls[kKeyText - 1] = key.size == 0;
  if (key.size > 0) {
    values[kKey - 1] = KeyDatum(key);
    values[kKeyText - 1] = CStringGetTextDatum(KeyText(tview, key));
  }
  pg::InsertOwnRow(relation, heap_form_tuple(RelationGetDescr(relation), values, nulls));
}

namespace {

constexpr int64 kFailedBaseMs = 1000, kFailedLimitMs = 600000;
constexpr int64 kConstraintBaseMs = 20, kConstraintLimitMs = 10000;  // the row in the way, or the missing one, may be that of another TVIEW
constexpr int64 kHastenMs = 1000, kHastenLimitMs = 30000;
constexpr double kRestFactor = 20;
constexpr size_t kRowsPerKey = 4;  // with more rows than that each key is looked up
constexpr int64 kCrashBaseMs = 5000, kCrashLimitMs = 6 * 3600000;  // each attempt may take the server down
constexpr int64 kCrashHastenMs = 10000, kCrashHastenLimitMs = 300000;
constexpr int64 kResourceBaseMs = 500, kResourceLimitMs = 20000;
constexpr int64 kLockedBaseMs = 50, kLockedLimitMs = 5000;

// A TVIEW that fails again and again is not compared for more than a small part of the time.
int64 RestMs(Oid tview) {
  return Min(static_cast<int64>(shmem::WholeTime(tview) * kRestFactor), kFailedLimitMs);
}

bool IsCrash(const char* sqlstate) { return sqlstate != nullptr && strcmp(sqlstate, kCrashSqlstate) == 0; }
bool IsConstraint(const char* sqlstate) { return sqlstate != nullptr && strncmp(sqlstate, "23", 2) == 0; }

TimestampTz NextAttempt(const catalog::Tview* tview, bool whole, const char* reason, const char* sqlstate, int attempts, TimestampTz now) {
  const uint64 seed = static_cast<uint64>(now) ^ (static_cast<uint64>(tview->table) << 32);
  int64 ms = 0;
  if (tview->state == catalog::State::kPaused) {
    return DT_NOEND;  // resume makes it due
  } else if (SameReason(reason, "locked")) {
    ms = core::BackoffMilliseconds(attempts, kLockedBaseMs, kLockedLimitMs, seed);
  } else if (SameReason(reason, "resource")) {
    ms = core::BackoffMilliseconds(attempts, kResourceBaseMs, kResourceLimitMs, seed);
  } else if (SameReason(reason, "failed") && IsCrash(sqlstate)) {
    ms = core::BackoffMilliseconds(attempts, kCrashBaseMs, kCrashLimitMs, seed);
  } else if (SameReason(reason, "failed")) {
    const bool constraint = IsConstraint(sqlstate);
    const int64 base = constraint ? kConstraintBaseMs : kFailedBaseMs, limit = constraint ? kConstraintLimitMs : kFailedLimitMs;
    ms = Max(core::BackoffMilliseconds(attempts, base, limit, seed), whole ? RestMs(tview->table) : 0);
  }
  return TimestampTzPlusMilliseconds(now, ms);
}

// When a whole TVIEW that failed `attempts` times, or a key that crashed the worker, is tried after a change.
TimestampTz Sooner(const catalog::Tview* tview, const char* sqlstate, int attempts, TimestampTz now) {
  if (IsCrash(sqlstate)) {
    return TimestampTzPlusMilliseconds(now, Min(static_cast<int64>(attempts) * kCrashHastenMs, kCrashHastenLimitMs));
  }
  return TimestampTzPlusMilliseconds(now, Max(Min(static_cast<int64>(attempts) * kHastenMs, kHastenLimitMs), RestMs(tview->table)));
}

// Written or superseded in this transaction: a key that was deferred just now.
bool TouchedByUs(HeapTuple tuple) {
  const HeapTupleHeader header = tuple->t_data;
  return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(header)) ||
         (!(header->t_infomask & HEAP_XMAX_INVALID) && TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetUpdateXid(header)));
}

// State of a TVIEW by the catalog; 0 when it has no row.
char StateOf(Oid tview) {
  ScanKeyData key;
  char state = 0;
  Relation catalog = table_open(pg::TableOid(pg::Table::kTview), AccessShareLock);
  const AttrNumber column = get_attnum(RelationGetRelid(catalog), "state");
  ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(tview));
  SysScanDesc scan = systable_beginscan(catalog, PrimaryKeyIndex(catalog), true, nullptr, 1, &key);
  HeapTuple tuple = systable_getnext(scan);
  if (HeapTupleIsValid(tuple)) {
    bool is_null;
    state = DatumGetChar(heap_getattr(tuple, column, RelationGetDescr(catalog), &is_null));
  }
  systable_endscan(scan);
  table_close(catalog, AccessShareLock);
  return state;
}

// Deletes the rows of one key, of all (`key` null), or of those among `keys`.  Returns whether there were any.
bool ForgetRows(Relation relation, Oid tview, const core::ByteSpan* key, const core::KeySets* keys, uint32 number) {
  ScanKeyData scan_keys[2];
  SysScanDesc scan = ScanRows(relation, tview, key, GetActiveSnapshot(), scan_keys);
  bool changed = false;
  for (HeapTuple tuple; HeapTupleIsValid(tuple = systable_getnext(scan));) {
    const core::ByteSpan stored = KeyOf(tuple, relation);
    const bool applied = keys == nullptr || (stored.size > 0 && core::HasKey(keys, number, stored));
    if (applied && !TouchedByUs(tuple)) {
      pg::DeleteOwnRow(relation, &tuple->t_self);
      changed = true;
    }
  }
  systable_endscan(scan);
  return changed;
}

}  // namespace

void DeferKey(const catalog::Tview* tview, core::ByteSpan key, const char* reason, const char* sqlstate, const char* message) {
  Relation relation = OpenDeferred(RowExclusiveLock);
  ScanKeyData keys[2];
  SysScanDesc scan = ScanRows(relation, tview->table, &key, nullptr, keys);
  HeapTuple existing = systable_getnext(scan);

  Datum values[kColumns] = {};
  bool nulls[kColumns] = {};
  bool replace[kColumns] = {};
  const TimestampTz now = GetCurrentTimestamp();
  int attempts = 1;
  bool same = false;
  TimestampTz next = 0;
  if (tview->state == catalog::State::kPaused && !SameReason(reason, "failed")) {
    reason = "paused";  // nobody waits for it
  }
  if (HeapTupleIsValid(existing)) {
    bool is_null;
    same = SameReason(TextDatumGetCString(Attribute(existing, relation, kReason, &is_null)), reason);
    attempts = same ? DatumGetInt32(Attribute(existing, relation, kAttempts, &is_null)) + 1 : 1;
    const TimestampTz planned = DatumGetTimestampTz(Attribute(existing, relation, kNextAttempt, &is_null));
    if (same && (key.size == 0 || IsCrash(sqlstate)) && SameReason(reason, "failed") && planned > now && planned != DT_NOEND) {
      --attempts;
      next = Min(planned, Sooner(tview, sqlstate, attempts, now));
    }
  }
  values[kReason - 1] = CStringGetTextDatum(reason);
  values[kSince - 1] = TimestampTzGetDatum(now);
  values[kAttempts - 1] = Int32GetDatum(attempts);
  values[kNextAttempt - 1] = TimestampTzGetDatum(next != 0 ? next : NextAttempt(tview, key.size == 0, reason, sqlstate, attempts, now));
  nulls[kSqlstate - 1] = sqlstate == nullptr;
  values[kSqlstate - 1] = sqlstate != nullptr ? CStringGetTextDatum(sqlstate) : 0;
  nulls[kMessage - 1] = message == nullptr;
  values[kMessage - 1] = message != nullptr ? CStringGetTextDatum(message) : 0;
  const Column changing[] = {kReason, kAttempts, kNextAttempt, kSqlstate, kMessage};
  for (const Column column : changing) {
    replace[column - 1] = true;
  }
  replace[kSince - 1] = !same;

  if (HeapTupleIsValid(existing)) {
    pg::UpdateOwnRow(relation, &existing->t_self,
                       heap_modify_tuple(existing, RelationGetDescr(relation), values, nulls, replace));
  } else {
    InsertRow(relation, tview, key, values, nulls);
  }
  systable_endscan(scan);
  table_close(relation, NoLock);
  CommandCounterIncrement();
}

void HastenWhole(const catalog::Tview* tview) {
  const core::ByteSpan whole = {nullptr, 0};
  Relation relation = OpenDeferred(RowExclusiveLock);
  ScanKeyData keys[2];
  SysScanDesc scan = ScanRows(relation, tview->table, &whole, nullptr, keys);
  const HeapTuple tuple = systable_getnext(scan);
  bool is_null;
  if (HeapTupleIsValid(tuple) && SameReason(TextDatumGetCString(Attribute(tuple, relation, kReason, &is_null)), "failed")) {
    const Datum sqlstate = Attribute(tuple, relation, kSqlstate, &is_null);
    const TimestampTz soon = Sooner(tview, is_null ? nullptr : TextDatumGetCString(sqlstate), DatumGetInt32(Attribute(tuple, relation, kAttempts, &is_null)), GetCurrentTimestamp());
    if (soon < DatumGetTimestampTz(Attribute(tuple, relation, kNextAttempt, &is_null))) {
      SetNextAttempt(relation, tuple, soon);
    }
  }
  systable_endscan(scan);
  table_close(relation, NoLock);
  CommandCounterIncrement();
}

void CoalesceKey(const catalog::Tview* tview, core::ByteSpan key, TimestampTz until) {
  Relation relation = OpenDeferred(RowExclusiveLock);
  ScanKeyData keys[2];
  SysScanDesc scan = ScanRows(relation, tview->table, &key, nullptr, keys);
  HeapTuple existing = systable_getnext(scan);
  bool is_null;
  if (!HeapTupleIsValid(existing)) {
    Datum values[kColumns] = {};
    bool nulls[kColumns] = {};
    values[kReason - 1] = CStringGetTextDatum("coalesced");
    values[kSince - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
    values[kAttempts - 1] = Int32GetDatum(1);
    values[kNextAttempt - 1] = TimestampTzGetDatum(until);
    nulls[kSqlstate - 1] = nulls[kMessage - 1] = true;
    InsertRow(relation, tview, key, values, nulls);
  } else if (DatumGetTimestampTz(Attribute(existing, relation, kNextAttempt, &is_null)) > until) {
    SetNextAttempt(relation, existing, until);
  }
  systable_endscan(scan);
  table_close(relation, NoLock);
  CommandCounterIncrement();
}

void ForgetDeferred(const catalog::Tview* tview, const core::KeySets* keys, uint32 number, bool whole) {
  Relation relation = OpenDeferred(RowExclusiveLock);
  const size_t count = whole ? 0 : core::KeyCount(keys, number);
  bool changed = false;
  const bool each = !whole && HasDeferredRows(tview->table, count * kRowsPerKey);
  if (!each) {
    changed = ForgetRows(relation, tview->table, nullptr, whole ? nullptr : keys, number);
  }
  for (size_t i = 0; each && i < count; ++i) {
    const core::ByteSpan key = core::KeyAt(keys, number, i);
    changed = ForgetRows(relation, tview->table, &key, nullptr, 0) || changed;
  }
  table_close(relation, NoLock);
  if (changed) {
    CommandCounterIncrement();
  }
}

void CollectDue(const catalog::Graph* graph, TimestampTz now, core::KeySets* affected, bool* whole) {
  Relation relation = OpenDeferred(RowExclusiveLock);
  Relation index = index_open(IndexOid("pg_tview_deferred_due"), AccessShareLock);
  ScanKeyData due;
  ScanKeyInit(&due, kNextAttempt, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE, TimestampTzGetDatum(now));
  SysScanDesc scan = systable_beginscan_ordered(relation, index, GetActiveSnapshot(), 1, &due);
  int room = pg::batch_size;
  for (HeapTuple tuple; room > 0 && HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection));) {
    bool is_null;
    const Oid oid = DatumGetObjectId(Attribute(tuple, relation, kTview, &is_null));
    const catalog::Tview* tview = catalog::FindTview(graph, oid);
    if (tview == nullptr) {
      pg::DeleteOwnRow(relation, &tuple->t_self);  // its TVIEW is gone; it would be due for ever
      continue;
    }
    const core::ByteSpan key = KeyOf(tuple, relation);
    const uint32 number = static_cast<uint32>(tview - graph->tviews);
    if (key.size == 0) {
      whole[number] = true;
    } else if (core::AddKey(affected, number, key, nullptr) != core::Outcome::kOk) {
      ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
    }
    --room;
  }
  systable_endscan_ordered(scan);
  index_close(index, NoLock);
  table_close(relation, NoLock);
}

int64 MakeFailedDue(Oid tview) {
  if (StateOf(tview) == static_cast<char>(catalog::State::kPaused)) {
    return 0;  // resume makes them due
  }
  Relation relation = OpenDeferred(RowExclusiveLock);
  ScanKeyData keys[2];
  SysScanDesc scan = ScanRows(relation, tview, nullptr, nullptr, keys);
  int64 count = 0;
  for (HeapTuple tuple; HeapTupleIsValid(tuple = systable_getnext(scan));) {
    bool is_null;
    if (!SameReason(TextDatumGetCString(Attribute(tuple, relation, kReason, &is_null)), "failed")) {
      continue;
    }
    SetNextAttempt(relation, tuple, GetCurrentTimestamp());
    ++count;
  }
  systable_endscan(scan);
  table_close(relation, NoLock);
  CommandCounterIncrement();
  return count;
}

}  // namespace tviews::refresh
