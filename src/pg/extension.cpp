// Where the extension lives in this database, cached until an invalidation says otherwise.
#include "pg/extension.h"

namespace tviews::pg {
namespace {

constexpr const char* kTableNames[] = {"pg_tview_catalog",   "pg_tview_relation",  "pg_tview_capture_point", "pg_tview_mapping",   "pg_tview_deferred", "pg_tview_timer",
                                       "pg_tview_audit",     "pg_tview_journal_0", "pg_tview_journal_1",     "pg_tview_journal_2", "pg_tview_journal_3"};
constexpr int kTableCount = sizeof(kTableNames) / sizeof(kTableNames[0]);

struct Cached {
  bool known;
  Oid extension, schema;
  char quoted_schema[2 * NAMEDATALEN + 3];
  Oid tables[kTableCount];
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
        fresh.tables[i] = get_relname_relid(kTableNames[i], fresh.schema);
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
    all = OidIsValid(cached.tables[i]) && SearchSysCacheExists1(RELOID, ObjectIdGetDatum(cached.tables[i]));
  }
  return all;
}

Oid TableOid(Table table) {
  Require();
  const Oid oid = cached.tables[static_cast<int>(table)];
  if (!OidIsValid(oid)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table \"%s\" of extension \"pg_tviews\" is missing", kTableNames[static_cast<int>(table)])));
  }
  return oid;
}

}  // namespace tviews::pg
