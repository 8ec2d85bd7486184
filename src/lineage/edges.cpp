// From one level to edges: its joins, its expressions' columns, functions and sub-selects.
#include "lineage/paths.h"
#include "lineage/walker.h"
#include "pg/query_tree.h"

namespace tviews::lineage {

namespace {

struct Walk {
  Analysis* analysis;
  Level* level;
};

void EmitFrom(Analysis* analysis, Level* level, Node* node) {
  check_stack_depth();
  if (IsA(node, FromExpr)) {
    FromExpr* from = castNode(FromExpr, node);
    ListCell* cell;
    foreach (cell, from->fromlist) {
      EmitFrom(analysis, level, static_cast<Node*>(lfirst(cell)));
    }
    EmitCondition(analysis, level, nullptr, from->quals);
  } else if (IsA(node, JoinExpr)) {
    JoinExpr* expr = castNode(JoinExpr, node);
    EmitFrom(analysis, level, expr->larg);
    EmitFrom(analysis, level, expr->rarg);
    ListCell* cell;
    foreach (cell, level->joins) {
      const Join* join = static_cast<const Join*>(lfirst(cell));
      if (join->expr == expr) {
        EmitCondition(analysis, level, join, expr->quals);
      }
    }
  }
}

bool IsNeverNull(const Analysis* analysis, const Target* target) {
  const Occurrence* occurrence = &analysis->occurrences[target->occurrence];
  if (!OidIsValid(occurrence->relation) || occurrence->nullable) {
    return false;
  }
  return pg::IsColumnNotNull(occurrence->relation, PlainColumn(analysis, target->value));
}

// The output column that a parameter in the test of IN / = ANY stands for; 0 when `node` is something else.
int SublinkColumn(const Node* node) {
  node = StripRelabel(node);
  if (node == nullptr || !IsA(node, Param) || reinterpret_cast<const Param*>(node)->paramkind != PARAM_SUBLINK) {
    return 0;
  }
  return reinterpret_cast<const Param*>(node)->paramid;
}

void EmitAny(Analysis* analysis, Level* level, Level* child, Node* test, bool null_is_false) {
  ListCell* cell;
  if (IsA(test, BoolExpr) && reinterpret_cast<BoolExpr*>(test)->boolop == AND_EXPR) {
    foreach (cell, reinterpret_cast<BoolExpr*>(test)->args) {
      EmitAny(analysis, level, child, static_cast<Node*>(lfirst(cell)), null_is_false);
    }
    return;
  }
  Equality equality;
  if (!IsA(test, OpExpr) || !DescribeEquality(reinterpret_cast<OpExpr*>(test), &equality)) {
    return;
  }
  const OpExpr* call = reinterpret_cast<const OpExpr*>(test);
  const Node* outer = static_cast<Node*>(linitial(call->args));
  const int column = SublinkColumn(static_cast<Node*>(lsecond(call->args)));
  const Target* near = column > 0 ? ResolveExpression(analysis, level, nullptr, outer, Resolve::kEnter) : nullptr;
  if (near == nullptr) {
    return;
  }
  if (!null_is_false && (level->query->groupingSets != NIL || !IsNeverNull(analysis, near))) {
    NoteRange(analysis, child->from, child->to, "NULL matters where the result of IN or NOT IN is used", 4);
    return;
  }
  for (const Target* far = ResolveOutput(analysis, child, column, Resolve::kExit); far != nullptr; far = far->next) {
    if (null_is_false || IsNeverNull(analysis, far)) {
      AddEdge(analysis, far, near, &equality, false, 0, 0);
    } else {
      NoteRange(analysis, far->occurrence, far->occurrence + 1, "NULL matters where the result of IN or NOT IN is used", 4);
    }
  }
}

void ExpandSublink(Walk* walk, SubLink* sublink) {
  Level* level = walk->level;
  Level* child = ExpandLevel(walk->analysis, castNode(Query, sublink->subselect), level, nullptr, nullptr, false, false);
  child->sublink = sublink;
  if (sublink->subLinkType == ANY_SUBLINK && sublink->testexpr != nullptr) {
    EmitAny(walk->analysis, level, child, sublink->testexpr, list_member_ptr(level->true_sublinks, sublink));
  }
}

bool MarkColumns(Node* node, Walk* walk);

// Its value is in no row: nothing would be captured when it changes.
void RefuseVirtual(Oid relation, AttrNumber column) {
  if (pg::IsColumnVirtual(relation, column)) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("a TVIEW cannot read the virtual generated column \"%s\" of table \"%s\"", get_attname(relation, column, false), get_rel_name(relation)),
                    errhint("Write its expression in the query, or make the column STORED.")));
  }
}

