// TVIEWs that follow what became of the names they use.
#include "sql/follow.h"

#include "catalog/internal_sql.h"
#include "catalog/register.h"
#include "catalog/registration.h"
#include "refresh/subtransaction.h"

namespace tviews::sql {
namespace {

using catalog::EnterSql;
using catalog::ExtensionOwner;
using catalog::LeaveSql;
using catalog::OidArgument;
using catalog::RunSql;
using catalog::SqlContext;
using catalog::TextArgument;

struct Following {
  Oid tview;
  bool names_only;
};

void Follow(void* argument) {
  const Following* following = static_cast<Following*>(argument);
  if (following->names_only) {
    catalog::DeriveAgain(following->tview, true);
  } else {
    catalog::RegisterAgain(following->tview);
  }
}

// A name that is not there.  The view itself knows what it reads by OID: only texts can name it.
bool IsLostName(int code) {
  return code == ERRCODE_UNDEFINED_TABLE || code == ERRCODE_UNDEFINED_COLUMN || code == ERRCODE_UNDEFINED_FUNCTION || code == ERRCODE_UNDEFINED_SCHEMA ||
         code == ERRCODE_UNDEFINED_OBJECT || code == ERRCODE_WRONG_OBJECT_TYPE;
}

void Degrade(Oid tview, const ErrorData* error) {
  const char* name = get_rel_name(tview);
  ereport(WARNING, (errmsg("TVIEW \"%s\" is degraded: %s", name, error->message), error->context != nullptr ? errdetail_internal("%s", error->context) : 0,
                    errhint("Replace the function whose text has the old name.")));
  const SqlContext context = EnterSql(ExtensionOwner());
  RunSql("UPDATE %s.pg_tview_catalog SET entity = $2, state = CASE state WHEN 'p' THEN 'p' ELSE 'd' END WHERE tview = $1",
         {OidArgument(tview), TextArgument(catalog::EntityOf(name))});
  LeaveSql(context);
  CommandCounterIncrement();
  catalog::MarkForReconciliation(tview);
}

}  // namespace

void FollowAll(const List* tviews, bool names_only) {
  const ListCell* cell;
  foreach (cell, tviews) {
    Following following = {lfirst_oid(cell), names_only};
    ErrorData* error = nullptr;
    if (refresh::TryInSubtransaction(Follow, &following, &error)) {
      continue;
    }
    if (!IsLostName(error->sqlerrcode)) {
      ReThrowError(error);
    }
    Degrade(following.tview, error);
  }
}

void RenameInPoints(Oid relation, const char* old_name, const char* new_name) {
  const List* members = find_all_inheritors(relation, NoLock, nullptr);
  const SqlContext context = EnterSql(ExtensionOwner());
  const ListCell* cell;
  foreach (cell, members) {
    RunSql("UPDATE %s.pg_tview_capture_point SET columns = pg_catalog.array_replace(columns, $2, $3) WHERE relation = $1 AND $2 = ANY (columns)",
           {OidArgument(lfirst_oid(cell)), TextArgument(old_name), TextArgument(new_name)});
    RunSql("UPDATE %s.pg_tview_mapping SET used = pg_catalog.array_replace(used, $2, $3) "
           "WHERE $2 = ANY (used) AND point IN (SELECT point FROM %s.pg_tview_capture_point WHERE relation = $1)",
           {OidArgument(lfirst_oid(cell)), TextArgument(old_name), TextArgument(new_name)});
  }
  LeaveSql(context);
}

}  // namespace tviews::sql
