// Tree walkers and mutators as C++ sees them: until 15 the server declares the callback without arguments.
#pragma once

#include "pg/pg.h"

namespace tviews::lineage {

template <typename Context>
bool WalkChildren(Node* node, bool (*walker)(Node*, Context*), Context* context) {
#if PG_VERSION_NUM >= 160000
  return expression_tree_walker(node, reinterpret_cast<tree_walker_callback>(reinterpret_cast<void (*)()>(walker)), context);
#else
  return expression_tree_walker(node, reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(walker)), context);
#endif
}

// A copy in which `mutator` has replaced children.
template <typename Context>
Node* MutateChildren(Node* node, Node* (*mutator)(Node*, Context*), Context* context) {
#if PG_VERSION_NUM >= 160000
  return expression_tree_mutator(node, reinterpret_cast<tree_mutator_callback>(reinterpret_cast<void (*)()>(mutator)), context);
#else
  return expression_tree_mutator(node, reinterpret_cast<Node* (*)()>(reinterpret_cast<void (*)()>(mutator)), context);
#endif
}

template <typename Context>
bool WalkQuery(Query* query, bool (*walker)(Node*, Context*), Context* context, int flags) {
#if PG_VERSION_NUM >= 160000
  return query_tree_walker(query, reinterpret_cast<tree_walker_callback>(reinterpret_cast<void (*)()>(walker)), context, flags);
#else
  return query_tree_walker(query, reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(walker)), context, flags);
#endif
}

// Copies the query.
template <typename Context>
Query* MutateQuery(Query* query, Node* (*mutator)(Node*, Context*), Context* context) {
#if PG_VERSION_NUM >= 160000
  return query_tree_mutator(query, reinterpret_cast<tree_mutator_callback>(reinterpret_cast<void (*)()>(mutator)), context, 0);
#else
  return query_tree_mutator(query, reinterpret_cast<Node* (*)()>(reinterpret_cast<void (*)()>(mutator)), context, 0);
#endif
}

// ---- outside.cpp

struct OuterReference {
  Index depth;
};

// Whether `node` refers to a level above the one it stands in.
bool RefersOutside(Node* node, OuterReference* at);

}  // namespace tviews::lineage