void MarkColumn(Walk* walk, const Var* var) {
  Level* at = walk->level;
  for (Index up = 0; up < var->varlevelsup && at != nullptr; ++up) {
    at = at->scope;
  }
  if (at == nullptr) {
    elog(ERROR, "a column refers to a query level that does not exist");
  }
  const Item* item = &at->items[var->varno];
  if (item->kind == ItemKind::kRelation) {
    Occurrence* occurrence = &walk->analysis->occurrences[item->occurrence];
    if (var->varattno == 0) {
      occurrence->all_used = true;
    } else {
      RefuseVirtual(occurrence->relation, var->varattno);
      occurrence->used = bms_add_member(occurrence->used, var->varattno);
    }
  } else if (item->kind == ItemKind::kJoin) {
    Walk inside = {walk->analysis, at};
    List* aliases = rt_fetch(var->varno, at->query->rtable)->joinaliasvars;
    if (var->varattno == 0) {
      MarkColumns(reinterpret_cast<Node*>(aliases), &inside);
    } else if (var->varattno <= list_length(aliases)) {
      MarkColumns(static_cast<Node*>(list_nth(aliases, var->varattno - 1)), &inside);
    }
  }
}

bool MarkColumns(Node* node, Walk* walk) {
  if (node == nullptr) {
    return false;
  }
  if (IsA(node, Var)) {
    MarkColumn(walk, reinterpret_cast<const Var*>(node));
    return false;
  }
  return WalkChildren(node, MarkColumns, walk);
}

bool WalkExpressions(Node* node, Walk* walk) {
  if (node == nullptr || IsA(node, Query)) {
    return false;
  }
  CheckExpressionNode(walk->analysis, node);
  if (IsA(node, Var)) {
    MarkColumn(walk, reinterpret_cast<const Var*>(node));
    return false;
  }
  if (IsA(node, SubLink)) {
    SubLink* sublink = reinterpret_cast<SubLink*>(node);
    ExpandSublink(walk, sublink);
    return WalkExpressions(sublink->testexpr, walk);
  }
  return WalkChildren(node, WalkExpressions, walk);
}

// The array that the value is the elements of; null when it is something else.
const Node* UnnestedArray(const Analysis* analysis, int32 value) {
  const Node* expr = static_cast<const Node*>(linitial(analysis->values[value].expressions));
  const bool is_unnest = IsA(expr, FuncExpr) && reinterpret_cast<const FuncExpr*>(expr)->funcid == F_UNNEST_ANYARRAY;
  return is_unnest ? static_cast<const Node*>(linitial(reinterpret_cast<const FuncExpr*>(expr)->args)) : nullptr;
}

// An equality with an element of a set: one with the array, if that is what the set is of, else no edge.  False when there is no set.
bool AddElementEdge(Analysis* analysis, const Target* far, const Target* near, const Equality* equality, bool far_is_left, int barred_from, int barred_to) {
  const bool far_set = IsSetReturning(analysis, far->value), near_set = IsSetReturning(analysis, near->value);
  const Node* array = far_set == near_set ? nullptr : UnnestedArray(analysis, far_set ? far->value : near->value);
  if (array != nullptr && equality->match == Match::kEqual) {
    const Target* set = far_set ? far : near;
    const Target whole = {set->occurrence, ValueOf(analysis, set->occurrence, list_make1(const_cast<Node*>(array))), nullptr, InvalidOid};
    Equality element = *equality;
    element.match = far_set ? Match::kElement : Match::kHolds;
    AddEdge(analysis, far_set ? &whole : far, far_set ? near : &whole, &element, far_is_left, barred_from, barred_to);
  }
  return far_set || near_set;
}

}  // namespace

