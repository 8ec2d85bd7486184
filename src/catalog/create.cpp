// CreateTview: view, locks, lineage, table, first rows, indexes, triggers, catalog rows, dependencies; in that order.
#include "catalog/internal_sql.h"
#include "catalog/register.h"
#include "catalog/registration.h"
#include "catalog/rows.h"
#include "catalog/triggers.h"
#include "lineage/lineage.h"
#include "shmem/segment.h"

namespace tviews::catalog {
namespace {

struct Building {
  const NewTview* definition;
  const char* schema;
  const char* entity;
  const char* qualified;  // quoted name of the table
  Oid view;
  bool owns_view;
  const char* qualified_view;
  int column_count;
  const char** columns;  // of the view
  int key_count;
  const char** key;
  AttrNumber* key_columns;  // in the view
  Oid table;
  uint64 rows;
};

void CheckSession() {
  shmem::RequireAttached();
  pg::TableOid(pg::Table::kTview);
  if (IsolationUsesXactSnapshot()) {
    ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION), errmsg("cannot create a TVIEW in a %s transaction", XactIsoLevel == XACT_SERIALIZABLE ? "SERIALIZABLE" : "REPEATABLE READ"),
                    errdetail("Its first rows would miss changes that were committed after the transaction's snapshot."),
                    errhint("Use READ COMMITTED.")));
  }
}

const char* CheckName(const char* name) {
  if (strncmp(name, "tv_", 3) != 0 || name[3] == '\0') {
    ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("\"%s\" is not the name of a TVIEW", name), errhint("Name it tv_<entity>, for example tv_post.")));
  }
  return name + 3;
}

const char* CheckSchema(const NewTview& definition) {
  Oid oid;
  if (definition.schema != nullptr) {
    oid = LookupCreationNamespace(definition.schema);
  } else {
    RangeVar* target = makeRangeVar(nullptr, pstrdup(definition.name), -1);
    oid = RangeVarGetCreationNamespace(target);
    const AclResult right = pg_namespace_aclcheck(oid, GetUserId(), ACL_CREATE);
    if (right != ACLCHECK_OK) {
      aclcheck_error(right, OBJECT_SCHEMA, get_namespace_name(oid));
    }
  }
  if (isAnyTempNamespace(oid)) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a TVIEW cannot be temporary"), errhint("Name an ordinary schema.")));
  }
  if (OidIsValid(get_relname_relid(definition.name, oid))) {
    ereport(ERROR, (errcode(ERRCODE_DUPLICATE_TABLE), errmsg("relation \"%s\" already exists", definition.name)));
  }
  return get_namespace_name(oid);
}

void MakeView(Building* building) {
  const NewTview& definition = *building->definition;
  if (OidIsValid(definition.view)) {
    building->view = definition.view;
    building->owns_view = false;
    return;
  }
  const char* name = psprintf("v_%s", building->entity);
  const Oid schema = get_namespace_oid(building->schema, false);
  if (OidIsValid(get_relname_relid(name, schema))) {
    ereport(ERROR, (errcode(ERRCODE_DUPLICATE_TABLE), errmsg("relation \"%s\" already exists", name),
                    errdetail("The query of TVIEW \"%s\" is kept in a view of that name.", definition.name),
                    errhint("To use the existing view, give the query as SELECT * FROM %s.", quote_qualified_identifier(building->schema, name))));
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
  const SqlContext context = EnterSql(GetUserId());
  RunUtility(sql.data);
  RunUtility(psprintf("COMMENT ON VIEW %s IS %s", quote_qualified_identifier(building->schema, name),
                      quote_literal_cstr(psprintf("definition of TVIEW %s, made by pg_tviews", definition.name))));
  LeaveSql(context);
  building->view = get_relname_relid(name, schema);
  building->owns_view = true;
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

void ChooseKey(Building* building) {
  const Options& options = building->definition->options;
  if (options.key != nullptr) {
    building->key = options.key;
    building->key_count = options.key_count;
  } else {
    const char* primary = psprintf("pk_%s", building->entity);
    building->key_count = 1;
    building->key = static_cast<const char**>(palloc(sizeof(char*)));
    building->key[0] = get_attnum(building->view, primary) > 0 ? primary : "id";
  }
  building->key_columns = static_cast<AttrNumber*>(palloc(sizeof(AttrNumber) * building->key_count));
  for (int i = 0; i < building->key_count; ++i) {
    building->key_columns[i] = get_attnum(building->view, building->key[i]);
    if (building->key_columns[i] > 0) {
      continue;
    }
    if (options.key != nullptr) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("key column \"%s\" is not in the query of TVIEW \"%s\"", building->key[i], building->definition->name),
                      errhint("Select it, or name another column in the option \"key\".")));
    }
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("the query of TVIEW \"%s\" has no key column", building->definition->name),
                    errhint("Select a unique column as \"pk_%s\" or \"id\", or name one with the option \"key\".", building->entity)));
  }
}

