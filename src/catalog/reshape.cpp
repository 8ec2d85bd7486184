// The columns of a TVIEW's table brought in line with those of its view.
#include "catalog/reshape.h"

#include "catalog/internal_sql.h"
#include "catalog/rows.h"
#include "pg/owner_context.h"

namespace tviews::catalog {
namespace {

bool SameType(const Column& a, const Column& b) { return a.type == b.type && a.typmod == b.typmod && a.collation == b.collation; }

const char* TypeOf(const Column& column) { return format_type_with_typemod(column.type, column.typmod); }

// The view gets a column that the table has already, as the user's own.
void CheckTaken(Oid table, const Column& have, const Column& want) {
  HeapTuple tuple = SearchSysCacheAttName(table, have.name);
  const Form_pg_attribute attribute = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple));
  const bool written = attribute->attgenerated == '\0' && attribute->attidentity != ATTRIBUTE_IDENTITY_ALWAYS;
  ReleaseSysCache(tuple);
  if (!SameType(have, want)) {
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("column \"%s\" of table \"%s\" is yours and has type %s, but type %s in the query", have.name, get_rel_name(table), TypeOf(have), TypeOf(want)),
                    errhint("Rename or drop your column, or give the query's column another name or this type.")));
  }
  if (!written) {
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("column \"%s\" of table \"%s\" is yours and is generated", have.name, get_rel_name(table)),
                    errhint("Rename or drop your column, or give the query's column another name.")));
  }
}

void CheckCast(Oid table, const Column& have, const Column& want) {
  Oid function;
  if (find_coercion_pathway(want.type, have.type, COERCION_ASSIGNMENT, &function) == COERCION_PATH_NONE) {
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("column \"%s\" of TVIEW \"%s\" cannot be changed from type %s to %s", have.name, get_rel_name(table), TypeOf(have), TypeOf(want)),
                    errhint("Give the column another name in the query, or redefine the TVIEW without it first.")));
  }
}

// What of the user's depends on a column: all but its default and a plain index on it alone, such as pg_tviews makes.
const char* Dependants(Oid table, AttrNumber column) {
  const SqlContext context = EnterSql(ExtensionOwner());
  RunSql(
      "SELECT string_agg(DISTINCT CASE WHEN d.classid = 'pg_rewrite'::regclass"
      "  THEN (SELECT CASE c.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || c.oid::regclass FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class WHERE w.oid = d.objid)"
      "  ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END, ', ') "
      "FROM pg_depend d WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.refobjsubid = $2 "
      "AND NOT (d.classid = 'pg_attrdef'::regclass AND EXISTS (SELECT FROM pg_attrdef a WHERE a.oid = d.objid AND a.adrelid = $1 AND a.adnum = $2)) "
      "AND NOT (d.classid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam JOIN pg_attribute a ON a.attrelid = $1 AND a.attnum = $2 "
      "  WHERE i.indexrelid = d.objid AND i.indnatts = 1 AND i.indexprs IS NULL AND i.indpred IS NULL AND m.amname = 'btree' AND (a.attname = 'id' OR NOT i.indisunique AND (starts_with(a.attname, 'fk_') OR starts_with(c.relname, (SELECT relname FROM pg_class WHERE oid = $1) || '_' || a.attname || '_idx')))))",
      {OidArgument(table), IntArgument(column)});
  bool is_null;
  const Datum found = ResultDatum(0, 1, &is_null);
  const char* names = is_null ? nullptr : MemoryContextStrdup(context.outer, TextDatumGetCString(found));
  LeaveSql(context);
  return names;
}

void CheckDropped(Oid table, const char* column) {
  const char* dependants = Dependants(table, get_attnum(table, column));
  if (dependants != nullptr) {
    ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST), errmsg("column \"%s\" of TVIEW \"%s\" is used and cannot go", column, get_rel_name(table)),
                    errdetail("It is used by %s.", dependants), errhint("Drop or change %s first, or keep the column in the query.", dependants)));
  }
}

// The server names what uses a column whose type is to change, and says no more.
void HintUsed(void*) {
  if (geterrcode() == ERRCODE_FEATURE_NOT_SUPPORTED) {
    errhint("Drop or change what uses the column first, or keep its type in the query.");
  }
}

}  // namespace

Columns ColumnsOf(Oid relation) {
  Relation opened = relation_open(relation, AccessShareLock);
  const TupleDesc descriptor = RelationGetDescr(opened);
  Columns columns = {0, static_cast<Column*>(palloc(sizeof(Column) * (descriptor->natts + 1)))};
  for (int i = 0; i < descriptor->natts; ++i) {
    const Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
    if (!attribute->attisdropped) {
      columns.items[columns.count++] = {pstrdup(NameStr(attribute->attname)), attribute->atttypid, attribute->atttypmod, attribute->attcollation};
    }
  }
  relation_close(opened, NoLock);
  return columns;
}

