// From a SELECT to the definition of a TVIEW.
#include "sql/query.h"

namespace tviews::sql {
namespace {

#if PG_VERSION_NUM >= 160000
using Walker = tree_walker_callback;
#else
using Walker = bool (*)();  // declared without arguments
#endif

bool FindParameter(Node* node, void* context) {
  if (node == nullptr) {
    return false;
  }
  if (IsA(node, Param)) {
    return reinterpret_cast<Param*>(node)->paramkind == PARAM_EXTERN;
  }
  if (IsA(node, Query)) {
    return query_tree_walker(reinterpret_cast<Query*>(node), reinterpret_cast<Walker>(reinterpret_cast<void*>(FindParameter)), context, 0);
  }
  return expression_tree_walker(node, reinterpret_cast<Walker>(reinterpret_cast<void*>(FindParameter)), context);
}

// A copy with more than one range-table entry: columns of a single one are printed without its name, and ORDER BY or DISTINCT ON then
// take an output column of the same name.
Query* WithSecondEntry(const Query* query) {
  Query* copy = static_cast<Query*>(copyObjectImpl(query));
  RangeTblEntry* entry = makeNode(RangeTblEntry);
  entry->rtekind = RTE_RESULT;
  entry->eref = makeAlias("*RESULT*", NIL);
  copy->rtable = lappend(copy->rtable, entry);
  return copy;
}

// SELECT a, b, ... FROM (query): the columns of a set operation cannot change places in it.
Query* SelectFrom(Query* query) {
  RangeTblEntry* entry = makeNode(RangeTblEntry);
  entry->rtekind = RTE_SUBQUERY;
  entry->subquery = query;
  entry->inFromCl = true;
  Query* outer = makeNode(Query);
  outer->commandType = CMD_SELECT;
  outer->canSetTag = true;
  List* names = NIL;
  const ListCell* cell;
  foreach (cell, query->targetList) {
    TargetEntry* target = lfirst_node(TargetEntry, cell);
    if (!target->resjunk) {
      names = lappend(names, makeString(pstrdup(target->resname)));
      Expr* column = reinterpret_cast<Expr*>(makeVarFromTargetEntry(1, target));
      outer->targetList = lappend(outer->targetList, makeTargetEntry(column, target->resno, pstrdup(target->resname), false));
    }
  }
  entry->alias = makeAlias("query", NIL);
  entry->eref = makeAlias("query", names);
  RangeTblRef* reference = makeNode(RangeTblRef);
  reference->rtindex = 1;
  outer->rtable = list_make1(entry);
  outer->jointree = makeFromExpr(list_make1(reference), nullptr);
  return outer;
}

// The place of a column in `names`; behind them all when it is not there, and farther behind when it is only for sorting.
int Place(const TargetEntry* target, const List* names) {
  const ListCell* cell;
  foreach (cell, names) {
    if (!target->resjunk && strcmp(target->resname, static_cast<const char*>(lfirst(cell))) == 0) {
      return foreach_current_index(cell);
    }
  }
  return list_length(names) + target->resno + (target->resjunk ? MaxTupleAttributeNumber : 0);
}

}  // namespace

Query* KeepPlaces(Query* query, const List* names) {
  List* sorted = NIL;
  for (int done = -1, count = list_length(query->targetList); list_length(sorted) < count;) {
    TargetEntry* next = nullptr;
    const ListCell* cell;
    foreach (cell, query->targetList) {
      TargetEntry* target = lfirst_node(TargetEntry, cell);
      if (Place(target, names) > done && (next == nullptr || Place(target, names) < Place(next, names))) {
        next = target;
      }
    }
    if (next == nullptr) {
      return query;  // two columns of one name: the server will say so
    }
    done = Place(next, names);
    sorted = lappend(sorted, next);
  }
  if (equal(sorted, query->targetList)) {
    return query;
  }
  if (query->setOperations != nullptr) {
    return KeepPlaces(SelectFrom(query), names);
  }
  query->targetList = sorted;
  const ListCell* cell;
  foreach (cell, sorted) {
    lfirst_node(TargetEntry, cell)->resno = static_cast<AttrNumber>(foreach_current_index(cell) + 1);
  }
  return query;
}

Query* AnalyseSelect(const char* text) {
  const List* statements = pg_parse_query(text);
  if (list_length(statements) != 1) {
    ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("the query of a TVIEW must be one SELECT statement"), errhint("WITH, VALUES and set operations are SELECT statements too.")));
  }
  RawStmt* statement = linitial_node(RawStmt, statements);
  if (!IsA(statement->stmt, SelectStmt) || reinterpret_cast<SelectStmt*>(statement->stmt)->intoClause != nullptr) {
    ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("the query of a TVIEW must be one SELECT statement"), errhint("WITH, VALUES and set operations are SELECT statements too.")));
  }
  return parse_analyze_fixedparams(statement, text, nullptr, 0, nullptr);
}

