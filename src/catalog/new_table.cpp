// The table of a new TVIEW and its partitions, empty.
#include "catalog/building.h"
#include "catalog/internal_sql.h"

namespace tviews::catalog {
namespace {

constexpr int kHashPartitions = 8;

// "a int NOT NULL, b text": as the view has them.
void AppendColumns(StringInfo sql, const Building& building) {
  Relation view = relation_open(building.view, AccessShareLock);
  for (int i = 0; i < building.column_count; ++i) {
    appendStringInfo(sql, "%s%s", i > 0 ? ", " : "", ColumnDefinition(TupleDescAttr(RelationGetDescr(view), i)));
    if (IsKey(building, building.columns[i])) {
      appendStringInfoString(sql, " NOT NULL");
    }
  }
  relation_close(view, NoLock);
}

// " USING ... WITH (...)": of the table, or of its partitions.
void AppendStorage(StringInfo sql, const NewTview& definition) {
  if (definition.table.access_method != nullptr) {
    appendStringInfo(sql, " USING %s", quote_identifier(definition.table.access_method));
  }
  const bool has_fillfactor = definition.table.with != nullptr && strcasestr(definition.table.with, "fillfactor") != nullptr;
  const char* separator = "";
  appendStringInfoString(sql, " WITH (");
  if (!has_fillfactor) {
    appendStringInfo(sql, "fillfactor = %d", definition.options.fillfactor);
    separator = ", ";
  }
  if (definition.table.with != nullptr && definition.table.with[0] != '\0') {
    appendStringInfo(sql, "%s%s", separator, definition.table.with);
  }
  appendStringInfoChar(sql, ')');
}

const char* Persistence(const NewTview& definition) { return definition.table.unlogged || definition.options.unlogged ? "UNLOGGED " : ""; }

void AppendPartitionBy(StringInfo sql, const Building& building) {
  const PartitionBy& partition = building.definition->options.partition_by;
  appendStringInfo(sql, " PARTITION BY %s (", partition.strategy);
  const ListCell* cell;
  foreach (cell, partition.columns) {
    const char* column = static_cast<const char*>(lfirst(cell));
    if (get_attnum(building.view, column) <= 0) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("partition column \"%s\" is not in the query of TVIEW \"%s\"", column, building.definition->name),
                      errdetail("Its columns are %s.", ColumnNames(building)), errhint("Select it, or name another column in the option \"partition_by\".")));
    }
    appendStringInfo(sql, "%s%s", foreach_current_index(cell) > 0 ? ", " : "", quote_identifier(column));
  }
  appendStringInfoChar(sql, ')');
}

void MakePartition(const Building& building, const char* label, const char* bound) {
  const char* name = ChooseRelationName(building.definition->name, nullptr, label, get_namespace_oid(building.schema, false), false);
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfo(&sql, "CREATE %sTABLE %s PARTITION OF %s %s", Persistence(*building.definition), quote_qualified_identifier(building.schema, name), building.qualified, bound);
  AppendStorage(&sql, *building.definition);
  RunUtility(sql.data);
}

// Such that no row is refused: the user adds partitions by range or list beside the one that takes the rest.
void MakePartitions(const Building& building) {
  if (strcmp(building.definition->options.partition_by.strategy, "HASH") != 0) {
    MakePartition(building, "default", "DEFAULT");
    return;
  }
  for (int i = 0; i < kHashPartitions; ++i) {
    MakePartition(building, psprintf("p%d", i), psprintf("FOR VALUES WITH (MODULUS %d, REMAINDER %d)", kHashPartitions, i));
  }
}

}  // namespace

void MakeTable(Building* building) {
  const NewTview& definition = *building->definition;
  const bool partitioned = definition.options.partition_by.strategy != nullptr;
  StringInfoData sql;
  initStringInfo(&sql);
  // A partitioned table has no rows to log, and since PostgreSQL 18 must not be called UNLOGGED.
  appendStringInfo(&sql, "CREATE %sTABLE %s (", partitioned ? "" : Persistence(definition), building->qualified);
  AppendColumns(&sql, *building);
  appendStringInfoChar(&sql, ')');
  if (partitioned) {
    AppendPartitionBy(&sql, *building);
  } else {
    AppendStorage(&sql, definition);
  }
  if (definition.table.tablespace != nullptr) {
    appendStringInfo(&sql, " TABLESPACE %s", quote_identifier(definition.table.tablespace));
  }
  const SqlContext context = EnterSql(GetUserId());
  RunUtility(sql.data);
  if (partitioned) {
    MakePartitions(*building);
  }
  RunUtility(psprintf("COMMENT ON TABLE %s IS %s", building->qualified,
                      quote_literal_cstr(psprintf("TVIEW over %s, kept fresh by pg_tviews", building->qualified_view))));
  LeaveSql(context);
  building->table = get_relname_relid(definition.name, get_namespace_oid(building->schema, false));
}

}  // namespace tviews::catalog
