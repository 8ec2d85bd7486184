// The catalog rows of a TVIEW.
#include "catalog/register.h"

#include "catalog/change.h"
#include "catalog/hidden.h"
#include "catalog/internal_sql.h"
#include "catalog/lock_all.h"
#include "catalog/rows.h"
#include "catalog/triggers.h"
#include "core/lineage.h"

namespace tviews::catalog {
namespace {

bool MayRead(Oid relation, Oid user) {
  return pg_class_aclcheck(relation, user, ACL_SELECT) == ACLCHECK_OK ||
         pg_attribute_aclcheck_all(relation, user, ACL_SELECT, ACLMASK_ALL) == ACLCHECK_OK;
}

// Names of columns by number; null for all of them.
ArrayType* UsedNames(Oid relation, const Bitmapset* used) {
  if (used == nullptr) {
    return nullptr;
  }
  const char** names = static_cast<const char**>(palloc(sizeof(char*) * (bms_num_members(used) + 1)));
  int count = 0;
  for (int number = -1; (number = bms_next_member(used, number)) >= 0;) {
    char* name = number > 0 ? get_attname(relation, static_cast<AttrNumber>(number), true) : nullptr;
    if (name != nullptr) {
      names[count++] = name;
    }
  }
  return TextArray(names, count);
}

// Finds or makes a capture point.
int32 PointFor(Oid relation, ArrayType* columns, ArrayType* paths, bool fans_out) {
  const uint64 rows = RunSql(
      "INSERT INTO %s.pg_tview_capture_point (relation, columns, fans_out, paths) VALUES ($1, $2, $3, $4) "
      "ON CONFLICT (relation, columns, fans_out, paths) DO UPDATE SET relation = EXCLUDED.relation RETURNING point",
      {OidArgument(relation), ArrayArgument(columns), BoolArgument(fans_out), ArrayArgument(paths)});
  bool is_null;
  if (rows != 1) {
    elog(ERROR, "capture point was not made");
  }
  return DatumGetInt32(ResultDatum(0, 1, &is_null));
}

// The json paths of a path's columns, '' for none; null when no column has one.
ArrayType* JsonPaths(const lineage::Path& path) {
  if (path.json_paths == nullptr) {
    return nullptr;
  }
  const char** texts = static_cast<const char**>(palloc(sizeof(char*) * (path.column_count + 1)));
  bool any = false;
  for (int i = 0; i < path.column_count; ++i) {
    any = any || path.json_paths[i] != nullptr;
    texts[i] = path.json_paths[i] == nullptr ? "" : path.json_paths[i];
  }
  return any ? TextArray(texts, path.column_count) : nullptr;
}

void AddMapping(Oid table, int ordinal, Oid relation, ArrayType* columns, ArrayType* paths, MappingKind kind, const char* query, ArrayType* used, bool nulls) {
  const bool fans_out = kind == MappingKind::kMapped || kind == MappingKind::kPartition;
  const int32 point = PointFor(relation, columns, paths, fans_out);
  RunSql("INSERT INTO %s.pg_tview_mapping (point, tview, ordinal, kind, query, used, nulls) VALUES ($1, $2, $3, $4, $5, $6, $7)",
         {IntArgument(point), OidArgument(table), IntArgument(ordinal), CharArgument(static_cast<char>(kind)), TextArgument(query), ArrayArgument(used),
          BoolArgument(nulls)});
}

}  // namespace

bool HasUnlogged(Oid relation) {
  if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation))) {
    return false;
  }
  const List* members = find_all_inheritors(relation, NoLock, nullptr);
  const ListCell* cell;
  foreach (cell, members) {
    if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lfirst_oid(cell))) && get_rel_persistence(lfirst_oid(cell)) == RELPERSISTENCE_UNLOGGED) {
      return true;
    }
  }
  return false;
}

