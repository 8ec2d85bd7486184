// pg_tviews_suggest_indexes(): the indexes that a TVIEW, its view and its mapping queries lack.
#include "catalog/graph.h"
#include "lineage/lineage.h"
#include "pg/owner_context.h"

namespace tviews::sql {
namespace {

// A table of fewer pages is read faster than an index.
constexpr BlockNumber kSmallPages = 8;

struct Advice {
  ReturnSetInfo* result;
  List* names;  // of indexes that are suggested already
  List* given;  // what they are on
};

const char* QualifiedName(Oid relation) { return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), get_rel_name(relation)); }

// Not a promise: the partitions may go meanwhile.
bool IsLarge(Oid root) {
  BlockNumber pages = 0;
  const List* members = find_all_inheritors(root, AccessShareLock, nullptr);
  const ListCell* cell;
  foreach (cell, members) {
    if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_RELATION) {
      Relation member = relation_open(lfirst_oid(cell), NoLock);
      pages += RelationGetNumberOfBlocks(member);
      relation_close(member, NoLock);
    }
  }
  return pages > kSmallPages;
}

bool IsIn(const List* names, const char* name) {
  const ListCell* cell;
  foreach (cell, names) {
    if (strcmp(static_cast<const char*>(lfirst(cell)), name) == 0) {
      return true;
    }
  }
  return false;
}

// idx_<table>_<column>, cut to fit, with a number where that is taken.
const char* NewName(Advice* advice, Oid table, const char* columns) {
  List* parsed;
  const char* column = "lookup";
  if (SplitIdentifierString(pstrdup(columns), ',', &parsed) && list_length(parsed) == 1) {
    column = static_cast<const char*>(linitial(parsed));
  }
  const char* first = psprintf("idx_%s", get_rel_name(table));
  const char* name = makeObjectName(first, column, nullptr);
  for (int i = 1; OidIsValid(get_relname_relid(name, get_rel_namespace(table))) || IsIn(advice->names, name); ++i) {
    name = makeObjectName(first, column, psprintf("%d", i));
  }
  advice->names = lappend(advice->names, const_cast<char*>(name));
  return name;
}

// An index of a tv_ table gets a name from us; the server chooses that of any other.
void Emit(Advice* advice, Oid relation, bool of_tview, bool gin, const char* columns, const char* reason) {
  Datum values[2];
  bool nulls[2] = {};
  char* on = psprintf("%u %d %s", relation, gin, columns);
  if (IsIn(advice->given, on)) {
    return;
  }
  advice->given = lappend(advice->given, on);
  const char* name = of_tview ? NewName(advice, relation, columns) : nullptr;
  values[0] = CStringGetTextDatum(psprintf("CREATE INDEX %s%sON %s%s (%s);", name == nullptr ? "" : quote_identifier(name), name == nullptr ? "" : " ", QualifiedName(relation), gin ? " USING gin" : "", columns));
  values[1] = CStringGetTextDatum(reason);
  tuplestore_putvalues(advice->result->setResult, advice->result->setDesc, values, nulls);
}

bool LeadsAnIndex(Oid table, AttrNumber column) {
  bool found = false;
  Relation relation = relation_open(table, AccessShareLock);
  List* indexes = RelationGetIndexList(relation);
  ListCell* cell;
  foreach (cell, indexes) {
    HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
    if (HeapTupleIsValid(tuple)) {
      const Form_pg_index form = reinterpret_cast<Form_pg_index>(GETSTRUCT(tuple));
      found = found || (form->indisvalid && form->indkey.values[0] == column && heap_attisnull(tuple, Anum_pg_index_indpred, nullptr));
      ReleaseSysCache(tuple);
    }
  }
  relation_close(relation, NoLock);
  return found;
}

// id and fk_*: by these applications read.
void AdviseOnOwnColumns(Advice* advice, const catalog::Tview& tview) {
  for (int i = 0; i < tview.owned_count; ++i) {
    const AttrNumber number = tview.owned_columns[i];
    const char* column = get_attname(tview.table, number, false);
    const bool is_fk = strncmp(column, "fk_", 3) == 0;
    if ((is_fk || strcmp(column, "id") == 0) && OidIsValid(GetDefaultOpClass(getBaseType(get_atttype(tview.table, number)), BTREE_AM_OID)) &&
        !LeadsAnIndex(tview.table, number)) {
      Emit(advice, tview.table, true, false, quote_identifier(column),
           is_fk ? "rows of the TVIEW are looked up by its foreign keys" : "rows of the TVIEW are looked up by id");
    }
  }
}

void AdviseOnLookups(Advice* advice, const catalog::Graph* graph, const catalog::Tview& tview) {
  lineage::Request request = {};
  request.view = tview.view;
  request.key_count = tview.key_count;
  request.key_columns = tview.view_key_columns;
  request.unkeyed_full = request.clock_allowed = true;  // it is a TVIEW already
  request.table = tview.table;
  const pg::OwnerContext as_owner = pg::EnterOwner(tview.owner, tview.settings);
  const List* missing = lineage::MissingIndexes(request);
  pg::LeaveOwner(as_owner);
  const ListCell* cell;
  foreach (cell, missing) {
    const lineage::MissingIndex* index = static_cast<const lineage::MissingIndex*>(lfirst(cell));
    if (!IsLarge(index->relation)) {
      continue;
    }
    Emit(advice, index->relation, catalog::FindTview(graph, index->relation) != nullptr, index->gin, index->columns,
         psprintf(index->mapping ? "changes find the affected rows of TVIEW %s through it" : "the view of TVIEW %s finds the rows of a key through it",
                  quote_qualified_identifier(tview.schema, tview.entity)));
  }
}

}  // namespace
}  // namespace tviews::sql

extern "C" {
PG_FUNCTION_INFO_V1(pg_tviews_suggest_indexes);

PGDLLEXPORT Datum pg_tviews_suggest_indexes(PG_FUNCTION_ARGS) {
  using namespace tviews;
  const Oid table = catalog::ResolveTview(text_to_cstring(PG_GETARG_TEXT_PP(0)));
  const AclResult right = pg_class_aclcheck(table, GetUserId(), ACL_SELECT);
  if (right != ACLCHECK_OK) {
    aclcheck_error(right, OBJECT_TABLE, get_rel_name(table));
  }
  sql::Advice advice = {BeginRows(fcinfo), NIL, NIL};
  const catalog::Graph* graph = catalog::LoadGraph(nullptr);
  const catalog::Tview* tview = catalog::FindTview(graph, table);
  if (tview != nullptr) {
    sql::AdviseOnOwnColumns(&advice, *tview);
    sql::AdviseOnLookups(&advice, graph, *tview);
  }
  return static_cast<Datum>(0);
}
}
