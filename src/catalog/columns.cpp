// The columns of an adopted table.
#include "catalog/columns.h"

namespace tviews::catalog {
namespace {

const char* TypeText(Oid relation, AttrNumber column) {
  Oid type, collation;
  int32 typmod;
  get_atttypetypmodcoll(relation, column, &type, &typmod, &collation);
  return format_type_with_typemod(type, typmod);
}

bool IsOwned(const Building& building, const char* name) {
  for (int i = 0; i < building.column_count; ++i) {
    if (strcmp(building.columns[i], name) == 0) {
      return true;
    }
  }
  return false;
}

// All that are missing in one statement.
void RequireColumns(const Building& building) {
  StringInfoData missing, sql;
  initStringInfo(&missing);
  initStringInfo(&sql);
  for (int i = 0; i < building.column_count; ++i) {
    const char* name = building.columns[i];
    if (get_attnum(building.table, name) <= 0) {
      appendStringInfo(&missing, "%s\"%s\"", missing.len > 0 ? ", " : "", name);
      appendStringInfo(&sql, "%s ADD COLUMN %s %s", sql.len > 0 ? "," : "", quote_identifier(name), TypeText(building.view, get_attnum(building.view, name)));
    }
  }
  if (missing.len > 0) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("table \"%s\" lacks columns of the query", building.definition->name),
                    errdetail("Missing: %s.", missing.data), errhint("ALTER TABLE %s%s;", building.qualified, sql.data)));
  }
}

void CheckOwned(const Building& building, AttrNumber in_view, Form_pg_attribute column) {
  const char* name = NameStr(column->attname);
  const char* table = building.definition->name;
  if (column->attgenerated != '\0' || column->attidentity == ATTRIBUTE_IDENTITY_ALWAYS) {
    ereport(ERROR, (errcode(ERRCODE_GENERATED_ALWAYS), errmsg("column \"%s\" of table \"%s\" cannot be written: it is %s", name, table, column->attgenerated != '\0' ? "generated" : "an identity column"),
                    errhint("Leave it out of the query, or make it an ordinary column.")));
  }
  Oid have, collation;
  int32 typmod;
  get_atttypetypmodcoll(building.view, in_view, &have, &typmod, &collation);
  const bool key = IsKey(building, name);
  if (!TypeFits(have, column->atttypid, true) || (key && getBaseType(have) != getBaseType(column->atttypid))) {
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("column \"%s\" has type %s in table \"%s\" but type %s in the query", name, TypeText(building.table, column->attnum), table, TypeText(building.view, in_view)),
                    key ? errdetail("It is part of the key.") : 0, errhint("Cast it in the query, or change the column's type.")));
  }
  if (key && collation != column->attcollation) {
    ereport(ERROR, (errcode(ERRCODE_COLLATION_MISMATCH), errmsg("key column \"%s\" has another collation in table \"%s\" than in the query", name, table),
                    errhint("Add COLLATE in the query, or change the column's collation.")));
  }
}

// New rows leave it out.
void CheckUsers(const Building& building, Form_pg_attribute column) {
  if (column->attnotnull && !column->atthasdef && column->attidentity == '\0' && get_typdefault(column->atttypid) == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_TABLE_DEFINITION),
                    errmsg("column \"%s\" of table \"%s\" is not in the query, not null, and has no default", NameStr(column->attname), building.definition->name),
                    errdetail("pg_tviews could not insert rows."), errhint("Give it a default, drop NOT NULL, or select it in the query.")));
  }
}

}  // namespace

bool TypeFits(Oid have, Oid want, bool adopted) { return have == want || (adopted && can_coerce_type(1, &have, &want, COERCION_ASSIGNMENT)); }

void CheckOwnedColumns(const Building& building) {
  RequireColumns(building);
  Relation table = relation_open(building.table, AccessShareLock);
  for (int i = 0; i < RelationGetDescr(table)->natts; ++i) {
    const Form_pg_attribute column = TupleDescAttr(RelationGetDescr(table), i);
    if (column->attisdropped) {
      continue;
    }
    if (IsOwned(building, NameStr(column->attname))) {
      CheckOwned(building, get_attnum(building.view, NameStr(column->attname)), column);
    } else {
      CheckUsers(building, column);
    }
  }
  relation_close(table, NoLock);
}

}  // namespace tviews::catalog
