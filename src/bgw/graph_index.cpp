// The graph in the worker: loaded when it changed, grouped by TVIEW for the batch.
#include "bgw/worker.h"
#include "refresh/refresh.h"

namespace tviews::bgw {
namespace {

// Counting sort of `count` items by their TVIEW.
template <typename Item>
void GroupByTview(const Item* items, int count, int tviews, int** first, int** order) {
  *first = static_cast<int*>(palloc0(sizeof(int) * (tviews + 1)));
  *order = static_cast<int*>(palloc(sizeof(int) * (count + 1)));
  int* place = static_cast<int*>(palloc0(sizeof(int) * (tviews + 1)));
  for (int i = 0; i < count; ++i) {
    ++place[items[i].tview];
  }
  int at = 0;
  for (int t = 0; t < tviews; ++t) {
    (*first)[t] = at;
    at += place[t];
    place[t] = (*first)[t];
  }
  (*first)[tviews] = at;
  for (int i = 0; i < count; ++i) {
    (*order)[place[items[i].tview]++] = i;
  }
  pfree(place);
}

}  // namespace

void EnsureGraph(Worker* worker, uint64 generation) {
  IndexedGraph* indexed = &worker->indexed;
  if (indexed->graph != nullptr && indexed->generation == generation) {
    return;
  }
  indexed->graph = nullptr;
  MemoryContextReset(worker->graph_context);
  refresh::ResetStatementCache();
  const MemoryContext caller = MemoryContextSwitchTo(worker->graph_context);
  catalog::Graph* graph = catalog::LoadGraph(GetActiveSnapshot());
  GroupByTview(graph->mappings, graph->mapping_count, graph->tview_count, &indexed->mapping_first, &indexed->mapping_order);
  GroupByTview(graph->reads, graph->reads_count, graph->tview_count, &indexed->reads_first, &indexed->reads_order);
  MemoryContextSwitchTo(caller);
  indexed->generation = generation;
  indexed->graph = graph;
}

}  // namespace tviews::bgw