void CheckRights(const List* relations, Oid user) {
  ListCell* cell;
  foreach (cell, relations) {
    const Oid relation = lfirst_oid(cell);
    if (!MayRead(relation, user)) {
      ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied for table %s", QualifiedName(relation)),
                      errdetail("A TVIEW needs the SELECT privilege on every table it reads."),
                      errhint("GRANT SELECT, TRIGGER ON %s TO %s;", QualifiedName(relation), quote_identifier(GetUserNameFromId(user, false)))));
    }
    const Oid host = RowHost(relation);
    if (pg_class_aclcheck(relation, user, ACL_TRIGGER) != ACLCHECK_OK || pg_class_aclcheck(host, user, ACL_TRIGGER) != ACLCHECK_OK) {
      ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied for table %s", QualifiedName(relation)),
                      errdetail("A TVIEW needs the TRIGGER privilege on every table it reads."),
                      errhint("GRANT TRIGGER ON %s TO %s;", QualifiedName(host), quote_identifier(GetUserNameFromId(user, false)))));
    }
  }
}

void LockTview(Oid table) { LockDatabaseObject(pg::TableOid(pg::Table::kTview), table, 0, ExclusiveLock); }

void LockTviews(List* tables) {
  ListCell* cell;
  list_sort(tables, list_oid_cmp);
  foreach (cell, tables) {
    LockTview(lfirst_oid(cell));
  }
}

List* LockRelationsRead(Oid view, Oid user, LOCKMODE mode, Oid also) {
  List* relations = NIL;
  List* locked = NIL;
  for (;;) {  // what the view reads can change until the locks are held
    relations = lineage::RelationsRead(view);
    List* wanted = OidIsValid(also) ? CaptureMembers(also) : NIL;
    ListCell* cell;
    foreach (cell, relations) {
      if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lfirst_oid(cell)))) {
        wanted = list_concat_unique_oid(wanted, CaptureMembers(lfirst_oid(cell)));
      }
    }
    wanted = list_difference_oid(wanted, locked);
    if (wanted == NIL) {
      break;
    }
    if (OidIsValid(user)) {
      CheckRights(relations, user);  // before the lock: it stops writers
    }
    LockAll(wanted, mode);
    locked = list_concat(locked, wanted);
  }
  relations = list_copy(relations);
  list_sort(relations, list_oid_cmp);
  ListCell* cell;
  foreach (cell, relations) {
    if (IsTviewTable(lfirst_oid(cell))) {
      LockTview(lfirst_oid(cell));
    }
  }
  return relations;
}

List* RelationsOf(Oid table) {
  List* relations = NIL;
  RowScan scan = OpenRowsByKey(pg::Table::kRelation, kRelationByTview, relation_column::kTview, ObjectIdGetDatum(table), true, nullptr);
  while (NextRow(&scan)) {
    relations = lappend_oid(relations, OidColumn(scan, relation_column::kRelation));
  }
  CloseRows(&scan);
  list_sort(relations, list_oid_cmp);
  return relations;
}

void DeleteLineageRows(Oid table) {
  RunSql("DELETE FROM %s.pg_tview_relation WHERE tview = $1", {OidArgument(table)});
  RunSql(
      "WITH gone AS (DELETE FROM %s.pg_tview_mapping WHERE tview = $1 RETURNING point) "
      "DELETE FROM %s.pg_tview_capture_point p USING (SELECT DISTINCT point FROM gone) g WHERE p.point = g.point "
      "AND NOT EXISTS (SELECT FROM %s.pg_tview_mapping m WHERE m.point = p.point AND m.tview <> $1)",
      {OidArgument(table)});
}

namespace {

// Of capture points of this relation those that nothing uses any more.
void DeleteUnusedPoints(Oid relation) {
  RunSql("DELETE FROM %s.pg_tview_capture_point p WHERE p.relation = $1 AND NOT EXISTS (SELECT FROM %s.pg_tview_mapping m WHERE m.point = p.point)",
         {OidArgument(relation)});
}

}  // namespace

