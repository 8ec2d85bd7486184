// What a batch leaves behind besides rows: deferred keys as found, the performance log, per-TVIEW freshness.
#include "bgw/batch.h"
#include "pg/extension.h"

namespace tviews::bgw {
namespace {

struct LastRefresh {
  Oid table;  // the key
  TimestampTz at;
};

// Looks for a row of pg_tview_deferred: any, or the whole-TVIEW row of `tview`.
bool FindDeferred(Oid tview) {
  Relation relation = table_open(pg::TableOid(pg::Table::kDeferred), AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(tview));
  Snapshot snapshot = GetLatestSnapshot();
  snapshot = RegisterSnapshot(snapshot);
  TableScanDesc scan = table_beginscan(relation, snapshot, OidIsValid(tview) ? 1 : 0, OidIsValid(tview) ? &key : nullptr);
  bool found = false;
  HeapTuple tuple;
  while (!found && (tuple = heap_getnext(scan, ForwardScanDirection)) != nullptr) {
    found = !OidIsValid(tview) || heap_attisnull(tuple, 2, RelationGetDescr(relation));
  }
  table_endscan(scan);
  UnregisterSnapshot(snapshot);
  table_close(relation, AccessShareLock);
  return found;
}

}  // namespace

bool AnyDeferred() { return FindDeferred(InvalidOid); }

bool IsDeferredWhole(Oid tview) {
  CommandCounterIncrement();  // rows of this batch count
  return FindDeferred(tview);
}

TimestampTz CoalesceUntil(const Batch* batch, const catalog::Tview& tview) {
  if (tview.min_interval_ms <= 0 || batch->worker->refreshed == nullptr) {
    return 0;
  }
  const auto* last = static_cast<LastRefresh*>(hash_search(batch->worker->refreshed, &tview.table, HASH_FIND, nullptr));
  const TimestampTz until = last == nullptr ? 0 : TimestampTzPlusMilliseconds(last->at, tview.min_interval_ms);
  return until > batch->began ? until : 0;
}

void NoteRefreshed(const Batch* batch, const catalog::Tview& tview) {
  if (tview.min_interval_ms <= 0) {
    return;
  }
  if (batch->worker->refreshed == nullptr) {
    HASHCTL control = {};
    control.keysize = sizeof(Oid);
    control.entrysize = sizeof(LastRefresh);
    batch->worker->refreshed = hash_create("pg_tviews last refresh", 32, &control, HASH_ELEM | HASH_BLOBS);
  }
  auto* last = static_cast<LastRefresh*>(hash_search(batch->worker->refreshed, &tview.table, HASH_ENTER, nullptr));
  last->at = batch->began;
}

void LogBatch(const Batch* batch, const AppliedSnapshot& applied) {
  for (int i = 0; i < batch->entry_count; ++i) {
    shmem::RefreshEntry* entry = &batch->entries[i];
    entry->at = applied.at;
    entry->lag_ms = batch->entry_since[i] == 0 ? -1 : (applied.at - batch->entry_since[i]) / 1000.0;
    shmem::LogRefresh(*entry, batch->messages[i]);
    shmem::PublishFresh(entry->tview, applied.at, applied.xmin, applied.xmax);
  }
}

}  // namespace tviews::bgw