bool HasParameters(Query* query) { return FindParameter(reinterpret_cast<Node*>(query), nullptr); }

Oid AdoptedView(const Query* query) {
  if (query->commandType != CMD_SELECT || list_length(query->rtable) != 1 || list_length(query->jointree->fromlist) != 1 || query->jointree->quals != nullptr ||
      query->hasAggs || query->hasWindowFuncs || query->hasTargetSRFs || query->hasSubLinks || query->cteList != NIL || query->groupClause != NIL ||
      query->groupingSets != NIL || query->havingQual != nullptr || query->distinctClause != NIL || query->sortClause != NIL || query->limitOffset != nullptr ||
      query->limitCount != nullptr || query->rowMarks != NIL || query->setOperations != nullptr || !IsA(linitial(query->jointree->fromlist), RangeTblRef)) {
    return InvalidOid;
  }
  const RangeTblEntry* entry = linitial_node(RangeTblEntry, query->rtable);
  if (entry->rtekind != RTE_RELATION || entry->relkind != RELKIND_VIEW || entry->tablesample != nullptr) {
    return InvalidOid;
  }
  AttrNumber expected = 1;
  const ListCell* cell;
  foreach (cell, query->targetList) {
    const TargetEntry* target = lfirst_node(TargetEntry, cell);
    const Var* var = IsA(target->expr, Var) ? reinterpret_cast<Var*>(target->expr) : nullptr;
    if (var == nullptr || target->resjunk || var->varattno != expected || target->resname == nullptr ||
        strcmp(target->resname, get_attname(entry->relid, expected, false)) != 0) {
      return InvalidOid;
    }
    ++expected;
  }
  return get_attname(entry->relid, expected, true) == nullptr ? entry->relid : InvalidOid;
}

void DefineByQuery(Query* query, catalog::NewTview* definition) {
  if (HasParameters(query)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_PARAMETER), errmsg("the query of a TVIEW cannot contain parameters"),
                    errhint("Write the values into the query, for example with format() and %%L.")));
  }
  if (isQueryUsingTempRelation(query)) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("TVIEW \"%s\" cannot read temporary tables or views", definition->name),
                    errhint("Use permanent tables, or create a TEMP table.")));
  }
  definition->view = AdoptedView(query);
  if (OidIsValid(definition->view)) {
    ListCell* cell;
    foreach (cell, definition->column_names) {  // other names: a view over the view
      const char* name = get_attname(definition->view, foreach_current_index(cell) + 1, true);
      if (name == nullptr || strcmp(name, strVal(lfirst(cell))) != 0) {
        definition->view = InvalidOid;
        break;
      }
    }
  }
  if (OidIsValid(definition->view)) {
    definition->column_names = NIL;
    definition->query = nullptr;
    return;
  }
  const int level = NewGUCNestLevel();
  set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, ERROR, false);
  definition->query = pg_get_querydef(WithSecondEntry(query), false);
  AtEOXact_GUC(true, level);
}

}  // namespace tviews::sql
