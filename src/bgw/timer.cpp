// TVIEWs with the option refresh_every: refreshed as a whole when the clock says so.
#include "bgw/batch.h"
#include "catalog/graph_timer.h"
#include "pg/extension.h"

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

}  // namespace

void CollectTimers(Batch* batch) {
  const catalog::Graph* graph = batch->worker->indexed.graph;
  // By the clock that the views of this batch see: a view of CURRENT_DATE must not be taken for refreshed a moment before midnight.
  const TimestampTz clock = GetCurrentTransactionStartTimestamp();
  for (int t = 0; t < graph->tview_count; ++t) {
    const catalog::Tview& tview = graph->tviews[t];
    if (tview.refresh_due <= clock && tview.state != catalog::State::kPaused) {
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
  if (!batch->excluded[t]) {
    Remember(*tview, clock);
  }
  // In memory at once: if this transaction fails, the graph is loaded again.
  tview->refresh_due = catalog::NextRefresh(tview->refresh_every_ms, clock, tview->settings);
}

TimestampTz NextTimer(const catalog::Graph* graph) {
  TimestampTz next = DT_NOEND;
  for (int t = 0; t < graph->tview_count; ++t) {
    if (graph->tviews[t].state != catalog::State::kPaused) {
      next = Min(next, graph->tviews[t].refresh_due);
    }
  }
  return next;
}

}  // namespace tviews::bgw
