// The relations that a query reads, nested views and SQL functions expanded.
#include "lineage/analysis.h"
#include "lineage/walker.h"

namespace tviews::lineage {
namespace {

struct Reads {
  Oid view;
  List* relations;
  List* views;
};

void CollectOfView(Oid view, Reads* reads);

bool CollectRelations(Node* node, Reads* reads) {
  if (node == nullptr) {
    return false;
  }
  if (IsA(node, RangeTblEntry)) {
    const RangeTblEntry* entry = reinterpret_cast<const RangeTblEntry*>(node);
    // Until 15 a view's query carries OLD and NEW, entries of the view itself.
    if (entry->rtekind == RTE_RELATION && entry->relid != reads->view) {
      if (get_rel_relkind(entry->relid) == RELKIND_VIEW) {
        CollectOfView(entry->relid, reads);
      } else {
        reads->relations = list_append_unique_oid(reads->relations, entry->relid);
      }
    }
    return false;
  }
  if (IsA(node, Query)) {
    return WalkQuery(reinterpret_cast<Query*>(node), CollectRelations, reads, QTW_EXAMINE_RTES_BEFORE);
  }
  return WalkChildren(node, CollectRelations, reads);
}

void CollectOfView(Oid view, Reads* reads) {
  check_stack_depth();
  if (list_member_oid(reads->views, view)) {
    return;
  }
  reads->views = lappend_oid(reads->views, view);
  const Oid outer = reads->view;
  reads->view = view;
  List* bodies = NIL;
  CollectRelations(reinterpret_cast<Node*>(ViewQuery(view, &bodies)), reads);
  reads->view = outer;
}

}  // namespace

List* RelationsRead(Oid view) {
  Reads reads = {};
  CollectOfView(view, &reads);
  return reads.relations;
}

List* RelationsReadBy(Query* query, List** views) {
  Reads reads = {};
  List* bodies = NIL;
  CollectRelations(reinterpret_cast<Node*>(InlineFunctions(static_cast<Query*>(copyObjectImpl(query)), &bodies)), &reads);
  *views = list_concat_unique_oid(*views, reads.views);
  return reads.relations;
}

}  // namespace tviews::lineage