void WriteLineage(Oid table, const lineage::Lineage& lineage, const char* const* key, int key_count, ArrayType* owned_columns) {
  List* before = RelationsOf(table);
  List* after = NIL;
  for (int i = 0; i < lineage.relation_count; ++i) {
    after = list_append_unique_oid(after, lineage.relations[i].oid);
  }
  List* dropped = list_difference_oid(before, after);
  ListCell* cell;
  foreach (cell, dropped) {  // those after are locked: no registration beside us may take up a point that goes
    LockRelationOid(lfirst_oid(cell), ShareUpdateExclusiveLock);
  }
  const SqlContext context = EnterSql(ExtensionOwner());
  // Points that are used again keep their numbers: records on their way name them.
  RunSql("DELETE FROM %s.pg_tview_relation WHERE tview = $1", {OidArgument(table)});
  RunSql("DELETE FROM %s.pg_tview_mapping WHERE tview = $1", {OidArgument(table)});
  RunSql("UPDATE %s.pg_tview_catalog SET narrowed = $2 WHERE tview = $1 AND narrowed IS DISTINCT FROM $2", {OidArgument(table), TextArgument(lineage.narrowed)});
  for (int i = 0; i < lineage.relation_count; ++i) {
    RunSql("INSERT INTO %s.pg_tview_relation (tview, relation, is_tview) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
           {OidArgument(table), OidArgument(lineage.relations[i].oid), BoolArgument(lineage.relations[i].is_tview)});
  }
  for (int i = 0; i < lineage.path_count; ++i) {
    const lineage::Path& path = lineage.paths[i];
    const char** names = static_cast<const char**>(palloc(sizeof(char*) * (path.column_count + 1)));
    for (int c = 0; c < path.column_count; ++c) {
      names[c] = get_attname(path.relation, path.columns[c], false);
    }
    AddMapping(table, i, path.relation, TextArray(names, path.column_count), JsonPaths(path), path.kind, path.query, UsedNames(path.relation, path.used), path.nulls);
  }
  AddMapping(table, lineage.path_count, table, TextArray(key, key_count), nullptr, MappingKind::kSelf, nullptr, owned_columns, false);
  const List* touched = list_append_unique_oid(list_concat_unique_oid(list_copy(before), after), table);
  foreach (cell, touched) {
    DeleteUnusedPoints(lfirst_oid(cell));
  }
  LeaveSql(context);
  DependOnBodies(table, lineage.bodies);
  CommandCounterIncrement();
  foreach (cell, after) {
    EnsureCaptureTriggers(lfirst_oid(cell));
  }
  foreach (cell, dropped) {
    RemoveUnneededTriggers(lfirst_oid(cell));
  }
  InvalidateRelations(after);
  InvalidateRelations(dropped);
  InvalidateRelations(list_make1_oid(table));
  GraphChanged();
}

void Register(const Registration& registration, const List* relations, const lineage::Lineage& lineage) {
  const SqlContext context = EnterSql(ExtensionOwner());
  RunSql(
      "INSERT INTO %s.pg_tview_catalog (tview, view, owns_view, entity, definition, key_columns, columns, level, options, settings, state, adopted) "
      "VALUES ($1, $2, $3, $4, pg_catalog.pg_get_viewdef($2), $5, $6, $7, $8, $9, $10, $11)",
      {OidArgument(registration.table), OidArgument(registration.view), BoolArgument(registration.owns_view), TextArgument(registration.entity),
       ArrayArgument(TextArray(registration.key, registration.key_count)), ArrayArgument(registration.columns), IntArgument(LevelFor(relations)),
       JsonArgument(registration.options->json), ArrayArgument(registration.options->settings), CharArgument(static_cast<char>(registration.state)),
       BoolArgument(registration.adopted)});
  LeaveSql(context);
  CommandCounterIncrement();
  CarryDefinition(registration.table);
  WriteLineage(registration.table, lineage, registration.key, registration.key_count, registration.columns);
  const ObjectAddress table = {RelationRelationId, registration.table, 0}, view = {RelationRelationId, registration.view, 0};
  recordDependencyOn(&table, &view, DEPENDENCY_NORMAL);
}

