// CreateTview: view, locks, table, lineage, first rows, indexes, triggers, catalog rows, dependencies; in that order.
#include "catalog/building.h"
#include "catalog/internal_sql.h"
#include "catalog/register.h"
#include "catalog/registration.h"
#include "catalog/rows.h"

namespace tviews::catalog {
namespace {

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
  const Oid existing = get_relname_relid(definition.name, oid);
  if (OidIsValid(existing)) {
    const char kind = get_rel_relkind(existing);
    const char* hint = IsTviewTable(existing)                                          ? "pg_tviews_create_or_replace() redefines a TVIEW."
                       : kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE ? "pg_tviews_adopt() makes an existing table a TVIEW."
                                                                                       : nullptr;
    ereport(ERROR, (errcode(ERRCODE_DUPLICATE_TABLE), errmsg("relation \"%s\" already exists", definition.name), hint != nullptr ? errhint("%s", hint) : 0));
  }
  return get_namespace_name(oid);
}

}  // namespace

Oid CreateTview(const NewTview& definition, uint64* rows) {
  CheckSession();
  Building building = {};
  building.definition = &definition;
  building.user = GetUserId();
  building.entity = CheckName(definition.name);
  building.schema = CheckSchema(definition);
  building.qualified = quote_qualified_identifier(building.schema, definition.name);
  CheckEntity(building.schema, building.entity);
  MakeView(&building);
  ChooseKey(&building);
  const List* relations = LockFor(building, InvalidOid);
  MakeTable(&building);
  RequireThere(building, building.view);
  RequireThere(building, building.table);
  const lineage::Lineage lineage = DeriveFor(building);
  FillAndIndex(&building);
  RequireThere(building, building.table);
  LockTview(building.table);
  const bool filled = definition.with_data && !definition.options.background;
  Register(RegistrationOf(building, filled ? State::kFresh : State::kBuilding), relations, lineage);
  if (!filled) {
    MarkForReconciliation(building.table);
  }
  AuditMade("CREATE", building);
  if (rows != nullptr) {
    *rows = building.rows;
  }
  return building.table;
}

}  // namespace tviews::catalog