Columns ColumnsOfQuery(const Query* query) {
  Columns columns = {0, static_cast<Column*>(palloc(sizeof(Column) * (list_length(query->targetList) + 1)))};
  const ListCell* cell;
  foreach (cell, query->targetList) {
    const TargetEntry* target = lfirst_node(TargetEntry, cell);
    if (!target->resjunk) {
      const Node* value = reinterpret_cast<const Node*>(target->expr);
      columns.items[columns.count++] = {target->resname, exprType(value), exprTypmod(value), exprCollation(value)};
    }
  }
  return columns;
}

const Column* FindColumn(const Columns& columns, const char* name) {
  for (int i = 0; i < columns.count; ++i) {
    if (strcmp(columns.items[i].name, name) == 0) {
      return &columns.items[i];
    }
  }
  return nullptr;
}

Reshaping PlanReshaping(Oid table, bool adopted, ArrayType* owned, bool retype, const Columns& after) {
  Reshaping reshaping = {};
  const Columns stored = ColumnsOf(table);
  int owned_count;
  char** owned_names = ArrayTexts(owned, &owned_count);
  List* names = NIL;
  for (int i = 0; i < owned_count; ++i) {
    names = lappend(names, owned_names[i]);
  }
  for (int i = 0; i < after.count; ++i) {
    Column* want = &after.items[i];
    const Column* have = FindColumn(stored, want->name);
    if (have == nullptr) {
      reshaping.added = lappend(reshaping.added, want);
    } else if (!NamesContain(names, want->name)) {
      CheckTaken(table, *have, *want);
      reshaping.taken = lappend(reshaping.taken, pstrdup(want->name));
    } else if (retype && !adopted && !SameType(*have, *want)) {
      CheckCast(table, *have, *want);
      reshaping.retyped = lappend(reshaping.retyped, want);
    }
  }
  for (int i = 0; i < owned_count; ++i) {
    if (FindColumn(after, owned_names[i]) == nullptr && FindColumn(stored, owned_names[i]) != nullptr) {
      List** what = adopted ? &reshaping.released : &reshaping.dropped;
      *what = lappend(*what, owned_names[i]);
    }
  }
  return reshaping;
}

bool NeedsAlter(const Reshaping& reshaping) { return reshaping.added != NIL || reshaping.retyped != NIL || reshaping.dropped != NIL; }

void Reshape(Oid table, const Reshaping& reshaping) {
  StringInfoData sql;
  initStringInfo(&sql);
  const ListCell* cell;
  foreach (cell, reshaping.taken) {
    ereport(NOTICE, (errmsg("column \"%s\" of table \"%s\" was yours and is written by pg_tviews from now on", static_cast<const char*>(lfirst(cell)), get_rel_name(table))));
  }
  foreach (cell, reshaping.released) {
    ereport(NOTICE, (errmsg("column \"%s\" of table \"%s\" is yours again", static_cast<const char*>(lfirst(cell)), get_rel_name(table))));
  }
  foreach (cell, reshaping.dropped) {
    CheckDropped(table, static_cast<const char*>(lfirst(cell)));
    appendStringInfo(&sql, "%s DROP COLUMN %s", sql.len > 0 ? "," : "", quote_identifier(static_cast<const char*>(lfirst(cell))));
  }
  foreach (cell, reshaping.retyped) {
    const Column* column = static_cast<const Column*>(lfirst(cell));
    const char* name = quote_identifier(column->name);
    appendStringInfo(&sql, "%s ALTER COLUMN %s TYPE %s", sql.len > 0 ? "," : "", name, TypeText(column->type, column->typmod, column->collation));
  }
  foreach (cell, reshaping.added) {
    const Column* column = static_cast<const Column*>(lfirst(cell));
    appendStringInfo(&sql, "%s ADD COLUMN %s %s", sql.len > 0 ? "," : "", quote_identifier(column->name), TypeText(column->type, column->typmod, column->collation));
  }
  if (sql.len == 0) {
    return;
  }
  ErrorContextCallback callback = {error_context_stack, HintUsed, nullptr};
  error_context_stack = &callback;
  const SqlContext context = EnterSql(pg::OwnerOf(table));
  RunUtility(psprintf("ALTER TABLE %s%s", QualifiedName(table), sql.data));
  LeaveSql(context);
  error_context_stack = callback.previous;
  CommandCounterIncrement();
}

}  // namespace tviews::catalog
