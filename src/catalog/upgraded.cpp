// After pg_upgrade: the tables came over as they were, the dependencies did not.
#include "catalog/internal_sql.h"
#include "catalog/register.h"
#include "catalog/registration.h"
#include "refresh/subtransaction.h"

namespace tviews::catalog {
namespace {

struct Again {
  Oid table, view;
};

void DependAgain(const Again* again) {
  const ObjectAddress table = {RelationRelationId, again->table, 0}, view = {RelationRelationId, again->view, 0};
  recordDependencyOn(&table, &view, DEPENDENCY_NORMAL);
}

void Derive(void* argument) {
  const Again* again = static_cast<Again*>(argument);
  DependAgain(again);
  RegisterAgain(again->table);
}

}  // namespace

void RegisterUpgraded() {
  SqlContext context = EnterSql(ExtensionOwner());
  const uint64 rows = RunSql(
      "SELECT c.tview, c.view FROM %s.pg_tview_catalog c "
      "JOIN pg_catalog.pg_class t ON t.oid = c.tview JOIN pg_catalog.pg_class v ON v.oid = c.view AND v.relkind = 'v' "
      "WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.tview "
      "AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = c.view) ORDER BY c.level, c.tview",
      {});
  const List* tables = ResultOids(rows, 1, context);
  const List* views = ResultOids(rows, 2, context);
  LeaveSql(context);
  for (int i = 0; i < list_length(tables); ++i) {
    Again again = {list_nth_oid(tables, i), list_nth_oid(views, i)};
    ErrorData* error = nullptr;
    if (refresh::TryInSubtransaction(Derive, &again, &error)) {
      continue;
    }
    if (refresh::Classify(error) != refresh::Failing::kRow) {
      ReThrowError(error);
    }
    ereport(LOG, (errmsg("pg_tviews: lineage of TVIEW \"%s\" cannot be derived in this server: %s", get_rel_name(again.table), error->message)));
    DependAgain(&again);
    MarkForReconciliation(again.table);
  }
}

}  // namespace tviews::catalog
