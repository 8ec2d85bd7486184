// TVIEWs with the option refresh_every: refreshed as a whole when the clock says so.
#include "bgw/batch.h"
#include "catalog/graph_timer.h"
#include "pg/extension.h"
#include "pg/settings.h"

namespace tviews::bgw {
namespace {

void Remember(const catalog::Tview& tview, TimestampTz clock) {
  Oid types[] = {OIDOID, TIMESTAMPTZOID};
  Datum values[] = {ObjectIdGetDatum(tview.table), TimestampTzGetDatum(clock)};
  if (SPI_connect() != SPI_OK_CONNECT ||
      SPI_execute_with_args(psprintf("INSERT INTO %s.pg_tview_timer (tview, refreshed_at) VALUES ($1, $2) "
                                     "ON CONFLICT (tview) DO UPDATE SET refreshed_at = EXCLUDED.refreshed_at",
                                     pg::ExtensionSchema()),
                            2, types, values, nullptr, false, 0) != SPI_OK_INSERT) {
    elog(ERROR, "could not note the refresh of TVIEW \"%s\" by its timer", tview.entity);
  }
  SPI_finish();
}

// When TVIEW t is to be refreshed by its timer.  While it is compared in the second process it is not asked for once more; if that takes
// longer than a period, it is left alone afterwards for as long, so that who waits for it has a turn.
TimestampTz DueAt(const Batch* batch, int t) {
  const catalog::Tview& tview = batch->worker->indexed.graph->tviews[t];
  if (tview.state == catalog::State::kPaused || tview.refresh_due == DT_NOEND || (batch->detached != nullptr && batch->detached[t])) {
    return DT_NOEND;
  }
  const bool is_long = pg::long_refresh_threshold_ms >= 0 && shmem::WholeTime(tview.table) >= pg::long_refresh_threshold_ms;
  return is_long ? Max(tview.refresh_due, shmem::RestedAt(tview.table)) : tview.refresh_due;
}

}  // namespace

void CollectTimers(Batch* batch) {
  const catalog::Graph* graph = batch->worker->indexed.graph;
  // By the clock that the views of this batch see: a view of CURRENT_DATE must not be taken for refreshed a moment before midnight.
  const TimestampTz clock = GetCurrentTransactionStartTimestamp();
  for (int t = 0; t < graph->tview_count; ++t) {
    const catalog::Tview& tview = graph->tviews[t];
    if (DueAt(batch, t) <= clock) {
      batch->timed[t] = batch->whole[t] = true;
      batch->since[t] = batch->since[t] == 0 ? tview.refresh_due : Min(batch->since[t], tview.refresh_due);
    }
  }
}

void NoteTimed(Batch* batch, int t) {
  if (!batch->timed[t]) {
    return;
  }
  catalog::Tview* tview = &batch->worker->indexed.graph->tviews[t];
  const TimestampTz clock = GetCurrentTransactionStartTimestamp();
  // A TVIEW whose lock somebody holds is deferred as a whole, which is kept; it may be about to be dropped, and its row here with it.
  if (batch->excluded[t] == nullptr) {
    Remember(*tview, clock);
  }
  // In memory at once: if this transaction fails, the graph is loaded again.
  tview->refresh_due = catalog::NextRefresh(tview->refresh_every_ms, clock, tview->settings);
}

TimestampTz NextTimer(const Batch* batch) {
  TimestampTz next = DT_NOEND;
  for (int t = 0; t < batch->worker->indexed.graph->tview_count; ++t) {
    const TimestampTz due = DueAt(batch, t);  // not inside Min, which evaluates it twice
    next = Min(next, due);
  }
  return next;
}

}  // namespace tviews::bgw
