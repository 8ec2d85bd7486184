// Running SQL of our own: as the extension's owner or as the user, with a safe search_path.
#pragma once

#include <initializer_list>

#include "pg/extension.h"
#include "pg/pg.h"

namespace tviews::catalog {

// What LeaveSql needs.  Trivially destructible: on error the (sub)transaction's abort restores user, settings and SPI.
struct SqlContext {
  Oid saved_user;
  int saved_security;
  int guc_level;
  MemoryContext outer;  // the caller's
};

// Connects to SPI as `user`, search_path pg_catalog, pg_temp.  Ereports.
SqlContext EnterSql(Oid user);
void LeaveSql(const SqlContext& context);

// Between EnterSql and LeaveSql: the search_path of who called, if he is the user now or a superuser.  Else null.
const char* CallersSearchPath();

// Sets it again, up to the end of the caller's GUC nest level, for code that is not ours.  Ereports.  REQUIRES: CallersSearchPath().
void RestoreCallersSearchPath();

// The owner of the extension's tables.
Oid ExtensionOwner();

// schema.name, quoted.
const char* QualifiedName(Oid relation);

struct Argument {
  Oid type;
  Datum value;
  bool is_null;
};
Argument OidArgument(Oid value);
Argument TextArgument(const char* value);  // null: NULL
Argument IntArgument(int32 value);
Argument CharArgument(char value);
Argument BoolArgument(bool value);
Argument ArrayArgument(ArrayType* value);  // text[]; null: NULL
Argument JsonArgument(Datum value);

// Runs one statement that is no utility command, with the latest snapshot even in REPEATABLE READ (the graph is not the user's
// data); `%s` in `sql` is the extension's schema.  Returns SPI_processed; rows are in SPI_tuptable.  REQUIRES: EnterSql.
uint64 RunSql(const char* sql, std::initializer_list<Argument> arguments);

// Runs a utility command.  REQUIRES: EnterSql.
void RunUtility(const char* sql);

// Column `column` of row `row` of SPI_tuptable.
Datum ResultDatum(uint64 row, int column, bool* is_null);

// Column `column` of all `rows` of them as a list of OIDs, which outlives `context`.
List* ResultOids(uint64 rows, int column, const SqlContext& context);

// A column definition: quoted name, type, collation when it is not the type's own; everything qualified.
char* ColumnDefinition(Form_pg_attribute column);

// Its last part: the type, and the collation when it is not the type's own.
char* TypeText(Oid type, int32 typmod, Oid collation);

// Lists of names (char*): is one there; are they the same, in whatever order.
bool NamesContain(const List* names, const char* name);
bool SameNames(const char* const* a, int a_count, const char* const* b, int b_count);

// A text[] of `count` strings.
ArrayType* TextArray(const char* const* texts, int count);

}  // namespace tviews::catalog
