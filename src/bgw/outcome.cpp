// What a batch leaves behind besides rows: deferred keys as found, the performance log, per-TVIEW freshness.
#include "bgw/batch.h"
#include "pg/extension.h"

namespace tviews::bgw {
namespace {

struct LastRefresh {
  Oid table;  // the key
  TimestampTz at;
};

uint64 FullXid(TransactionId xid) {
  const FullTransactionId next = ReadNextFullTransactionId();
  const uint32 epoch = EpochFromFullTransactionId(next) - (xid > XidFromFullTransactionId(next) ? 1 : 0);
  return U64FromFullTransactionId(FullTransactionIdFromEpochAndXid(epoch, xid));
}

}  // namespace

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

AppliedSnapshot DescribeSnapshot(Snapshot snapshot) {
  AppliedSnapshot applied;
  applied.xmin = FullXid(snapshot->xmin);
  applied.xmax = snapshot->xcnt > 0 || snapshot->suboverflowed ? applied.xmin : FullXid(snapshot->xmax);
  applied.at = 0;
  return applied;
}

void DescribeRefresh(const refresh::IsolatedResult& isolated, double ms, shmem::RefreshEntry* entry) {
  entry->duration_ms = ms;
  entry->keys = isolated.result.keys;
  entry->inserted = isolated.result.inserted;
  entry->updated = isolated.result.updated;
  entry->deleted = isolated.result.deleted;
  entry->unchanged = isolated.result.unchanged;
  strlcpy(entry->form, refresh::FormName(isolated.result.form), sizeof(entry->form));
  strlcpy(entry->sqlstate, isolated.sqlstate, sizeof(entry->sqlstate));
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
