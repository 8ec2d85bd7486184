// The first rows and the indexes of a new TVIEW.
#include "catalog/building.h"
#include "catalog/internal_sql.h"
#include "catalog/key_index.h"
#include "pg/waitpoint.h"

namespace tviews::catalog {
namespace {

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
    set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, ERROR, false);
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

void MakeUnique(Building* building, const char* column, const char* sql) {
  building->unique = column;
  RunUtility(sql);
}

// Can a unique index over this column of the new table be made?
bool ColumnCanBeUnique(const Building& building, const char* column) {
  const AttrNumber number = get_attnum(building.table, column);
  return CanBeUnique(building.table, &number, 1);
}

bool IsUuid(const Building& building, const char* column) { return getBaseType(get_atttype(building.table, get_attnum(building.table, column))) == UUIDOID; }

// Where partitioning forbids the primary key: an index to find rows by, and a look at the first rows.
void MakeKeyAccess(const Building& building, bool there, const char* in) {
  const char* key = ColumnList(building.key, building.key_count);
  if (!there) {
    RunUtility(psprintf("CREATE INDEX ON %s (%s)%s", building.qualified, key, in));
  }
  if (SPI_execute(psprintf("SELECT pg_catalog.concat_ws(', ', %s) FROM %s GROUP BY %s HAVING pg_catalog.count(*) > 1 LIMIT 1", key, building.qualified, key), false, 1) != SPI_OK_SELECT) {
    elog(ERROR, "looking for rows with the same key failed");
  }
  if (SPI_processed > 0) {
    ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION), errmsg("key is not unique"), errdetail("Key (%s)=(%s) is duplicated.", key, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1))));
  }
}

const char* Tablespace(const Building& building, const char* before) {
  const char* tablespace = building.definition->table.tablespace;
  return tablespace == nullptr ? "" : psprintf("%s TABLESPACE %s", before, quote_identifier(tablespace));
}

void MakeKeyIndex(Building* building) {
  AttrNumber* key = static_cast<AttrNumber*>(palloc(sizeof(AttrNumber) * building->key_count));
  for (int i = 0; i < building->key_count; ++i) {
    key[i] = get_attnum(building->table, building->key[i]);
  }
  if (CanBeUnique(building->table, key, building->key_count)) {
    MakeUnique(building, nullptr, psprintf("ALTER TABLE %s ADD PRIMARY KEY (%s)%s", building->qualified, ColumnList(building->key, building->key_count), Tablespace(*building, " USING INDEX")));
  } else {
    MakeKeyAccess(*building, OidIsValid(FindKeyAccess(building->table, key, building->key_count)), Tablespace(*building, ""));
  }
}

// The index that a column asks for by its name.
void MakeIndex(Building* building, const char* column) {
  if (strcmp(column, building->key[0]) == 0) {
    return;
  }
  const bool id = strcmp(column, "id") == 0 && IsUuid(*building, column);
  if (id && !IsKey(*building, column) && ColumnCanBeUnique(*building, column)) {
    MakeUnique(building, column, psprintf("CREATE UNIQUE INDEX ON %s (id)%s", building->qualified, Tablespace(*building, "")));
  } else if ((id || strncmp(column, "fk_", 3) == 0 || IsKey(*building, column)) && CanIndex(*building, column)) {
    RunUtility(psprintf("CREATE INDEX ON %s (%s)%s", building->qualified, quote_identifier(column), Tablespace(*building, "")));
  }
}

void MakeIndexes(Building* building, const List* columns, bool key) {
  const SqlContext context = EnterSql(building->user);
  if (key) {
    MakeKeyIndex(building);
  }
  const ListCell* cell;
  foreach (cell, columns) {
    MakeIndex(building, static_cast<const char*>(lfirst(cell)));
  }
  LeaveSql(context);
}

[[noreturn]] void NullKey(const Building& building, const ErrorData* error) {
  const char* column = error->column_name != nullptr ? error->column_name : building.key[0];
  ereport(ERROR, (errcode(ERRCODE_NOT_NULL_VIOLATION), errmsg("key \"%s\" of TVIEW \"%s\" is null in a row of its query", column, building.definition->name),
                  error->detail != nullptr ? errdetail_internal("%s", error->detail) : 0, errhint("The key must be unique and not null in the query.")));
}

// The DETAIL of the server shows the values.
[[noreturn]] void NotUnique(const Building& building, const ErrorData* error) {
  const bool several = building.unique == nullptr && building.key_count > 1;
  const char* what = several ? psprintf("key (%s)", ColumnList(building.key, building.key_count))
                             : psprintf("column \"%s\"", building.unique != nullptr ? building.unique : building.key[0]);
  const char* hint = building.unique != nullptr ? psprintf("Make \"%s\" unique in the query, give it another name, or use the option \"indexes\" = false.", building.unique)
                     : several                  ? "Name columns that are unique together with the option \"key\", or group the query by the key."
                                                : "Name a unique column with the option \"key\", or group the query by the key.";
  ereport(ERROR, (errcode(ERRCODE_CARDINALITY_VIOLATION), errmsg("%s of TVIEW \"%s\" is not unique in its query", what, building.definition->name),
                  error->detail != nullptr ? errdetail_internal("%s", error->detail) : 0, errhint("%s", hint)));
}

// Says what a failed fill means in the words of a TVIEW.  PG_TRY: another error takes the place of the one that was caught, both
// end the statement.
void FillAndIndexColumns(Building* building, bool fill, const List* columns, bool key) {
  MemoryContext here = CurrentMemoryContext;
  PG_TRY();
  {
    if (fill) {
      Fill(building);
    }
    MakeIndexes(building, columns, key);
  }
  PG_CATCH();
  {
    MemoryContextSwitchTo(here);
    ErrorData* error = CopyErrorData();
    const bool of_table = error->table_name == nullptr || building->definition->options.partition_by.strategy != nullptr || strcmp(error->table_name, building->definition->name) == 0;
    if (error->sqlerrcode == ERRCODE_NOT_NULL_VIOLATION && of_table) {
      FlushErrorState();
      NullKey(*building, error);
    }
    if (error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION && of_table) {
      FlushErrorState();
      NotUnique(*building, error);
    }
    PG_RE_THROW();
  }
  PG_END_TRY();
}

}  // namespace

void FillAndIndex(Building* building) {
  List* columns = NIL;
  for (int i = 0; i < building->column_count && building->definition->options.indexes; ++i) {
    columns = lappend(columns, const_cast<char*>(building->columns[i]));
  }
  pg::Waitpoint("create_before_fill");
  FillAndIndexColumns(building, building->definition->with_data && !building->definition->options.background, columns, true);
  pg::Waitpoint("create_after_fill");
}

void IndexColumns(Building* building, const List* columns, bool key) { FillAndIndexColumns(building, false, columns, key); }

}  // namespace tviews::catalog
