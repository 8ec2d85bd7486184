// pg_tviews_register, pg_tviews_carried_definition, and what a restore sets going.
#include "sql/restored.h"

#include "catalog/internal_sql.h"
#include "catalog/register.h"
#include "catalog/registration.h"
#include "catalog/rows.h"
#include "catalog/triggers.h"
#include "refresh/subtransaction.h"
#include "sql/affected.h"

namespace tviews::sql {
namespace {

struct Attempt {
  Oid table;
  catalog::Carried carried;
  const char* missing;
};

void Register(void* argument) {
  Attempt* attempt = static_cast<Attempt*>(argument);
  attempt->missing = catalog::RegisterRestored(attempt->table, attempt->carried);
  if (attempt->missing != nullptr) {
    return;
  }
  const List* readers = TviewsOver(RelationRelationId, attempt->table, false);
  const ListCell* cell;
  foreach (cell, readers) {  // came back before it, and took it for a base table
    catalog::RegisterAgain(lfirst_oid(cell));
  }
}

// The definition would be lost with the trigger if this raised.
void TryToRegister(Oid table, const catalog::Carried& carried) {
  Attempt attempt = {table, carried, nullptr};
  ErrorData* error = nullptr;
  if (refresh::TryInSubtransaction(Register, &attempt, &error)) {
    if (attempt.missing != nullptr) {
      ereport(WARNING, (errmsg("table \"%s\" is not yet a TVIEW again: %s", get_rel_name(table), attempt.missing),
                        errhint("It becomes one when the view is created.  pg_tviews_unregistered lists such tables.")));
    }
    return;
  }
  if (refresh::Classify(error) != refresh::Failing::kRow) {
    ReThrowError(error);
  }
  ereport(WARNING, (errcode(error->sqlerrcode), errmsg("table \"%s\" is not a TVIEW again: %s", get_rel_name(table), error->message),
                    error->detail != nullptr ? errdetail_internal("%s", error->detail) : 0,
                    errhint("Put right what is said here and call pg_tviews_register().  pg_tviews_unregistered lists such tables.")));
}

}  // namespace

void AfterRestore(Oid relation) {
  catalog::Carried carried;
  if (catalog::IsTviewTable(relation) || !catalog::ReadCarried(relation, &carried)) {
    if (catalog::IsCaptured(relation)) {
      catalog::EnsureCaptureTriggers(relation);  // replaced by one that is not ALWAYS
    }
    return;
  }
  TryToRegister(relation, carried);
}

void AfterNewView(Oid view) {
  if (!OidIsValid(view)) {
    return;
  }
  // Not from pg_tviews_unregistered: scripts before 0.2.0 have not made it.
  const catalog::SqlContext context = catalog::EnterSql(catalog::ExtensionOwner());
  const uint64 rows = catalog::RunSql(
      "SELECT t.tgrelid FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid "
      "WHERE p.pronamespace = $1 AND p.proname = 'pg_tviews_capture' AND t.tgnargs >= 3 AND t.tgparentid = 0 "
      "AND NOT EXISTS (SELECT FROM %s.pg_tview_catalog c WHERE c.tview = t.tgrelid)",
      {catalog::OidArgument(pg::ExtensionSchemaOid())});
  const List* tables = catalog::ResultOids(rows, 1, context);
  catalog::LeaveSql(context);
  const ListCell* cell;
  foreach (cell, tables) {
    const Oid table = lfirst_oid(cell);
    catalog::Carried carried;
    if (pg_class_ownercheck(table, GetUserId()) && catalog::ReadCarried(table, &carried) && strcmp(carried.view, catalog::QualifiedName(view)) == 0) {
      TryToRegister(table, carried);
    }
  }
}

}  // namespace tviews::sql

extern "C" {
PG_FUNCTION_INFO_V1(pg_tviews_register);
PG_FUNCTION_INFO_V1(pg_tviews_carried_definition);

Datum pg_tviews_register(PG_FUNCTION_ARGS) {
  using namespace tviews;
  sql::Attempt attempt = {PG_GETARG_OID(0), {}, nullptr};
  const char* name = get_rel_name(attempt.table);
  if (name != nullptr && !pg_class_ownercheck(attempt.table, GetUserId())) {
    aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, name);
  }
  if (name != nullptr && catalog::IsTviewTable(attempt.table)) {
    PG_RETURN_BOOL(false);
  }
  if (name == nullptr || !catalog::ReadCarried(attempt.table, &attempt.carried)) {
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("relation \"%s\" carries no definition of a TVIEW", name != nullptr ? name : "?"),
                    errhint("pg_tviews_adopt() and pg_tviews_convert_existing_table() make an existing table a TVIEW.")));
  }
  sql::Register(&attempt);
  if (attempt.missing != nullptr) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("table \"%s\" cannot be registered as a TVIEW: %s", name, attempt.missing)));
  }
  PG_RETURN_BOOL(true);
}

Datum pg_tviews_carried_definition(PG_FUNCTION_ARGS) {
  using namespace tviews;
  const Oid table = PG_GETARG_OID(0);
  catalog::Carried carried;
  TupleDesc columns;
  if (get_call_result_type(fcinfo, nullptr, &columns) != TYPEFUNC_COMPOSITE) {
    elog(ERROR, "return type must be a row type");
  }
  if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table)) || !catalog::ReadCarried(table, &carried)) {
    PG_RETURN_NULL();
  }
  const char* missing = catalog::MissingFor(table, carried);
  Datum values[4] = {CStringGetTextDatum(carried.view), CStringGetTextDatum(carried.key), DirectFunctionCall1(jsonb_in, CStringGetDatum(carried.options)),
                     CStringGetTextDatum(missing != nullptr ? missing : "it could not be derived when it came back; pg_tviews_register() says why")};
  bool nulls[4] = {};
  PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls)));
}
}
