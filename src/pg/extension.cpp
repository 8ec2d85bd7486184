// Where the extension lives in this database, cached until an invalidation says otherwise.
#include "pg/extension.h"

namespace tviews::pg {
namespace {

// In the order of `Table`, with the columns of sql/pg_tviews.sql in their order: they are read by number.
struct Expected {
  const char* name;
  const char* columns[16];
};
constexpr Expected kTables[] = {
    {"pg_tview_catalog",
     {"tview", "view", "owns_view", "entity", "definition", "key_columns", "columns", "level", "options", "settings", "state", "created_at", "adopted", "narrowed"}},
    {"pg_tview_relation", {"tview", "relation", "is_tview"}},
    {"pg_tview_capture_point", {"point", "relation", "columns", "fans_out", "paths"}},
    {"pg_tview_mapping", {"point", "tview", "ordinal", "kind", "query", "used", "nulls"}},
    {"pg_tview_deferred", {"tview", "key", "key_text", "reason", "since", "attempts", "next_attempt", "sqlstate", "message"}},
    {"pg_tview_timer", {"tview", "refreshed_at"}},
    {"pg_tview_audit", {"log_id", "operation", "entity", "performed_by", "performed_at", "details", "client_addr", "client_port"}},
    {"pg_tview_journal_0", {"xid", "payload"}},
    {"pg_tview_journal_1", {"xid", "payload"}},
    {"pg_tview_journal_2", {"xid", "payload"}},
    {"pg_tview_journal_3", {"xid", "payload"}},
};
constexpr int kTableCount = sizeof(kTables) / sizeof(kTables[0]);

constexpr const char* kOtherVersion = "Run ALTER EXTENSION pg_tviews UPDATE, or install the library that belongs to the version in this database and restart the server.";

struct Cached {
  bool known;
  Oid extension, schema;
  char quoted_schema[2 * NAMEDATALEN + 3];
  Oid tables[kTableCount];
  const char* missing[kTableCount];  // the first column that is not at its place; null: all are
};
Cached cached;
bool callbacks_registered;

// CREATE and DROP EXTENSION create and drop tables, and that is announced; pg_extension itself has no cache.
void ForgetOnRelation(Datum, Oid relation) {
  if (!cached.known) {
    return;
  }
  bool mine = relation == InvalidOid || !OidIsValid(cached.extension);
  for (int i = 0; i < kTableCount && !mine; ++i) {
    mine = !OidIsValid(cached.tables[i]) || cached.tables[i] == relation;
  }
  if (mine) {
    cached.known = false;
  }
}

void ForgetOnNamespace(Datum, int, uint32) { cached.known = false; }

const char* MissingColumn(Oid table, const Expected& expected) {
  for (int i = 0; expected.columns[i] != nullptr; ++i) {
    if (get_attnum(table, expected.columns[i]) != i + 1) {
      return expected.columns[i];
    }
  }
  return nullptr;
}

void Load() {
  if (cached.known) {
    return;
  }
  if (!callbacks_registered) {
    CacheRegisterRelcacheCallback(ForgetOnRelation, 0);
    CacheRegisterSyscacheCallback(NAMESPACEOID, ForgetOnNamespace, 0);
    callbacks_registered = true;
  }
  Cached fresh = {};
  Relation relation = table_open(ExtensionRelationId, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum("pg_tviews"));
  SysScanDesc scan = systable_beginscan(relation, ExtensionNameIndexId, true, nullptr, 1, &key);
  HeapTuple tuple = systable_getnext(scan);
  if (HeapTupleIsValid(tuple)) {
    const Form_pg_extension form = reinterpret_cast<Form_pg_extension>(GETSTRUCT(tuple));
    fresh.extension = form->oid;
    fresh.schema = form->extnamespace;
  }
  systable_endscan(scan);
  table_close(relation, AccessShareLock);
  if (OidIsValid(fresh.extension)) {
    char* name = get_namespace_name(fresh.schema);
    if (name == nullptr) {
      fresh.extension = InvalidOid;
    } else {
      strlcpy(fresh.quoted_schema, quote_identifier(name), sizeof(fresh.quoted_schema));
      for (int i = 0; i < kTableCount; ++i) {
        fresh.tables[i] = get_relname_relid(kTables[i].name, fresh.schema);
        fresh.missing[i] = OidIsValid(fresh.tables[i]) ? MissingColumn(fresh.tables[i], kTables[i]) : nullptr;
      }
    }
  }
  fresh.known = true;
  cached = fresh;
}

void Require() {
  Load();
  if (!OidIsValid(cached.extension)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("extension \"pg_tviews\" is not installed in this database"),
                    errhint("Run CREATE EXTENSION pg_tviews.")));
  }
}

}  // namespace

Oid ExtensionOid() {
  Load();
  return cached.extension;
}

const char* ExtensionSchema() {
  Require();
  return cached.quoted_schema;
}

Oid ExtensionSchemaOid() {
  Require();
  return cached.schema;
}

bool CatalogExists() {
  Load();
  bool all = OidIsValid(cached.extension);
  for (int i = 0; i < kTableCount && all; ++i) {
    all = OidIsValid(cached.tables[i]) && cached.missing[i] == nullptr && SearchSysCacheExists1(RELOID, ObjectIdGetDatum(cached.tables[i]));
  }
  return all;
}

Oid TableOid(Table table) {
  Require();
  const int number = static_cast<int>(table);
  if (!OidIsValid(cached.tables[number])) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table \"%s\" of extension \"pg_tviews\" is missing", kTables[number].name), errhint(kOtherVersion)));
  }
  if (cached.missing[number] != nullptr) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("extension \"pg_tviews\" in this database is of another version than its library"),
                    errdetail("Table \"%s\" has no column \"%s\" at the place where the library reads it.", kTables[number].name, cached.missing[number]),
                    errhint(kOtherVersion)));
  }
  return cached.tables[number];
}

}  // namespace tviews::pg
