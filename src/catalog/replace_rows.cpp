// The rows of a TVIEW that is redefined.
#include "catalog/replace_rows.h"

#include "catalog/internal_sql.h"
#include "catalog/rows.h"
#include "pg/owner_context.h"

namespace tviews::catalog {
namespace {

// Is every row of the view told apart by these columns, without a NULL?
bool IsKeyOfView(const Building& building, const char* const* key, int count) {
  StringInfoData nulls;
  initStringInfo(&nulls);
  for (int i = 0; i < count; ++i) {
    appendStringInfo(&nulls, "%s%s IS NULL", i > 0 ? " OR " : "", quote_identifier(key[i]));
  }
  const char* columns = ColumnList(key, count);
  const char* sql = psprintf("SELECT FROM %s GROUP BY %s HAVING pg_catalog.count(*) > 1 OR %s LIMIT 1", building.qualified_view, columns, nulls.data);
  const Oid owner = pg::OwnerOf(building.table);
  const SqlContext context = EnterSql(owner);
  const pg::OwnerContext as_owner = pg::EnterOwner(owner, building.definition->options.settings);
  if (SPI_execute(sql, true, 1) != SPI_OK_SELECT) {
    elog(ERROR, "looking for the old key of TVIEW \"%s\" failed", building.entity);
  }
  const bool unique = SPI_processed == 0;
  pg::LeaveOwner(as_owner);
  LeaveSql(context);
  return unique;
}

// A column of the user's with values of its own; null when there is none.
const char* UsersColumn(const Building& building, const Registered& before) {
  const List* owned = NIL;
  int count;
  char** names = ArrayTexts(before.columns, &count);
  for (int i = 0; i < count; ++i) {
    owned = lappend(const_cast<List*>(owned), names[i]);
  }
  Relation table = relation_open(building.table, AccessShareLock);
  const TupleDesc columns = RelationGetDescr(table);
  const char* found = nullptr;
  for (int i = 0; i < columns->natts && found == nullptr; ++i) {
    const Form_pg_attribute column = TupleDescAttr(columns, i);
    if (!column->attisdropped && column->attgenerated == '\0' && (before.adopted || !NamesContain(owned, NameStr(column->attname))) && get_attnum(building.view, NameStr(column->attname)) <= 0) {
      found = pstrdup(NameStr(column->attname));
    }
  }
  relation_close(table, NoLock);
  return found;
}

// Names the constraint if the primary key's columns are exactly those; null when not.
const char* PrimaryKeyOver(Oid table, char** key, int key_count) {
  Oid constraint;
  Bitmapset* wanted = nullptr;
  for (int i = 0; i < key_count; ++i) {
    wanted = bms_add_member(wanted, get_attnum(table, key[i]) - FirstLowInvalidHeapAttributeNumber);
  }
  const Bitmapset* primary = get_primary_key_attnos(table, true, &constraint);
  return OidIsValid(constraint) && bms_equal(primary, wanted) ? get_constraint_name(constraint) : nullptr;
}

void HintReferences(void*) {
  if (geterrcode() == ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST) {
    errhint("Drop the foreign keys that refer to the old key first, or keep the key.");
  }
}

}  // namespace

RowMatch MatchRows(const Building& building, const Registered& before, const Reshaping& reshaping) {
  if (building.definition->options.background) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("the key of TVIEW \"%s\" cannot be changed in the background", building.entity),
                    errhint("Leave the option \"build\" out, or keep the key.")));
  }
  bool there = true;
  for (int i = 0; i < before.key_count; ++i) {
    there = there && get_attnum(building.view, before.key[i]) > 0;
    const ListCell* cell;
    foreach (cell, reshaping.retyped) {
      there = there && strcmp(static_cast<const Column*>(lfirst(cell))->name, before.key[i]) != 0;
    }
  }
  if (there && IsKeyOfView(building, before.key, before.key_count)) {
    return RowMatch::kByOldKey;
  }
  const char* users = UsersColumn(building, before);
  if (users != nullptr) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("the rows of TVIEW \"%s\" cannot be matched with those of the new query", building.entity),
                    errdetail("The old key (%s) does not tell the new rows apart, and the values in your column \"%s\" would be lost.", ColumnList(before.key, before.key_count), users),
                    errhint("Keep the old key unique in the query, or drop the column first.")));
  }
  return RowMatch::kNone;
}

void DropOldKey(const Building& building, const Registered& before) {
  const char* constraint = building.adopted ? nullptr : PrimaryKeyOver(building.table, before.key, before.key_count);
  if (constraint == nullptr) {
    return;
  }
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfo(&sql, "ALTER TABLE %s DROP CONSTRAINT %s", building.qualified, quote_identifier(constraint));
  for (int i = 0; i < before.key_count; ++i) {
    const char* name = before.key[i];
    if (!IsKey(building, name)) {
      appendStringInfo(&sql, ", ALTER COLUMN %s DROP NOT NULL", quote_identifier(name));
    }
  }
  ErrorContextCallback callback = {error_context_stack, HintReferences, nullptr};
  error_context_stack = &callback;
  const SqlContext context = EnterSql(pg::OwnerOf(building.table));
  RunUtility(sql.data);
  LeaveSql(context);
  error_context_stack = callback.previous;
  CommandCounterIncrement();
}

void ClearForNewKey(const Building& building, const Registered& before) {
  const Oid owner = pg::OwnerOf(building.table);
  const SqlContext context = EnterSql(owner);
  const pg::OwnerContext as_owner = pg::EnterOwner(owner, building.definition->options.settings);
  if (SPI_execute(psprintf("DELETE FROM %s", building.qualified), false, 0) != SPI_OK_DELETE) {
    elog(ERROR, "emptying TVIEW \"%s\" failed", building.entity);
  }
  pg::LeaveOwner(as_owner);
  LeaveSql(context);
  CommandCounterIncrement();
  DropOldKey(building, before);
}

void ForgetDeferredRows(Oid table) {
  const SqlContext context = EnterSql(ExtensionOwner());
  RunSql("DELETE FROM %s.pg_tview_deferred WHERE tview = $1", {OidArgument(table)});
  LeaveSql(context);
}

}  // namespace tviews::catalog