int LevelFor(const List* relations) {
  int level = 0;
  ListCell* cell;
  foreach (cell, relations) {
    RowScan scan = OpenRowsByKey(pg::Table::kTview, kTviewIndex, tview_column::kTview, ObjectIdGetDatum(lfirst_oid(cell)), true, nullptr);
    if (NextRow(&scan)) {
      level = Max(level, IntColumn(scan, tview_column::kLevel) + 1);
    }
    CloseRows(&scan);
  }
  return level;
}

void RecomputeLevels() {
  const Graph* graph = LoadGraph(nullptr);
  core::ReadsEdge* edges = static_cast<core::ReadsEdge*>(palloc(sizeof(core::ReadsEdge) * (graph->reads_count + 1)));
  int32_t* levels = static_cast<int32_t*>(palloc0(sizeof(int32_t) * (graph->tview_count + 1)));
  int count = 0;
  for (int i = 0; i < graph->reads_count; ++i) {
    if (graph->reads[i].read_tview >= 0) {
      edges[count++] = {graph->reads[i].tview, graph->reads[i].read_tview};
    }
  }
  if (!core::AssignLevels(graph->tview_count, edges, count, levels)) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION), errmsg("TVIEWs cannot read each other in a cycle"),
                    errhint("Read the base tables instead.")));
  }
  const SqlContext context = EnterSql(ExtensionOwner());
  for (int i = 0; i < graph->tview_count; ++i) {
    if (graph->tviews[i].level != levels[i]) {
      RunSql("UPDATE %s.pg_tview_catalog SET level = $2 WHERE tview = $1", {OidArgument(graph->tviews[i].table), IntArgument(levels[i])});
    }
  }
  LeaveSql(context);
}

void MarkForReconciliation(Oid table) {
  const SqlContext context = EnterSql(ExtensionOwner());
  RunSql(
      "INSERT INTO %s.pg_tview_deferred (tview, key, reason, since, attempts, next_attempt) "
      "SELECT tview, NULL, CASE state WHEN 'p' THEN 'paused' ELSE 'refreshing' END, pg_catalog.clock_timestamp(), 0, "
      "CASE state WHEN 'p' THEN 'infinity' ELSE pg_catalog.clock_timestamp() END FROM %s.pg_tview_catalog WHERE tview = $1 "
      "ON CONFLICT (tview, key) DO UPDATE SET reason = EXCLUDED.reason, attempts = 0, next_attempt = EXCLUDED.next_attempt, sqlstate = NULL, message = NULL",
      {OidArgument(table)});
  LeaveSql(context);
  GraphChanged();
}

void MarkUnlogged() {
  List* found = NIL;
  const Graph* graph = LoadGraph(nullptr);
  for (int i = 0; i < graph->tview_count; ++i) {
    if (HasUnlogged(graph->tviews[i].table)) {
      found = list_append_unique_oid(found, graph->tviews[i].table);
    }
  }
  for (int i = 0; i < graph->reads_count; ++i) {
    if (HasUnlogged(graph->reads[i].relation)) {
      found = list_append_unique_oid(found, graph->tviews[graph->reads[i].tview].table);
    }
  }
  const ListCell* cell;
  foreach (cell, found) {
    MarkForReconciliation(lfirst_oid(cell));
  }
}

void Audit(const char* operation, const char* entity, const char* details_json) {
  const char* user = GetUserNameFromId(GetUserId(), false);
  const SqlContext context = EnterSql(ExtensionOwner());
  RunSql("INSERT INTO %s.pg_tview_audit (operation, entity, performed_by, details) VALUES ($1, $2, $3::name, $4::jsonb)",
         {TextArgument(operation), TextArgument(entity), TextArgument(user), TextArgument(details_json)});
  LeaveSql(context);
}

}  // namespace tviews::catalog