bool IsKey(const Building& building, const char* column) {
  for (int i = 0; i < building.key_count; ++i) {
    if (strcmp(building.key[i], column) == 0) {
      return true;
    }
  }
  return false;
}

// "a, b" with quotes.
const char* ColumnList(const char* const* columns, int count) {
  StringInfoData list;
  initStringInfo(&list);
  for (int i = 0; i < count; ++i) {
    appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", quote_identifier(columns[i]));
  }
  return list.data;
}

void MakeTable(Building* building) {
  const NewTview& definition = *building->definition;
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfo(&sql, "CREATE %sTABLE %s (", definition.table.unlogged || definition.options.unlogged ? "UNLOGGED " : "", building->qualified);
  Relation view = relation_open(building->view, AccessShareLock);
  for (int i = 0; i < building->column_count; ++i) {
    appendStringInfo(&sql, "%s%s", i > 0 ? ", " : "", ColumnDefinition(TupleDescAttr(RelationGetDescr(view), i)));
    if (IsKey(*building, building->columns[i])) {
      appendStringInfoString(&sql, " NOT NULL");
    }
  }
  relation_close(view, NoLock);
  appendStringInfoChar(&sql, ')');
  if (definition.table.access_method != nullptr) {
    appendStringInfo(&sql, " USING %s", quote_identifier(definition.table.access_method));
  }
  const bool has_fillfactor = definition.table.with != nullptr && strcasestr(definition.table.with, "fillfactor") != nullptr;
  const char* separator = "";
  appendStringInfoString(&sql, " WITH (");
  if (!has_fillfactor) {
    appendStringInfo(&sql, "fillfactor = %d", definition.options.fillfactor);
    separator = ", ";
  }
  if (definition.table.with != nullptr && definition.table.with[0] != '\0') {
    appendStringInfo(&sql, "%s%s", separator, definition.table.with);
  }
  appendStringInfoChar(&sql, ')');
  if (definition.table.tablespace != nullptr) {
    appendStringInfo(&sql, " TABLESPACE %s", quote_identifier(definition.table.tablespace));
  }
  const SqlContext context = EnterSql(GetUserId());
  RunUtility(sql.data);
  RunUtility(psprintf("COMMENT ON TABLE %s IS %s", building->qualified,
                      quote_literal_cstr(psprintf("TVIEW over %s, kept fresh by pg_tviews", building->qualified_view))));
  LeaveSql(context);
  building->table = get_relname_relid(definition.name, get_namespace_oid(building->schema, false));
}

// Under the settings and the restrictions that the refreshes will have.  READ COMMITTED: SPI takes a snapshot now, after the locks.
void Fill(Building* building) {
  const SqlContext context = EnterSql(GetUserId());
  Oid user;
  int security;
  GetUserIdAndSecContext(&user, &security);
  Datum* settings;
  int count;
  deconstruct_array(building->definition->options.settings, TEXTOID, -1, false, TYPALIGN_INT, &settings, nullptr, &count);
  for (int i = 0; i + 1 < count; i += 2) {
    const char* name = TextDatumGetCString(settings[i]);
    const char* value = TextDatumGetCString(settings[i + 1]);
    if (strcmp(name, "search_path") == 0) {
      value = value[0] == '\0' ? "pg_temp" : psprintf("%s, pg_temp", value);
    }
    set_config_option(name, value, superuser() ? PGC_SUSET : PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, ERROR, false);
  }
  SetUserIdAndSecContext(user, security | SECURITY_RESTRICTED_OPERATION);
  const char* columns = ColumnList(building->columns, building->column_count);
  if (SPI_execute(psprintf("INSERT INTO %s (%s) SELECT %s FROM %s", building->qualified, columns, columns, building->qualified_view), false, 0) != SPI_OK_INSERT) {
    elog(ERROR, "filling TVIEW \"%s\" failed", building->definition->name);
  }
  building->rows = SPI_processed;
  SetUserIdAndSecContext(user, security);
  LeaveSql(context);
}

bool CanIndex(const Building& building, const char* column) {
  const Oid type = get_atttype(building.table, get_attnum(building.table, column));
  return OidIsValid(GetDefaultOpClass(getBaseType(type), BTREE_AM_OID));
}

