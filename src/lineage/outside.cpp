// Whether a part of a query depends on levels above it.
#include "lineage/analysis.h"
#include "lineage/walker.h"

namespace tviews::lineage {

bool RefersOutside(Node* node, OuterReference* at) {
  if (node == nullptr) {
    return false;
  }
  if (IsA(node, Var)) {
    return reinterpret_cast<Var*>(node)->varlevelsup > at->depth;
  }
  if (IsA(node, Aggref)) {
    if (reinterpret_cast<Aggref*>(node)->agglevelsup > at->depth) {
      return true;
    }
  } else if (IsA(node, RangeTblEntry)) {
    const RangeTblEntry* entry = reinterpret_cast<RangeTblEntry*>(node);
    return entry->rtekind == RTE_CTE && entry->ctelevelsup > at->depth;
  } else if (IsA(node, Query)) {
    OuterReference below = {at->depth + 1};
    return WalkQuery(reinterpret_cast<Query*>(node), RefersOutside, &below, QTW_EXAMINE_RTES_BEFORE);
  }
  return WalkChildren(node, RefersOutside, at);
}

}  // namespace tviews::lineage