void AddEdge(Analysis* analysis, const Target* far, const Target* near, const Equality* equality, bool far_is_left, int barred_from, int barred_to) {
  const bool constant = analysis->values[far->value].columns == nullptr || analysis->values[near->value].columns == nullptr;
  // Equal arrays have equal elements.
  const Oid family = equality->match == Match::kElement ? OwnEquality(ValueType(analysis, far->value, nullptr), InvalidOid).family : equality->family;
  if (constant || !IsComparableBy(analysis, far, family) || AddElementEdge(analysis, far, near, equality, far_is_left, barred_from, barred_to)) {
    return;
  }
  const Oid far_type = ValueType(analysis, far->value, nullptr);
  const Oid near_type = ValueType(analysis, near->value, nullptr);
  // By the columns' real types: relabelling may have changed them on the way.
  uint32 equality_class = 0;
  const uint32 near_class = EqualityClassOf(analysis, near_type, equality->collation);
  const bool own_family = equality->family == OwnEquality(near_type, InvalidOid).family;
  if (own_family && equality->match == Match::kEqual && near_class != 0 && near_class == EqualityClassOf(analysis, far_type, equality->collation)) {
    equality_class = near_class;
  }
  const bool merged = !OidIsValid(analysis->occurrences[far->occurrence].relation) || !OidIsValid(analysis->occurrences[near->occurrence].relation);
  if (far->occurrence == near->occurrence) {
    return;
  }
  if (merged && equality_class == 0) {
    AddCastEdge(analysis, far, near, equality, barred_from, barred_to);
    return;
  }
  if (analysis->edge_count == analysis->edge_room) {
    analysis->edge_room *= 2;
    analysis->edges = static_cast<core::LineageEdge*>(repalloc(analysis->edges, analysis->edge_room * sizeof(core::LineageEdge)));
    analysis->edge_infos = static_cast<EdgeInfo*>(repalloc(analysis->edge_infos, analysis->edge_room * sizeof(EdgeInfo)));
  }
  const int tag = analysis->edge_count++;
  core::LineageEdge* edge = &analysis->edges[tag];
  *edge = {};
  edge->far = far->occurrence;
  edge->far_value = far->value;
  edge->near = near->occurrence;
  edge->near_value = near->value;
  edge->equality_class = equality_class;
  const Oid near_relation = analysis->occurrences[near->occurrence].relation;
  edge->near_access = static_cast<int8_t>(OidIsValid(near_relation) ? NearAccess(analysis, near->value, equality->match) : 2);
  edge->barred_from = barred_from;
  edge->barred_to = barred_to;
  edge->tag = tag;
  analysis->edge_infos[tag] = {far_is_left ? equality->commuted : equality->op, far_is_left ? equality->right_input : equality->left_input,
                               far_is_left ? equality->left_input : equality->right_input, equality->collation, equality->family,
                               equality->match};
}

void WalkLevel(Analysis* analysis, Level* level) {
  if (level->query->setOperations == nullptr) {
    EmitFrom(analysis, level, reinterpret_cast<Node*>(level->query->jointree));
  } else if (level->inert) {
    EmitRecursion(analysis, level);
  }
  Walk walk = {analysis, level};
  WalkQuery(level->query, WalkExpressions, &walk, QTW_IGNORE_RT_SUBQUERIES | QTW_IGNORE_CTE_SUBQUERIES | QTW_IGNORE_JOINALIASES);
}

}  // namespace tviews::lineage