void MakeIndexes(Building* building) {
  const char* tablespace = building->definition->table.tablespace;
  const char* in = tablespace == nullptr ? "" : psprintf(" TABLESPACE %s", quote_identifier(tablespace));
  const char* using_in = tablespace == nullptr ? "" : psprintf(" USING INDEX TABLESPACE %s", quote_identifier(tablespace));
  const SqlContext context = EnterSql(GetUserId());
  RunUtility(psprintf("ALTER TABLE %s ADD PRIMARY KEY (%s)%s", building->qualified, ColumnList(building->key, building->key_count), using_in));
  for (int i = 0; i < building->column_count && building->definition->options.indexes; ++i) {
    const char* column = building->columns[i];
    if (building->key_count == 1 && IsKey(*building, column)) {
      continue;
    }
    if (strcmp(column, "id") == 0 && getBaseType(get_atttype(building->table, get_attnum(building->table, "id"))) == UUIDOID) {
      RunUtility(psprintf("CREATE UNIQUE INDEX ON %s (id)%s", building->qualified, in));
    } else if (strncmp(column, "fk_", 3) == 0 && CanIndex(*building, column)) {
      RunUtility(psprintf("CREATE INDEX ON %s (%s)%s", building->qualified, quote_identifier(column), in));
    }
  }
  LeaveSql(context);
}

// Says what a failed fill means in the words of a TVIEW.  PG_TRY: another error takes the place of the one that was caught, both
// end the statement.
void FillAndIndex(Building* building) {
  MemoryContext here = CurrentMemoryContext;
  PG_TRY();
  {
    if (building->definition->with_data && !building->definition->options.background) {
      Fill(building);
    }
    MakeIndexes(building);
  }
  PG_CATCH();
  {
    MemoryContextSwitchTo(here);
    ErrorData* error = CopyErrorData();
    const bool of_table = error->table_name == nullptr || strcmp(error->table_name, building->definition->name) == 0;
    if (error->sqlerrcode == ERRCODE_NOT_NULL_VIOLATION && of_table) {
      FlushErrorState();
      ereport(ERROR, (errcode(ERRCODE_NOT_NULL_VIOLATION), errmsg("key \"%s\" of TVIEW \"%s\" is null in a row of its query", building->key[0], building->definition->name),
                      error->detail != nullptr ? errdetail_internal("%s", error->detail) : 0, errhint("The key must be unique and not null in the query.")));
    }
    if (error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION && of_table) {
      const char* primary = psprintf("%s_pkey", building->definition->name);
      const bool key = error->constraint_name == nullptr || strncmp(error->constraint_name, primary, NAMEDATALEN - 6) == 0;
      FlushErrorState();
      ereport(ERROR, (errcode(ERRCODE_CARDINALITY_VIOLATION), errmsg("column \"%s\" of TVIEW \"%s\" is not unique in its query", key ? building->key[0] : "id", building->definition->name),
                      error->detail != nullptr ? errdetail_internal("%s", error->detail) : 0,
                      key ? errhint("Name a unique column with the option \"key\", or group the query by the key.")
                          : errhint("Make \"id\" unique in the query, give it another name, or use the option \"indexes\" = false.")));
    }
    PG_RE_THROW();
  }
  PG_END_TRY();
}

const char* JsonText(Datum json) { return JsonbToCString(nullptr, &DatumGetJsonbP(json)->root, -1); }

}  // namespace

Oid CreateTview(const NewTview& definition, uint64* rows) {
  CheckSession();
  Building building = {};
  building.definition = &definition;
  building.entity = CheckName(definition.name);
  building.schema = CheckSchema(definition);
  building.qualified = quote_qualified_identifier(building.schema, definition.name);
  MakeView(&building);
  ReadColumns(&building);
  ChooseKey(&building);
  const List* relations = LockRelationsRead(building.view, GetUserId(), ShareRowExclusiveLock);
  MakeTable(&building);
  lineage::Request request = {building.view, building.key_count, building.key_columns, definition.options.unkeyed_full, false, building.table};
  const lineage::Lineage lineage = lineage::DeriveLineage(request);
  FillAndIndex(&building);
  LockTview(building.table);
  const bool filled = definition.with_data && !definition.options.background;
  Registration registration = {building.table, building.view, building.owns_view, building.entity, building.key, building.key_count,
                               TextArray(building.columns, building.column_count), &definition.options, filled ? State::kFresh : State::kBuilding};
  Register(registration, relations, lineage);
  if (!filled) {
    MarkForReconciliation(building.table);
  }
  StringInfoData details;
  initStringInfo(&details);
  appendStringInfoString(&details, "{\"table\": ");
  escape_json(&details, building.qualified);
  appendStringInfoString(&details, ", \"view\": ");
  escape_json(&details, building.qualified_view);
  appendStringInfo(&details, ", \"rows\": " UINT64_FORMAT ", \"options\": %s}", building.rows, JsonText(definition.options.json));
  Audit("CREATE", building.entity, details.data);
  if (rows != nullptr) {
    *rows = building.rows;
  }
  return building.table;
}

}  // namespace tviews::catalog
