// CREATE TABLE tv_x AS SELECT, from parse nodes.
#include "sql/create_table_as.h"

#include "catalog/registration.h"
#include "pg/extension.h"
#include "pg/settings.h"
#include "sql/query.h"

namespace tviews::sql {
namespace {

// The analysed SELECT, also behind EXECUTE; null when there is none (the server says what is wrong).
Query* SelectOf(CreateTableAsStmt* statement) {
  Query* query = castNode(Query, statement->query);
  if (query->commandType == CMD_SELECT) {
    return static_cast<Query*>(copyObjectImpl(query));
  }
  if (query->commandType != CMD_UTILITY || !IsA(query->utilityStmt, ExecuteStmt)) {
    return nullptr;
  }
  const ExecuteStmt* execute = reinterpret_cast<ExecuteStmt*>(query->utilityStmt);
  const PreparedStatement* prepared = FetchPreparedStatement(execute->name, false);
  CachedPlanSource* source = prepared->plansource;
  if (source->num_params > 0) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_PARAMETER), errmsg("the query of a TVIEW cannot contain parameters"),
                    errdetail("Prepared statement \"%s\" has parameters.", execute->name), errhint("Write the values into the query.")));
  }
  if (source->raw_parse_tree == nullptr || !IsA(source->raw_parse_tree->stmt, SelectStmt)) {
    return nullptr;
  }
  // Its own query list is rewritten: views are expanded there.
  return parse_analyze_fixedparams(static_cast<RawStmt*>(copyObjectImpl(source->raw_parse_tree)), source->query_string, nullptr, 0, nullptr);
}

bool HasColumn(const Query* query, const List* names, const char* wanted) {
  const ListCell* cell;
  int position = 0;
  foreach (cell, query->targetList) {
    const TargetEntry* target = lfirst_node(TargetEntry, cell);
    if (target->resjunk) {
      continue;
    }
    const char* name = position < list_length(names) ? strVal(list_nth(names, position)) : target->resname;
    if (name != nullptr && strcmp(name, wanted) == 0) {
      return true;
    }
    ++position;
  }
  return false;
}

// The text inside WITH (...).
const char* StorageText(List* options) {
  StringInfoData text;
  initStringInfo(&text);
  ListCell* cell;
  foreach (cell, options) {
    DefElem* option = lfirst_node(DefElem, cell);
    if (text.len > 0) {
      appendStringInfoString(&text, ", ");
    }
    if (option->defnamespace != nullptr) {
      appendStringInfo(&text, "%s.", quote_identifier(option->defnamespace));
    }
    appendStringInfoString(&text, quote_identifier(option->defname));
    if (option->arg != nullptr) {
      appendStringInfo(&text, " = %s", quote_literal_cstr(defGetString(option)));
    }
  }
  return text.data;
}

}  // namespace

bool CreateTviewAs(CreateTableAsStmt* statement, QueryCompletion* completion) {
  IntoClause* into = statement->into;
  if (statement->objtype != OBJECT_TABLE || !pg::intercept_create_table_as || into->rel->relpersistence == RELPERSISTENCE_TEMP ||
      into->onCommit != ONCOMMIT_NOOP || strncmp(into->rel->relname, "tv_", 3) != 0 || into->rel->relname[3] == '\0' || !pg::CatalogExists()) {
    return false;
  }
  RangeVar* target = static_cast<RangeVar*>(copyObjectImpl(into->rel));
  Oid existing = InvalidOid;
  const Oid schema = RangeVarGetAndCheckCreationNamespace(target, NoLock, &existing);
  if (OidIsValid(existing) || isAnyTempNamespace(schema)) {
    return false;  // the server's own error or NOTICE
  }
  Query* query = SelectOf(statement);
  if (query == nullptr) {
    return false;
  }
  const char* entity = into->rel->relname + 3;
  const char* key = psprintf("pk_%s", entity);
  if (!HasColumn(query, into->colNames, key)) {
    ereport(NOTICE, (errmsg("table \"%s\" is not a TVIEW: its query has no column \"%s\"", into->rel->relname, key),
                     errhint("Name the key column \"%s\", or use pg_tviews_create() with the option \"key\".", key)));
    return false;
  }
  catalog::NewTview definition = {};
  definition.schema = get_namespace_name(schema);
  definition.name = into->rel->relname;
  definition.column_names = into->colNames;
  definition.with_data = !into->skipData;
  definition.table = {StorageText(into->options), into->tableSpaceName, into->accessMethod, into->rel->relpersistence == RELPERSISTENCE_UNLOGGED};
  definition.options = catalog::ParseOptions(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
  DefineByQuery(query, &definition);
  uint64 rows = 0;
  catalog::CreateTview(definition, &rows);
  if (completion != nullptr && !into->skipData) {
    SetQueryCompletion(completion, CMDTAG_SELECT, rows);
  }
  return true;
}

}  // namespace tviews::sql
