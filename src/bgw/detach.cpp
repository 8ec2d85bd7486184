// The batch's side of the second process: which TVIEWs are left to it, and what becomes of their keys meanwhile.
#include "bgw/batch.h"
#include "pg/settings.h"
#include "refresh/deferred.h"
#include "refresh/detached.h"
#include "shmem/statistics.h"

namespace tviews::bgw {
namespace {

constexpr double kMsPerBlock = 1.0;  // of what a view reads, while nothing has been measured

double BlocksOf(Oid oid) {
  Relation relation = try_relation_open(oid, NoLock);
  if (relation == nullptr) {
    return 0;
  }
  const double blocks = RELKIND_HAS_STORAGE(relation->rd_rel->relkind) ? RelationGetNumberOfBlocks(relation) : 0;
  relation_close(relation, NoLock);
  return blocks;
}

// By the size of all that the batch has locked for it.
double EstimateMs(const Batch* batch, int t) {
  const IndexedGraph& indexed = batch->worker->indexed;
  double blocks = 0;
  for (int r = indexed.reads_first[t]; r < indexed.reads_first[t + 1]; ++r) {
    ListCell* cell;
    foreach (cell, find_all_inheritors(indexed.graph->reads[indexed.reads_order[r]].relation, NoLock, nullptr)) {
      blocks += BlocksOf(lfirst_oid(cell));
    }
  }
  return blocks * kMsPerBlock;
}

// A mapping query may look for keys among the stored rows, which those that the second process writes are not yet.
bool AsksStoredRows(const Batch* batch, int t) {
  const IndexedGraph& indexed = batch->worker->indexed;
  const catalog::Tview& tview = indexed.graph->tviews[t];
  const char* name = quote_qualified_identifier(tview.schema, get_rel_name(tview.table) != nullptr ? get_rel_name(tview.table) : "");
  for (int i = indexed.mapping_first[t]; i < indexed.mapping_first[t + 1]; ++i) {
    const catalog::Mapping& mapping = indexed.graph->mappings[indexed.mapping_order[i]];
    if (core::KeyCount(batch->worker->dirty, mapping.point) > 0 && mapping.query != nullptr && strstr(mapping.query, name) != nullptr) {
      return true;
    }
  }
  return false;
}

}  // namespace

void FindDetached(Batch* batch) {
  const catalog::Graph* graph = batch->worker->indexed.graph;
  shmem::LongProcess* process = &batch->worker->slot->long_process;
  if (!batch->deferred_rows) {
    return;
  }
  const bool available = pg_atomic_read_u32(&process->unavailable) == 0;
  for (int t = 0; t < graph->tview_count; ++t) {
    const catalog::Tview& tview = graph->tviews[t];
    if (tview.state == catalog::State::kFresh || tview.state == catalog::State::kPaused) {
      continue;
    }
    const refresh::WholeRow row = refresh::FindWholeRow(tview.table);
    // One that became due again while the second process is at work on the TVIEW asks for another comparison, not for its lock.
    const bool taken = row == refresh::WholeRow::kOrdinary && pg_atomic_read_u32(&process->tview) == tview.table;
    if (row == refresh::WholeRow::kDetached && !available) {
      batch->whole[t] = true;
    } else {
      batch->detached[t] = row == refresh::WholeRow::kDetached || taken;
    }
  }
}

bool MayLeaveToLongProcess(const Batch* batch) {
  return pg::long_refresh_threshold_ms >= 0 && pg_atomic_read_u32(&batch->worker->slot->long_process.unavailable) == 0;
}

bool IsLong(const Batch* batch, int t) {
  if (!MayLeaveToLongProcess(batch)) {
    return false;
  }
  const double measured = shmem::WholeTime(batch->worker->indexed.graph->tviews[t].table);
  return (measured > 0 ? measured : EstimateMs(batch, t)) >= pg::long_refresh_threshold_ms;
}

void LeaveToLongProcess(Batch* batch, int t) {
  catalog::Tview* tview = &batch->worker->indexed.graph->tviews[t];
  refresh::Detach(tview);
  batch->deferred_rows = true;
  if (tview->state == catalog::State::kFresh) {
    WriteState(tview, catalog::State::kRefreshing);
    tview->state = catalog::State::kRefreshing;
  }
}

void DeferWhileDetached(Batch* batch, int t) {
  const catalog::Tview* tview = &batch->worker->indexed.graph->tviews[t];
  const core::KeySets* affected = batch->worker->affected;
  MapFailure failure = {};
  bool whole = batch->whole[t] || AsksStoredRows(batch, t);
  whole = whole || !MapAll(batch, t, &failure) || failure.sqlstate[0] != '\0' || batch->whole[t];
  const size_t count = core::KeyCount(affected, t);
  whole = whole || count > kMostDeferredKeys || refresh::HasDeferredRows(tview->table, kMostDeferredKeys - count + 1);
  if (whole) {
    refresh::Detach(tview);
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    refresh::DeferDetached(tview, core::KeyAt(affected, t, i));
  }
}

}  // namespace tviews::bgw
