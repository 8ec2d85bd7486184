// Keys that a batch puts off: one row each, or one for the whole TVIEW.
#include "bgw/batch.h"
#include "refresh/deferred.h"

namespace tviews::bgw {

void DeferAll(Batch* batch, int t, const char* reason, TimestampTz until, const char* sqlstate, const char* message) {
  const core::KeySets* affected = batch->worker->affected;
  const catalog::Tview* tview = &batch->worker->indexed.graph->tviews[t];
  const size_t count = core::KeyCount(affected, t);
  const bool whole = batch->whole[t] || count > kMostDeferredKeys;
  for (size_t i = 0; i < (whole ? 1 : count); ++i) {
    const core::ByteSpan key = whole ? core::ByteSpan{nullptr, 0} : core::KeyAt(affected, t, i);
    if (until != 0) {
      refresh::CoalesceKey(tview, key, until);
    } else {
      refresh::DeferKey(tview, key, reason, sqlstate, message);
    }
  }
  batch->deferred_rows = true;
}

void DeferPaused(Batch* batch, int t) {
  const catalog::Tview* tview = &batch->worker->indexed.graph->tviews[t];
  const size_t keys = core::KeyCount(batch->worker->affected, t);
  if (!batch->whole[t] && keys <= kMostDeferredKeys) {
    batch->whole[t] = refresh::HasDeferredRows(tview->table, kMostDeferredKeys - keys + 1);
  }
  if (batch->whole[t] || keys > kMostDeferredKeys) {
    refresh::ForgetDeferred(tview, nullptr, 0, true);
  }
  DeferAll(batch, t, "paused", 0, nullptr, nullptr);
}

}  // namespace tviews::bgw
