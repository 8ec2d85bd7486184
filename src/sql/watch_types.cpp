// DDL on types that TVIEWs see.
#include "sql/watch_types.h"

#include "catalog/change.h"
#include "catalog/internal_sql.h"
#include "catalog/registration.h"
#include "sql/affected.h"
#include "sql/follow.h"

namespace tviews::sql {

void AfterEnumChange(const AlterEnumStmt* statement) {
  const List* tviews = TviewsOverType(typenameTypeId(nullptr, makeTypeNameFromNameList(statement->typeName)));
  const ListCell* cell;
  foreach (cell, tviews) {
    catalog::MarkForReconciliation(lfirst_oid(cell));
  }
}

void AfterCompositeChange(const Watched& watched) {
  const Oid type = get_rel_type_id(watched.relation);
  const catalog::SqlContext context = catalog::EnterSql(catalog::ExtensionOwner());
  const uint64 rows = catalog::RunSql("SELECT oid FROM pg_class WHERE reloftype = $1", {catalog::OidArgument(type)});
  const List* typed = catalog::ResultOids(rows, 1, context);
  catalog::LeaveSql(context);
  const ListCell* cell;
  foreach (cell, typed) {
    if (watched.old_column != nullptr) {
      RenameInPoints(lfirst_oid(cell), watched.old_column, watched.new_column);
    }
    FollowAll(TviewsOver(RelationRelationId, lfirst_oid(cell), false), false);
  }
  FollowAll(TviewsOverType(type), false);
}

}  // namespace tviews::sql
