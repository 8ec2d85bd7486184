// The first parts of making a TVIEW: session, view, columns, key.
#include "catalog/building.h"

#include "catalog/internal_sql.h"
#include "catalog/rows.h"
#include "pg/extension.h"
#include "pg/owner_context.h"
#include "shmem/segment.h"

namespace tviews::catalog {

void CheckSession() {
  shmem::RequireAttached();
  pg::TableOid(pg::Table::kTview);
  if (IsolationUsesXactSnapshot()) {
    ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION), errmsg("cannot create a TVIEW in a %s transaction", XactIsoLevel == XACT_SERIALIZABLE ? "SERIALIZABLE" : "REPEATABLE READ"),
                    errdetail("Its first rows would miss changes that were committed after the transaction's snapshot."),
                    errhint("Use READ COMMITTED.")));
  }
}

namespace {

void CreateView(Building* building) {
  const NewTview& definition = *building->definition;
  const char* name = psprintf("v_%s", building->entity);
  const Oid schema = get_namespace_oid(building->schema, false);
  if (OidIsValid(get_relname_relid(name, schema))) {
    ereport(ERROR, (errcode(ERRCODE_DUPLICATE_TABLE), errmsg("relation \"%s\" already exists", name),
                    errdetail("The query of TVIEW \"%s\" is kept in a view of that name.", definition.name),
                    errhint("To use the existing view, give the query as SELECT * FROM %s.", quote_qualified_identifier(building->schema, name))));
  }
  if (strlen(name) >= NAMEDATALEN) {
    ereport(ERROR, (errcode(ERRCODE_NAME_TOO_LONG), errmsg("view name \"%s\" is too long", name),
                    errhint("Make a view under another name, and give the query as SELECT * FROM that view.")));
  }
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfo(&sql, "CREATE VIEW %s", quote_qualified_identifier(building->schema, name));
  if (definition.column_names != NIL) {
    ListCell* cell;
    foreach (cell, definition.column_names) {
      appendStringInfo(&sql, "%s%s", foreach_current_index(cell) == 0 ? " (" : ", ", quote_identifier(strVal(lfirst(cell))));
    }
    appendStringInfoChar(&sql, ')');
  }
  appendStringInfo(&sql, " AS %s", definition.query);
  const SqlContext context = EnterSql(building->user);
  RunUtility(sql.data);
  RunUtility(psprintf("COMMENT ON VIEW %s IS %s", quote_qualified_identifier(building->schema, name),
                      quote_literal_cstr(psprintf("definition of TVIEW %s, made by pg_tviews", definition.name))));
  LeaveSql(context);
  building->view = get_relname_relid(name, schema);
}

void ReadColumns(Building* building) {
  Relation view = relation_open(building->view, AccessShareLock);
  const TupleDesc columns = RelationGetDescr(view);
  building->column_count = columns->natts;
  building->columns = static_cast<const char**>(palloc(sizeof(char*) * (columns->natts + 1)));
  for (int i = 0; i < columns->natts; ++i) {
    building->columns[i] = pstrdup(NameStr(TupleDescAttr(columns, i)->attname));
  }
  relation_close(view, NoLock);
  building->qualified_view = quote_qualified_identifier(get_namespace_name(get_rel_namespace(building->view)), get_rel_name(building->view));
}

// The names of the columns of the table's primary key, if the view has them all; null otherwise.
const char** PrimaryKey(const Building& building, int* count) {
  if (!OidIsValid(building.table)) {
    return nullptr;
  }
  Relation table = relation_open(building.table, AccessShareLock);
  RelationGetIndexList(table);  // fills rd_pkindex
  const Oid primary = table->rd_pkindex;
  relation_close(table, NoLock);
  if (!OidIsValid(primary)) {
    return nullptr;
  }
  Relation index = index_open(primary, AccessShareLock);
  *count = index->rd_index->indnkeyatts;
  const char** names = static_cast<const char**>(palloc(sizeof(char*) * *count));
  bool all = true;
  for (int i = 0; i < *count; ++i) {
    names[i] = get_attname(building.table, index->rd_index->indkey.values[i], false);
    all = all && get_attnum(building.view, names[i]) > 0;
  }
  index_close(index, NoLock);
  return all ? names : nullptr;
}

// The key when no option names it; `id` if nothing better is there.
void DefaultKey(Building* building) {
  const char* primary = psprintf("pk_%s", building->entity);
  building->key_count = 1;
  building->key = static_cast<const char**>(palloc(sizeof(char*)));
  building->key[0] = get_attnum(building->view, primary) > 0 ? primary : "id";
  int count;
  const char** of_table = get_attnum(building->view, building->key[0]) > 0 ? nullptr : PrimaryKey(*building, &count);
  if (of_table != nullptr) {
    building->key = of_table;
    building->key_count = count;
  }
}

}  // namespace

