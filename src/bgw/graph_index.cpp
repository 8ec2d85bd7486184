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

// The relations of the loaded graph, sorted; null while it is being loaded.
struct Watched {
  Oid* relations;
  int count;
  bool registered, changed;
};
Watched watched;

void NoteChanged(Datum, Oid relation) {
  if (!OidIsValid(relation) || watched.relations == nullptr ||
      bsearch(&relation, watched.relations, watched.count, sizeof(Oid), oid_cmp) != nullptr) {
    watched.changed = true;
  }
}

void StopWatching() {
  if (!watched.registered) {
    CacheRegisterRelcacheCallback(NoteChanged, 0);
    watched.registered = true;
  }
  watched.relations = nullptr;
  watched.changed = false;
}

void Watch(const catalog::Graph* graph) {
  Oid* relations = static_cast<Oid*>(palloc(sizeof(Oid) * (2 * graph->tview_count + graph->reads_count + 1)));
  int count = 0;
  for (int t = 0; t < graph->tview_count; ++t) {
    relations[count++] = graph->tviews[t].table;
    relations[count++] = graph->tviews[t].view;
  }
  for (int i = 0; i < graph->reads_count; ++i) {
    relations[count++] = graph->reads[i].relation;
  }
  qsort(relations, count, sizeof(Oid), oid_cmp);
  watched.count = count;
  watched.relations = relations;
}

}  // namespace

void EnsureGraph(Worker* worker, uint64 generation) {
  IndexedGraph* indexed = &worker->indexed;
  const bool same = indexed->graph != nullptr && indexed->generation == generation;
  if (same && !watched.changed) {
    return;
  }
  indexed->graph = nullptr;
  StopWatching();
  MemoryContextReset(worker->graph_context);
  if (!same) {
    refresh::ResetStatementCache();
  }
  const MemoryContext caller = MemoryContextSwitchTo(worker->graph_context);
  catalog::Graph* graph = catalog::LoadGraph(GetActiveSnapshot());
  GroupByTview(graph->mappings, graph->mapping_count, graph->tview_count, &indexed->mapping_first, &indexed->mapping_order);
  GroupByTview(graph->reads, graph->reads_count, graph->tview_count, &indexed->reads_first, &indexed->reads_order);
  Watch(graph);
  MemoryContextSwitchTo(caller);
  indexed->generation = generation;
  indexed->graph = graph;
}

}  // namespace tviews::bgw
