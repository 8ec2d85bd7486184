// AdoptTview: an existing table becomes a TVIEW; view, locks, columns, key index, lineage, registration, rows by difference; in that order.
#include "catalog/building.h"
#include "catalog/change.h"
#include "catalog/columns.h"
#include "catalog/graph.h"
#include "catalog/internal_sql.h"
#include "catalog/key_index.h"
#include "catalog/register.h"
#include "catalog/registration.h"
#include "catalog/repair.h"
#include "catalog/rows.h"
#include "catalog/triggers.h"
#include "pg/owner_context.h"

namespace tviews::catalog {
namespace {

[[noreturn]] void RefuseTable(const char* name, const char* why, const char* hint) {
  ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" cannot become a TVIEW", name), errdetail("%s", why), hint != nullptr ? errhint("%s", hint) : 0));
}

void CheckTable(Oid table, const char* name) {
  if (get_rel_name(table) == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table \"%s\" does not exist any more", name)));
  }
  const char kind = get_rel_relkind(table);
  if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE) {
    RefuseTable(name, "It is not a table.", kind == RELKIND_VIEW ? "pg_tviews_create() makes a TVIEW of a view." : nullptr);
  }
  if (IsCatalogRelationOid(table) || OidIsValid(getExtensionOfObject(RelationRelationId, table))) {
    RefuseTable(name, "It belongs to the system or to an extension.", nullptr);
  }
  if (get_rel_persistence(table) == RELPERSISTENCE_TEMP) {
    RefuseTable(name, "It is temporary.", "Use a permanent table.");
  }
  if (!pg_class_ownercheck(table, GetUserId())) {
    aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, name);
  }
  if (IsTviewTable(table)) {
    ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("table \"%s\" is a TVIEW already", name)));
  }
  const List* members = find_all_inheritors(table, NoLock, nullptr);
  const ListCell* cell;
  foreach (cell, members) {
    if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_FOREIGN_TABLE) {
      RefuseTable(name, psprintf("Partition \"%s\" is a foreign table.", get_rel_name(lfirst_oid(cell))), "Detach it.");
    }
  }
  if (get_rel_relispartition(table)) {
    RefuseTable(name, "It is a partition.", "Adopt the partitioned table.");
  }
  if (list_length(SelfAndAncestors(table)) > 1 || (kind == RELKIND_RELATION && has_subclass(table))) {
    RefuseTable(name, "It takes part in inheritance.", "Use a table of its own, or a partitioned one.");
  }
}

// These options describe a table that is to be made.
void CheckOptions(Datum json) {
  static const char* const kOfTables[] = {"fillfactor", "unlogged", "partition_by"};
  for (const char* name : kOfTables) {
    JsonbValue buffer;
    if (getKeyJsonValueFromContainer(&DatumGetJsonbP(json)->root, name, strlen(name), &buffer) != nullptr) {
      ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("option \"%s\" does not apply to an existing table", name), errhint("Use ALTER TABLE.")));
    }
  }
}

void CheckNotRead(const Building& building, const List* relations) {
  const ListCell* cell;
  foreach (cell, relations) {
    const List* members = CaptureMembers(lfirst_oid(cell));
    if (list_member_oid(members, building.table)) {
      ereport(ERROR, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION), errmsg("table \"%s\" is read by the query that it is to hold", building.definition->name)));
    }
  }
}

// TVIEWs that read it took it for a base table.
void TellReaders(Oid table) {
  const SqlContext context = EnterSql(ExtensionOwner());
  RunSql("UPDATE %s.pg_tview_relation SET is_tview = true WHERE relation = $1", {OidArgument(table)});
  LeaveSql(context);
  CommandCounterIncrement();
  RecomputeLevels();
  CommandCounterIncrement();
}

}  // namespace

const char* EntityOf(const char* table) { return strncmp(table, "tv_", 3) == 0 && table[3] != '\0' ? table + 3 : table; }

void EnsureKeyIndex(const Building& building) {
  AttrNumber* key = static_cast<AttrNumber*>(palloc(sizeof(AttrNumber) * building.key_count));
  for (int i = 0; i < building.key_count; ++i) {
    key[i] = get_attnum(building.table, building.key[i]);
  }
  if (OidIsValid(FindKeyAccess(building.table, key, building.key_count))) {
    return;
  }
  const char* columns = ColumnList(building.key, building.key_count);
  const char* sql = psprintf("CREATE %sINDEX ON %s (%s)", CanBeUnique(building.table, key, building.key_count) ? "UNIQUE " : "", building.qualified, columns);
  if (!building.definition->options.indexes) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("table \"%s\" has no index on the key (%s)", building.definition->name, columns),
                    errdetail("It must be unique where it can be, valid, not deferrable and not partial."), errhint("%s;", sql)));
  }
  const SqlContext context = EnterSql(building.user);
  RunUtility(sql);
  LeaveSql(context);
  ereport(NOTICE, (errmsg("made an index on the key of table \"%s\"", building.definition->name), errdetail("%s;", sql)));
}

Oid AdoptTview(Oid table, const NewTview& definition) {
  CheckSession();
  CheckOptions(definition.options.json);
  CheckTable(table, definition.name);  // before the lock, for a lock is a right
  LockRelationOid(table, ShareUpdateExclusiveLock);  // one adoption at a time; writers go on
  CheckTable(table, definition.name);
  Building building = {};
  building.definition = &definition;
  building.table = table;
  building.adopted = true;
  building.user = pg::OwnerOf(table);
  building.schema = get_namespace_name(get_rel_namespace(table));
  building.entity = EntityOf(definition.name);
  building.qualified = quote_qualified_identifier(building.schema, definition.name);
  CheckEntity(building.schema, building.entity);
  MakeView(&building);
  ChooseKey(&building);
  const List* relations = LockFor(building, table);
  CheckNotRead(building, relations);
  CheckOwnedColumns(building);
  EnsureKeyIndex(building);
  const lineage::Lineage lineage = DeriveFor(building);
  LockTview(table);
  Register(RegistrationOf(building, definition.options.background ? State::kBuilding : State::kFresh), relations, lineage);
  CommandCounterIncrement();
  TellReaders(table);
  if (definition.options.background) {
    MarkForReconciliation(table);
  } else {
    building.rows = static_cast<uint64>(RepairNow(table));
  }
  AuditMade("ADOPT", building);
  return table;
}

}  // namespace tviews::catalog
