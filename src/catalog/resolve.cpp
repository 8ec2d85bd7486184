// ResolveTview: from what a user calls a TVIEW to its table.
#include "catalog/graph.h"
#include "catalog/rows.h"

namespace tviews::catalog {
namespace {

struct Name {
  const char* schema;  // null: any
  const char* relation;
};

// Splits a possibly qualified, possibly quoted name; whatever is not one stands for itself.
Name ParseName(const char* text) {
  char* raw = pstrdup(text);
  List* parts;
  if (!SplitIdentifierString(raw, '.', &parts) || parts == NIL || list_length(parts) > 2) {
    return {nullptr, pstrdup(text)};
  }
  if (list_length(parts) == 2) {
    return {static_cast<const char*>(linitial(parts)), static_cast<const char*>(lsecond(parts))};
  }
  return {nullptr, static_cast<const char*>(linitial(parts))};
}

int CompareNames(const ListCell* a, const ListCell* b) { return strcmp(static_cast<const char*>(lfirst(a)), static_cast<const char*>(lfirst(b))); }

}  // namespace

Oid ResolveTview(const char* name) {
  const Oid found = TryResolveTview(name);
  if (!OidIsValid(found)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("TVIEW \"%s\" does not exist", name), errhint("pg_tview_meta lists the TVIEWs of this database.")));
  }
  return found;
}

Oid TryResolveTview(const char* name) {
  const Name wanted = ParseName(name);
  Oid found = InvalidOid;
  int count = 0;
  List* candidates = NIL;
  RowScan scan = OpenRows(pg::Table::kTview, nullptr);
  while (NextRow(&scan)) {
    const Oid table = OidColumn(scan, tview_column::kTview);
    const char* relation = get_rel_name(table);
    const char* schema = relation == nullptr ? nullptr : get_namespace_name(get_rel_namespace(table));
    if (schema == nullptr || (wanted.schema != nullptr && strcmp(wanted.schema, schema) != 0)) {
      continue;
    }
    const char* entity = TextColumn(scan, tview_column::kEntity);
    if (strcmp(relation, wanted.relation) != 0 && strcmp(entity, wanted.relation) != 0) {
      continue;
    }
    candidates = lappend(candidates, quote_qualified_identifier(schema, relation));
    found = table;
    ++count;
  }
  CloseRows(&scan);
  if (count > 1) {
    list_sort(candidates, CompareNames);
    StringInfoData list;
    initStringInfo(&list);
    ListCell* cell;
    foreach (cell, candidates) {
      appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "", static_cast<const char*>(lfirst(cell)));
    }
    ereport(ERROR, (errcode(ERRCODE_AMBIGUOUS_ALIAS), errmsg("TVIEW name \"%s\" is ambiguous", name), errdetail("It could be %s.", list.data),
                    errhint("Qualify the name with its schema.")));
  }
  return found;
}

}  // namespace tviews::catalog
