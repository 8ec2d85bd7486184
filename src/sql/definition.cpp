// pg_tviews_create, _adopt, _convert_existing_table, _drop, _resolve, _announce.
#include "bgw/launcher.h"
#include "catalog/graph.h"
#include "catalog/registration.h"
#include "catalog/rows.h"
#include "pg/extension.h"
#include "pg/primary.h"
#include "shmem/segment.h"
#include "sql/query.h"

namespace tviews::sql {
namespace {

// Splits "tv_post", "app.tv_post" and quoted forms; "post" alone means tv_post.
void SplitTviewName(const char* text, const char** schema, const char** name) {
  List* parts;
  if (!SplitIdentifierString(pstrdup(text), '.', &parts) || parts == NIL || list_length(parts) > 2) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("invalid TVIEW name \"%s\"", text), errhint("Write tv_post or app.tv_post, and a name with spaces or other special characters in double quotes: 'app.\"tv_my post\"'.")));
  }
  *schema = list_length(parts) == 2 ? static_cast<const char*>(linitial(parts)) : nullptr;
  *name = static_cast<const char*>(llast(parts));
  if (strncmp(*name, "tv_", 3) != 0) {
    *name = psprintf("tv_%s", *name);
    if (strlen(*name) >= NAMEDATALEN) {
      ereport(ERROR, (errcode(ERRCODE_NAME_TOO_LONG), errmsg("TVIEW name \"%s\" is too long", *name)));
    }
  }
}

void RequireDefinition(FunctionCallInfo fcinfo) {
  if (PG_ARGISNULL(0) || PG_ARGISNULL(1)) {
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the TVIEW and its query must not be null")));
  }
}

Datum NoOptions() { return DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")); }

Datum OptionsArgument(FunctionCallInfo fcinfo) { return PG_ARGISNULL(2) ? NoOptions() : PG_GETARG_DATUM(2); }

Oid Adopt(Oid table, const char* query, Datum options) {
  shmem::RequireAttached();
  catalog::NewTview definition = {};
  definition.name = get_rel_name(table);
  if (definition.name == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", table)));
  }
  definition.options = catalog::ParseOptions(options);
  definition.with_data = true;
  DefineByQuery(AnalyseSelect(query), &definition);
  return catalog::AdoptTview(table, definition);
}

// The table called "tv_post", "post", "app.tv_post" or a quoted form; tv_post before post.
Oid ExistingTable(const char* text) {
  const char *schema, *name;
  SplitTviewName(text, &schema, &name);
  const char* names[] = {name, name + 3};
  for (const char* candidate : names) {
    const Oid found = schema == nullptr ? RelnameGetRelid(candidate) : get_relname_relid(candidate, get_namespace_oid(schema, false));
    if (OidIsValid(found)) {
      return found;
    }
  }
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table \"%s\" does not exist", text), errhint("pg_tviews_create() makes a TVIEW of a query.")));
}

// The TVIEW that a definition names, in its schema or the first of search_path; InvalidOid when there is none.
Oid ExistingTview(const catalog::NewTview& definition, const char* text) {
  List* parts;
  const Oid schema = definition.schema != nullptr ? LookupExplicitNamespace(definition.schema, true) : RangeVarGetCreationNamespace(makeRangeVar(nullptr, pstrdup(definition.name), -1));
  SplitIdentifierString(pstrdup(text), '.', &parts);
  Oid table = OidIsValid(schema) ? get_relname_relid(static_cast<const char*>(llast(parts)), schema) : InvalidOid;  // it may have been renamed
  if (!OidIsValid(table) || !catalog::IsTviewTable(table)) {
    table = OidIsValid(schema) ? get_relname_relid(definition.name, schema) : InvalidOid;
  }
  return OidIsValid(table) && catalog::IsTviewTable(table) ? table : InvalidOid;
}

}  // namespace
}  // namespace tviews::sql

