// What a batch leaves behind besides rows: deferred keys as found, the performance log, per-TVIEW freshness.
#include "bgw/batch.h"
#include "pg/extension.h"

namespace tviews::bgw {
namespace {

struct LastRefresh {
  Oid table;  // the key
  TimestampTz at;
};

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