void CheckEntity(const char* schema, const char* entity) {
  RowScan scan = OpenRows(pg::Table::kTview, nullptr);
  while (NextRow(&scan)) {
    const Oid table = OidColumn(scan, tview_column::kTview);
    if (strcmp(TextColumn(scan, tview_column::kEntity), entity) == 0 && get_rel_namespace(table) == get_namespace_oid(schema, true)) {
      ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("there is a TVIEW \"%s\" in schema \"%s\" already", entity, schema),
                      errdetail("It is table \"%s\".", get_rel_name(table))));
    }
  }
  CloseRows(&scan);
}

const char* ColumnNames(const Building& building) {
  StringInfoData list;
  initStringInfo(&list);
  for (int i = 0; i < building.column_count; ++i) {
    appendStringInfo(&list, "%s\"%s\"", i > 0 ? ", " : "", building.columns[i]);
  }
  return list.data;
}

const char* ColumnList(const char* const* columns, int count) {
  StringInfoData list;
  initStringInfo(&list);
  for (int i = 0; i < count; ++i) {
    appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", quote_identifier(columns[i]));
  }
  return list.data;
}

bool IsKey(const Building& building, const char* column) {
  for (int i = 0; i < building.key_count; ++i) {
    if (strcmp(building.key[i], column) == 0) {
      return true;
    }
  }
  return false;
}

void RequireThere(const Building& building, Oid relation) {
  if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation))) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("the %s of TVIEW \"%s\" was dropped while it was made", relation == building.table ? "table" : "view", building.definition->name),
                    errhint("Look for an event trigger that drops it, or what it reads.")));
  }
}

void MakeView(Building* building) {
  building->view = building->definition->view;
  if (!OidIsValid(building->view)) {
    CreateView(building);
    building->owns_view = true;
    RequireThere(*building, building->view);
  }
  ReadColumns(building);
}

void ChooseKey(Building* building) {
  const Options& options = building->definition->options;
  if (options.key != nullptr) {
    building->key = options.key;
    building->key_count = options.key_count;
  } else {
    DefaultKey(building);
  }
  building->key_columns = static_cast<AttrNumber*>(palloc(sizeof(AttrNumber) * building->key_count));
  for (int i = 0; i < building->key_count; ++i) {
    building->key_columns[i] = get_attnum(building->view, building->key[i]);
    if (building->key_columns[i] > 0) {
      continue;
    }
    if (options.key != nullptr) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("key column \"%s\" is not in the query of TVIEW \"%s\"", building->key[i], building->definition->name),
                      errdetail("Its columns are %s.", ColumnNames(*building)), errhint("Select it, or name another column in the option \"key\".")));
    }
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("the query of TVIEW \"%s\" has no key column", building->definition->name),
                    errdetail("Its columns are %s.", ColumnNames(*building)),
                    errhint("Select a unique column as \"pk_%s\" or \"id\", or name one with the option \"key\".", building->entity)));
  }
}

const List* LockFor(const Building& building, Oid also) {
  const pg::OwnerContext as_owner = pg::EnterOwner(building.user, building.definition->options.settings);
  const List* relations = LockRelationsRead(building.view, building.user, ShareRowExclusiveLock, also);
  pg::LeaveOwner(as_owner);
  return relations;
}

lineage::Lineage DeriveFor(const Building& building) {
  const Options& options = building.definition->options;
  lineage::Request request = {};
  request.view = building.view;
  request.key_count = building.key_count;
  request.key_columns = building.key_columns;
  request.unkeyed_full = options.unkeyed_full;
  request.clock_allowed = options.refresh_every_ms > 0;
  request.table = building.table;
  const pg::OwnerContext as_owner = pg::EnterOwner(building.user, options.settings);
  const lineage::Lineage lineage = lineage::DeriveLineage(request);
  pg::LeaveOwner(as_owner);
  return lineage;
}

Registration RegistrationOf(const Building& building, State state) {
  Registration registration = {};
  registration.table = building.table;
  registration.adopted = building.adopted;
  registration.view = building.view;
  registration.owns_view = building.owns_view;
  registration.entity = building.entity;
  registration.key = building.key;
  registration.key_count = building.key_count;
  registration.columns = TextArray(building.columns, building.column_count);
  registration.options = &building.definition->options;
  registration.state = state;
  return registration;
}

void AuditMade(const char* operation, const Building& building) {
  StringInfoData details;
  initStringInfo(&details);
  appendStringInfoString(&details, "{\"table\": ");
  escape_json(&details, building.qualified);
  appendStringInfoString(&details, ", \"view\": ");
  escape_json(&details, building.qualified_view);
  appendStringInfo(&details, ", \"rows\": " UINT64_FORMAT ", \"options\": %s}", building.rows,
                   JsonbToCString(nullptr, &DatumGetJsonbP(building.definition->options.json)->root, -1));
  Audit(operation, building.entity, details.data);
}

}  // namespace tviews::catalog
