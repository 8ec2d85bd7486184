// Running SQL of our own.
#include "catalog/internal_sql.h"
#include "pg/owner_context.h"
#include "pg/settings.h"

namespace tviews::catalog {
namespace {

void Pin(const char* name, const char* value) { set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, ERROR, false); }

void PinCallersSearchPath(const char* value) {
  set_config_option(pg::kCallersSearchPath, value, PGC_INTERNAL, PGC_S_SESSION, GUC_ACTION_SAVE, true, ERROR, false);
}

}  // namespace

const char* CallersSearchPath() { return pg::callers_search_path != nullptr && pg::callers_search_path[0] == '=' ? pg::callers_search_path + 1 : nullptr; }

void RestoreCallersSearchPath() {
  const char* path = pstrdup(CallersSearchPath());
  PinCallersSearchPath("");
  Pin("search_path", path);
}

SqlContext EnterSql(Oid user) {
  SqlContext context;
  context.outer = CurrentMemoryContext;
  GetUserIdAndSecContext(&context.saved_user, &context.saved_security);
  context.guc_level = NewGUCNestLevel();
  if (user != context.saved_user && !superuser_arg(context.saved_user)) {
    PinCallersSearchPath("-");  // what runs as another user finds no names of the caller's
  } else if (pg::callers_search_path[0] == '\0') {
    PinCallersSearchPath(psprintf("=%s", namespace_search_path));
  }
  Pin("search_path", "pg_catalog, pg_temp");
  if (SessionReplicationRole != SESSION_REPLICATION_ROLE_ORIGIN) {
    Pin("session_replication_role", "origin");  // the triggers on our own tables skip rows of a replica
  }
  if (user != context.saved_user) {
    SetUserIdAndSecContext(user, context.saved_security | SECURITY_LOCAL_USERID_CHANGE);
  }
  if (SPI_connect() != SPI_OK_CONNECT) {
    elog(ERROR, "SPI_connect failed");
  }
  return context;
}

void LeaveSql(const SqlContext& context) {
  if (SPI_finish() != SPI_OK_FINISH) {
    elog(ERROR, "SPI_finish failed");
  }
  SetUserIdAndSecContext(context.saved_user, context.saved_security);
  AtEOXact_GUC(true, context.guc_level);
}

Oid ExtensionOwner() { return pg::OwnerOf(pg::TableOid(pg::Table::kTview)); }

const char* QualifiedName(Oid relation) { return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), get_rel_name(relation)); }

Argument OidArgument(Oid value) { return {OIDOID, ObjectIdGetDatum(value), false}; }
Argument TextArgument(const char* value) { return {TEXTOID, value == nullptr ? Datum(0) : CStringGetTextDatum(value), value == nullptr}; }
Argument IntArgument(int32 value) { return {INT4OID, Int32GetDatum(value), false}; }
Argument CharArgument(char value) { return {CHAROID, CharGetDatum(value), false}; }
Argument BoolArgument(bool value) { return {BOOLOID, BoolGetDatum(value), false}; }
Argument ArrayArgument(ArrayType* value) { return {TEXTARRAYOID, PointerGetDatum(value), value == nullptr}; }
Argument JsonArgument(Datum value) { return {JSONBOID, value, false}; }

uint64 RunSql(const char* sql, std::initializer_list<Argument> arguments) {
  constexpr int kMost = 16;
  Oid types[kMost];
  Datum values[kMost];
  char nulls[kMost];
  int count = 0;
  for (const Argument& argument : arguments) {
    Assert(count < kMost);
    types[count] = argument.type;
    values[count] = argument.value;
    nulls[count++] = argument.is_null ? 'n' : ' ';
  }
  StringInfoData text;
  initStringInfo(&text);
  for (const char* at = sql; *at != '\0'; ++at) {
    if (at[0] == '%' && at[1] == 's') {
      appendStringInfoString(&text, pg::ExtensionSchema());
      ++at;
    } else {
      appendStringInfoChar(&text, *at);
    }
  }
  const int guc_level = NewGUCNestLevel();
  if (jit_enabled) {
    Pin("jit", "off");  // the planner takes recursive queries for expensive: compiling takes seconds
  }
  SPIPlanPtr plan = SPI_prepare(text.data, count, types);
  if (plan == nullptr) {
    elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
  }
  Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
  const int result = SPI_execute_snapshot(plan, values, nulls, snapshot, InvalidSnapshot, false, false, 0);
  UnregisterSnapshot(snapshot);
  AtEOXact_GUC(true, guc_level);
  if (result < 0) {
    elog(ERROR, "internal statement failed: %s", SPI_result_code_string(result));
  }
  return SPI_processed;
}

void RunUtility(const char* sql) {
  const int result = SPI_execute(sql, false, 0);
  if (result < 0) {
    elog(ERROR, "internal statement failed: %s", SPI_result_code_string(result));
  }
}

Datum ResultDatum(uint64 row, int column, bool* is_null) {
  return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, is_null);
}

List* ResultOids(uint64 rows, int column, const SqlContext& context) {
  MemoryContext saved = MemoryContextSwitchTo(context.outer);
  List* oids = NIL;
  for (uint64 i = 0; i < rows; ++i) {
    bool is_null;
    oids = lappend_oid(oids, DatumGetObjectId(ResultDatum(i, column, &is_null)));
  }
  MemoryContextSwitchTo(saved);
  return oids;
}

char* TypeText(Oid type, int32 typmod, Oid collation) {
  char* text = format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
  if (!OidIsValid(collation) || collation == get_typcollation(type)) {
    return text;
  }
  HeapTuple tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(collation));
  if (!HeapTupleIsValid(tuple)) {
    elog(ERROR, "cache lookup failed for collation %u", collation);
  }
  const Form_pg_collation form = reinterpret_cast<Form_pg_collation>(GETSTRUCT(tuple));
  text = psprintf("%s COLLATE %s", text, quote_qualified_identifier(get_namespace_name(form->collnamespace), NameStr(form->collname)));
  ReleaseSysCache(tuple);
  return text;
}

char* ColumnDefinition(Form_pg_attribute column) {
  return psprintf("%s %s", quote_identifier(NameStr(column->attname)), TypeText(column->atttypid, column->atttypmod, column->attcollation));
}

bool NamesContain(const List* names, const char* name) {
  const ListCell* cell;
  foreach (cell, names) {
    if (strcmp(static_cast<const char*>(lfirst(cell)), name) == 0) {
      return true;
    }
  }
  return false;
}

bool SameNames(const char* const* a, int a_count, const char* const* b, int b_count) {
  List* names = NIL;
  for (int i = 0; i < b_count; ++i) {
    names = lappend(names, const_cast<char*>(b[i]));
  }
  for (int i = 0; i < a_count; ++i) {
    if (!NamesContain(names, a[i])) {
      return false;
    }
  }
  return a_count == b_count;
}

ArrayType* TextArray(const char* const* texts, int count) {
  Datum* elements = static_cast<Datum*>(palloc(sizeof(Datum) * (count + 1)));
  for (int i = 0; i < count; ++i) {
    elements[i] = CStringGetTextDatum(texts[i]);
  }
  return construct_array(elements, count, TEXTOID, -1, false, TYPALIGN_INT);
}

}  // namespace tviews::catalog
