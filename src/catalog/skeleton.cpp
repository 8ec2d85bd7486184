// Placeholders until the folder is filled.
#include "catalog/graph.h"
#include "catalog/registration.h"

namespace tviews::catalog {
Graph* LoadGraph(Snapshot) { return static_cast<Graph*>(palloc0(sizeof(Graph))); }
const CapturePoint* FindPoint(const Graph*, core::PointId) { return nullptr; }
const Tview* FindTview(const Graph*, Oid) { return nullptr; }
CapturePoint* LoadPoints(Relation, int* count) {
  *count = 0;
  return nullptr;
}
Oid ResolveTview(const char*) { elog(ERROR, "not built yet"); }
Options ParseOptions(Datum) { elog(ERROR, "not built yet"); }
Oid CreateTview(const NewTview&, uint64*) { elog(ERROR, "not built yet"); }
void DropTview(Oid, bool) { elog(ERROR, "not built yet"); }
void ForgetTview(Oid) {}
void RegisterAgain(Oid) {}
void EnsureCaptureTriggers(Oid) {}
void GraphChanged() {}
}  // namespace tviews::catalog