extern "C" {

PG_FUNCTION_INFO_V1(pg_tviews_create);
Datum pg_tviews_create(PG_FUNCTION_ARGS) {
  using namespace tviews;
  pg::RequireWritable("pg_tviews_create()");
  shmem::RequireAttached();
  sql::RequireDefinition(fcinfo);
  catalog::NewTview definition = {};
  sql::SplitTviewName(text_to_cstring(PG_GETARG_TEXT_PP(0)), &definition.schema, &definition.name);
  definition.options = catalog::ParseOptions(sql::OptionsArgument(fcinfo));
  definition.with_data = true;
  sql::DefineByQuery(sql::AnalyseSelect(text_to_cstring(PG_GETARG_TEXT_PP(1))), &definition);
  PG_RETURN_OID(catalog::CreateTview(definition, nullptr));
}

PG_FUNCTION_INFO_V1(pg_tviews_adopt);
Datum pg_tviews_adopt(PG_FUNCTION_ARGS) {
  using namespace tviews;
  pg::RequireWritable("pg_tviews_adopt()");
  sql::RequireDefinition(fcinfo);
  PG_RETURN_OID(sql::Adopt(PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(1)), sql::OptionsArgument(fcinfo)));
}

PG_FUNCTION_INFO_V1(pg_tviews_convert_existing_table);
Datum pg_tviews_convert_existing_table(PG_FUNCTION_ARGS) {
  using namespace tviews;
  pg::RequireWritable("pg_tviews_convert_existing_table()");
  const Oid table = sql::ExistingTable(text_to_cstring(PG_GETARG_TEXT_PP(0)));
  const Oid schema = get_rel_namespace(table);
  const char* view = psprintf("v_%s", catalog::EntityOf(get_rel_name(table)));
  const char* qualified = quote_qualified_identifier(get_namespace_name(schema), view);
  if (get_rel_relkind(get_relname_relid(view, schema)) != RELKIND_VIEW) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("view %s does not exist", qualified), errdetail("It would be the definition of TVIEW \"%s\".", get_rel_name(table)),
                    errhint("Create it, or give the query to pg_tviews_adopt().")));
  }
  PG_RETURN_OID(sql::Adopt(table, psprintf("SELECT * FROM %s", qualified), sql::NoOptions()));
}

PG_FUNCTION_INFO_V1(pg_tviews_create_or_replace);
Datum pg_tviews_create_or_replace(PG_FUNCTION_ARGS) {
  using namespace tviews;
  pg::RequireWritable("pg_tviews_create_or_replace()");
  shmem::RequireAttached();
  sql::RequireDefinition(fcinfo);
  const char* name = text_to_cstring(PG_GETARG_TEXT_PP(0));
  catalog::NewTview definition = {};
  sql::SplitTviewName(name, &definition.schema, &definition.name);
  definition.options = catalog::ParseOptions(sql::OptionsArgument(fcinfo));
  definition.with_data = true;
  const Oid existing = sql::ExistingTview(definition, name);
  Query* query = sql::AnalyseSelect(text_to_cstring(PG_GETARG_TEXT_PP(1)));
  if (!OidIsValid(existing)) {
    sql::DefineByQuery(query, &definition);
    PG_RETURN_OID(catalog::CreateTview(definition, nullptr));
  }
  definition.name = get_rel_name(existing);
  if (!OidIsValid(sql::AdoptedView(query))) {
    query = sql::KeepPlaces(query, catalog::OwnedColumns(existing));
  }
  sql::DefineByQuery(query, &definition);
  PG_RETURN_OID(catalog::ReplaceTview(existing, query, definition));
}

PG_FUNCTION_INFO_V1(pg_tviews_drop);
Datum pg_tviews_drop(PG_FUNCTION_ARGS) {
  using namespace tviews;
  pg::RequireWritable("pg_tviews_drop()");
  const char* name = text_to_cstring(PG_GETARG_TEXT_PP(0));
  const Oid table = catalog::TryResolveTview(name);
  if (!OidIsValid(table) && PG_GETARG_BOOL(1)) {
    ereport(NOTICE, (errmsg("TVIEW \"%s\" does not exist, skipping", name)));
    PG_RETURN_VOID();
  }
  catalog::DropTview(OidIsValid(table) ? table : catalog::ResolveTview(name), PG_GETARG_BOOL(2));
  PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(pg_tviews_resolve);
Datum pg_tviews_resolve(PG_FUNCTION_ARGS) { PG_RETURN_OID(tviews::catalog::ResolveTview(text_to_cstring(PG_GETARG_TEXT_PP(0)))); }

// The last statement of the install script.
PG_FUNCTION_INFO_V1(pg_tviews_announce);
Datum pg_tviews_announce(PG_FUNCTION_ARGS) {
  tviews::shmem::RequireAttached();
  if (!superuser()) {
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("must be superuser to announce the extension")));
  }
  tviews::bgw::AnnounceAtCommit();
  PG_RETURN_VOID();
}

}
