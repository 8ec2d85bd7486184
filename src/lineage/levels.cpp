// Expands a query and everything in its FROM into levels and numbered relation occurrences.
#include "lineage/resolve.h"
#include "lineage/walker.h"
#include "pg/query_tree.h"

namespace tviews::lineage {

namespace {

const CommonTableExpr* FindCte(const RangeTblEntry* entry, Level* level, Level** defining) {
  Level* at = level;
  for (Index up = 0; up < entry->ctelevelsup && at != nullptr; ++up) {
    at = at->scope;
  }
  if (at != nullptr) {
    ListCell* cell;
    foreach (cell, at->query->cteList) {
      CommonTableExpr* cte = lfirst_node(CommonTableExpr, cell);
      if (strcmp(cte->ctename, entry->ctename) == 0) {
        *defining = at;
        return cte;
      }
    }
  }
  elog(ERROR, "could not find CTE \"%s\"", entry->ctename);
}

// A CTE that refers to itself, directly or from a sub-select below it.
bool IsBeingExpanded(const Level* level, const CommonTableExpr* cte) {
  for (const Level* at = level; at != nullptr; at = at->from_parent != nullptr ? at->from_parent : at->scope) {
    if (at->cte == cte) {
      return true;
    }
  }
  return false;
}

void ExpandEntry(Analysis* analysis, Level* level, int index, bool nullable) {
  RangeTblEntry* entry = rt_fetch(index, level->query->rtable);
  Item* item = &level->items[index];
  switch (entry->rtekind) {
    case RTE_RELATION:
      if (entry->relkind == RELKIND_VIEW && entry->tablesample == nullptr) {
        CheckRelation(analysis, level->query, entry);
        item->kind = ItemKind::kLevel;
        item->child = ExpandLevel(analysis, ViewQuery(entry->relid, &analysis->bodies), nullptr, level, nullptr, nullable, false);
        return;
      }
      CheckRelation(analysis, level->query, entry);
      item->kind = ItemKind::kRelation;
      item->occurrence = AddOccurrence(analysis, entry->relid, level);
      analysis->occurrences[item->occurrence].only = !entry->inh;
      analysis->occurrences[item->occurrence].nullable = nullable;
      return;
    case RTE_SUBQUERY:
      item->kind = ItemKind::kLevel;
      item->child = ExpandLevel(analysis, entry->subquery, level, level, nullptr, nullable, false);
      return;
    case RTE_CTE: {
      Level* defining = nullptr;
      CommonTableExpr* cte = const_cast<CommonTableExpr*>(FindCte(entry, level, &defining));
      if (IsBeingExpanded(level, cte)) {
        return;
      }
      const int from = analysis->occurrence_count;
      item->kind = ItemKind::kLevel;
      item->child = ExpandLevel(analysis, castNode(Query, copyObjectImpl(cte->ctequery)), defining, level, cte, nullable,
                                cte->cterecursive);
      if (cte->cterecursive) {
        NoteRange(analysis, from, analysis->occurrence_count, psprintf("it is read by the recursive CTE \"%s\"", cte->ctename), 9);
      }
      return;
    }
    case RTE_FUNCTION:
    case RTE_TABLEFUNC:
    case RTE_VALUES:
      item->kind = ItemKind::kRows;
      item->occurrence = AddOccurrence(analysis, InvalidOid, level);
      return;
    default:
      return;
  }
}

void ExpandFrom(Analysis* analysis, Level* level, Node* node, bool nullable) {
  check_stack_depth();
  if (IsA(node, RangeTblRef)) {
    ExpandEntry(analysis, level, castNode(RangeTblRef, node)->rtindex, nullable);
  } else if (IsA(node, FromExpr)) {
    ListCell* cell;
    foreach (cell, castNode(FromExpr, node)->fromlist) {
      ExpandFrom(analysis, level, static_cast<Node*>(lfirst(cell)), nullable);
    }
  } else {
    JoinExpr* expr = castNode(JoinExpr, node);
    const bool left_nullable = nullable || expr->jointype == JOIN_RIGHT || expr->jointype == JOIN_FULL;
    const bool right_nullable = nullable || expr->jointype == JOIN_LEFT || expr->jointype == JOIN_FULL;
    Join* join = static_cast<Join*>(palloc0(sizeof(Join)));
    join->expr = expr;
    join->left_from = analysis->occurrence_count;
    ExpandFrom(analysis, level, expr->larg, left_nullable);
    join->right_from = analysis->occurrence_count;
    ExpandFrom(analysis, level, expr->rarg, right_nullable);
    join->right_to = analysis->occurrence_count;
    level->joins = lappend(level->joins, join);
    if (expr->rtindex > 0) {
      level->items[expr->rtindex].kind = ItemKind::kJoin;
    }
  }
}

void ExpandSetOperation(Analysis* analysis, Level* level, Node* node) {
  check_stack_depth();
  if (IsA(node, RangeTblRef)) {
    ExpandEntry(analysis, level, castNode(RangeTblRef, node)->rtindex, level->nullable);
  } else {
    SetOperationStmt* operation = castNode(SetOperationStmt, node);
    ExpandSetOperation(analysis, level, operation->larg);
    ExpandSetOperation(analysis, level, operation->rarg);
  }
}

// The branches that rows of a set operation come from: both of a UNION, the left one of INTERSECT and EXCEPT.
List* Branches(const Node* node) {
  check_stack_depth();
  if (IsA(node, RangeTblRef)) {
    return list_make1_int(reinterpret_cast<const RangeTblRef*>(node)->rtindex);
  }
  const SetOperationStmt* operation = reinterpret_cast<const SetOperationStmt*>(node);
  List* branches = Branches(operation->larg);
  return operation->op == SETOP_UNION ? list_concat(branches, Branches(operation->rarg)) : branches;
}

// `analysis->choice` written with one digit for each set operation that can be entered from outside.
void ChooseBranch(Analysis* analysis, Level* level) {
  const bool recursive = level->cte != nullptr && level->cte->cterecursive;
  if (level->from_parent == nullptr || level->inert || recursive || analysis->choices > kMaxChoices) {
    return;
  }
  const List* branches = Branches(level->query->setOperations);
  const int below = Max(analysis->choices, 1);
  level->chosen = analysis->choice < 0 ? 0 : list_nth_int(branches, analysis->choice / below % list_length(branches));
  analysis->choices = below * list_length(branches);
}

// What newer majors add to a query tree, taken away.
bool MakePlain(Node* node, void* context) {
  if (node == nullptr) {
    return false;
  }
  if (IsA(node, Var)) {
    pg::ForgetNullingRels(reinterpret_cast<Var*>(node));
    return false;
  }
  if (IsA(node, Query)) {
    pg::FlattenGroups(reinterpret_cast<Query*>(node));
    return WalkQuery(reinterpret_cast<Query*>(node), MakePlain, context, 0);
  }
  return WalkChildren(node, MakePlain, context);
}

}  // namespace

Query* ViewQuery(Oid view, List** bodies) {
  ::Relation relation = relation_open(view, AccessShareLock);
  if (relation->rd_rel->relkind != RELKIND_VIEW) {
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a view", RelationGetRelationName(relation))));
  }
  Query* query = static_cast<Query*>(copyObjectImpl(get_view_query(relation)));
  relation_close(relation, NoLock);
  query = InlineFunctions(query, bodies);
  (void)MakePlain(reinterpret_cast<Node*>(query), nullptr);
  return query;
}

int AddOccurrence(Analysis* analysis, Oid relation, const Level* level) {
  if (analysis->occurrence_count >= kMaxOccurrences || list_length(analysis->levels) > 4 * kMaxOccurrences) {
    ereport(ERROR, (errcode(ERRCODE_STATEMENT_TOO_COMPLEX), errmsg("the query of a TVIEW reads more than %d relations", kMaxOccurrences),
                    errhint("Make intermediate results TVIEWs of their own.")));
  }
  if (analysis->occurrence_count == analysis->occurrence_room) {
    analysis->occurrence_room *= 2;
    analysis->occurrences = static_cast<Occurrence*>(repalloc(analysis->occurrences, analysis->occurrence_room * sizeof(Occurrence)));
  }
  const int number = analysis->occurrence_count++;
  Occurrence* occurrence = &analysis->occurrences[number];
  memset(occurrence, 0, sizeof(*occurrence));
  occurrence->relation = relation;
  occurrence->level = level;
  occurrence->position = number;
  return number;
}

Level* ExpandLevel(Analysis* analysis, Query* query, Level* scope, Level* from_parent, CommonTableExpr* cte, bool nullable, bool inert) {
  check_stack_depth();
  CheckQuery(query);
  Level* level = static_cast<Level*>(palloc0(sizeof(Level)));
  level->query = query;
  level->scope = scope;
  level->from_parent = from_parent;
  level->items = static_cast<Item*>(palloc0((list_length(query->rtable) + 1) * sizeof(Item)));
  level->cte = cte;
  level->nullable = nullable;
  level->inert = inert;
  level->from = analysis->occurrence_count;
  analysis->levels = lappend(analysis->levels, level);
  if (query->setOperations != nullptr) {
    ChooseBranch(analysis, level);
    ExpandSetOperation(analysis, level, query->setOperations);
  } else {
    ExpandFrom(analysis, level, reinterpret_cast<Node*>(query->jointree), nullable);
  }
  if (level->from == analysis->occurrence_count && from_parent != nullptr) {
    AddOccurrence(analysis, InvalidOid, level);  // which has the place of its rows in FROM
  }
  level->to = analysis->occurrence_count;
  return level;
}

bool IsBelow(const Level* level, const Level* above) {
  for (const Level* at = level; at != nullptr; at = at->from_parent != nullptr ? at->from_parent : at->scope) {
    if (at == above) {
      return true;
    }
  }
  return false;
}

bool NullExtends(const Join* join, int position) {
  const JoinType type = join->expr->jointype;
  const bool left = position >= join->left_from && position < join->right_from;
  const bool right = position >= join->right_from && position < join->right_to;
  return (left && (type == JOIN_RIGHT || type == JOIN_FULL)) || (right && (type == JOIN_LEFT || type == JOIN_FULL));
}

bool IsOptionalWithin(const Level* level, const Occurrence* occurrence) {
  for (const Level* at = occurrence->level; at != nullptr; at = at->from_parent) {
    ListCell* cell;
    foreach (cell, at->joins) {
      if (NullExtends(static_cast<const Join*>(lfirst(cell)), occurrence->position)) {
        return true;
      }
    }
    if (at == level) {
      break;
    }
  }
  return !OidIsValid(occurrence->relation);
}

}  // namespace tviews::lineage
