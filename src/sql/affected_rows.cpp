// pg_tviews_affected(): which rows of which TVIEWs a change of a row would touch.
#include "capture/values.h"
#include "catalog/graph.h"
#include "core/record.h"
#include "pg/owner_context.h"
#include "refresh/forms.h"
#include "refresh/key_collector.h"
#include "refresh/key_text.h"
#include "refresh/map_keys.h"
#include "shmem/segment.h"

namespace tviews::sql {
namespace {

// A unique key of a relation.
struct RowKey {
  Oid relation;
  int count;
  const AttrNumber* columns;
  const pg::KeyType* types;
};

RowKey PrimaryKey(Oid table) {
  Relation relation = table_open(table, AccessShareLock);
  const Oid index_oid = relation->rd_rel->relkind == RELKIND_RELATION || relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE
                            ? PrimaryKeyIndex(relation)
                            : InvalidOid;
  if (!OidIsValid(index_oid)) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("\"%s\" has no primary key", RelationGetRelationName(relation)),
                    errhint("A row is named by its primary key.")));
  }
  Relation index = index_open(index_oid, AccessShareLock);
  const int count = index->rd_index->indnkeyatts;
  AttrNumber* columns = static_cast<AttrNumber*>(palloc(sizeof(AttrNumber) * count));
  pg::KeyType* types = static_cast<pg::KeyType*>(palloc(sizeof(pg::KeyType) * count));
  for (int i = 0; i < count; ++i) {
    columns[i] = index->rd_index->indkey.values[i];
    const Form_pg_attribute column = TupleDescAttr(RelationGetDescr(relation), columns[i] - 1);
    types[i] = pg::LookupKeyType(column->atttypid, column->atttypmod, column->attcollation);
  }
  index_close(index, NoLock);
  table_close(relation, NoLock);
  return {table, count, columns, types};
}

// Adds what would be captured from the stored row with this key.  REQUIRES: EnterOwner, for types and operators may be the owner's.
void CollectRow(const RowKey& key, core::ByteSpan value, core::KeySets* dirty) {
  StringInfoData text;
  initStringInfo(&text);
  appendStringInfo(&text, "SELECT tableoid, ctid FROM %s WHERE ", refresh::RelationText(key.relation));
  Oid* types = static_cast<Oid*>(palloc(sizeof(Oid) * key.count));
  Datum* values = static_cast<Datum*>(palloc(sizeof(Datum) * key.count));
  size_t offset = 0;
  for (int i = 0; i < key.count; ++i) {
    core::ByteSpan field;
    bool is_null = core::NextField(value, &offset, &field) != core::Next::kItem;
    values[i] = is_null ? static_cast<Datum>(0) : pg::FieldToDatum(field, key.types[i], &is_null);
    types[i] = key.types[i].type;
    if (is_null) {
      return;
    }
    appendStringInfo(&text, "%s%s %s $%d", i > 0 ? " AND " : "", quote_identifier(get_attname(key.relation, key.columns[i], false)),
                     refresh::EqualityText(key.types[i]), i + 1);
  }
  if (SPI_connect() != SPI_OK_CONNECT || SPI_execute_with_args(text.data, key.count, types, values, nullptr, true, 0) != SPI_OK_SELECT) {
    elog(ERROR, "could not look for a row of relation %u", key.relation);
  }
  for (uint64 i = 0; i < SPI_processed; ++i) {
    bool is_null;
    const Oid part = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &is_null));
    ItemPointer place = reinterpret_cast<ItemPointer>(DatumGetPointer(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &is_null)));
    Relation relation = table_open(part, AccessShareLock);
    TupleTableSlot* slot = table_slot_create(relation, nullptr);
    if (table_tuple_fetch_row_version(relation, place, GetActiveSnapshot(), slot)) {
      capture::CollectValues(relation, slot, dirty);
    }
    ExecDropSingleTupleTableSlot(slot);
    table_close(relation, NoLock);
  }
  SPI_finish();
}

struct Walk {
  const catalog::Graph* graph;
  core::KeySets *dirty, *affected;
  bool* whole;
};

// The keys of TVIEW t that the dirty keys lead to.
void MapAll(Walk* walk, int t) {
  for (int m = 0; m < walk->graph->mapping_count && !walk->whole[t]; ++m) {
    const catalog::Mapping* mapping = &walk->graph->mappings[m];
    const size_t count = core::KeyCount(walk->dirty, mapping->point);
    if (mapping->tview != t || count == 0) {
      continue;
    }
    if (mapping->kind == catalog::MappingKind::kFull) {
      walk->whole[t] = true;
      continue;
    }
    const refresh::Mapped mapped = {&walk->graph->tviews[t], catalog::FindPoint(walk->graph, mapping->point), mapping, walk->dirty, walk->affected,
                                    static_cast<uint32>(t)};
    refresh::MapKeys(mapped, 0, count);
  }
}

bool IsRead(const catalog::Graph* graph, int t) {
  for (int i = 0; i < graph->reads_count; ++i) {
    if (graph->reads[i].read_tview == t) {
      return true;
    }
  }
  return false;
}

// What the TVIEWs above would capture from the stored rows of TVIEW t.
void CollectStored(Walk* walk, int t) {
  const catalog::Tview& tview = walk->graph->tviews[t];
  const pg::OwnerContext owner = pg::EnterOwner(tview.owner, tview.settings);
  const RowKey key = {tview.table, tview.key_count, tview.key_columns, tview.key_types};
  for (size_t i = 0; i < core::KeyCount(walk->affected, t); ++i) {
    CHECK_FOR_INTERRUPTS();
    CollectRow(key, core::KeyAt(walk->affected, t, i), walk->dirty);
  }
  pg::LeaveOwner(owner);
}

// A whole TVIEW changes: so do all that read it.
void SpreadWhole(Walk* walk, int t) {
  for (int i = 0; i < walk->graph->reads_count; ++i) {
    if (walk->graph->reads[i].read_tview == t) {
      walk->whole[walk->graph->reads[i].tview] = true;
    }
  }
}

void Emit(const Walk* walk, int t, const ReturnSetInfo* rows) {
  const catalog::Tview* tview = &walk->graph->tviews[t];
  const size_t count = core::KeyCount(walk->affected, t);
  Datum values[2] = {CStringGetTextDatum(tview->entity), 0};
  bool nulls[2] = {false, true};
  if (!pg::MayReadAllRows(tview->table)) {
    return;
  }
  if (walk->whole[t]) {
    tuplestore_putvalues(rows->setResult, rows->setDesc, values, nulls);
    return;
  }
  nulls[1] = false;
  for (size_t i = 0; i < count; ++i) {
    values[1] = CStringGetTextDatum(refresh::KeyText(tview, core::KeyAt(walk->affected, t, i)));
    tuplestore_putvalues(rows->setResult, rows->setDesc, values, nulls);
  }
}

}  // namespace
}  // namespace tviews::sql

extern "C" {

PG_FUNCTION_INFO_V1(pg_tviews_affected);
Datum pg_tviews_affected(PG_FUNCTION_ARGS) {
  using namespace tviews;
  shmem::RequireAttached();
  const Oid table = PG_GETARG_OID(0);
  if (get_rel_name(table) == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", table)));
  }
  if (!pg::MayReadAllRows(table)) {
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied for table %s", get_rel_name(table)),
                    errdetail("You must be allowed to read all of its rows.")));
  }
  const ReturnSetInfo* rows = BeginRows(fcinfo);
  PushCopiedSnapshot(GetLatestSnapshot());
  sql::Walk walk = {catalog::LoadGraph(GetActiveSnapshot()), refresh::NewKeySetsHere(), refresh::NewKeySetsHere(), nullptr};
  walk.whole = static_cast<bool*>(palloc0(walk.graph->tview_count + 1));
  const catalog::Tview* own = catalog::FindTview(walk.graph, table);
  const sql::RowKey key = own != nullptr ? sql::RowKey{table, own->key_count, own->key_columns, own->key_types} : sql::PrimaryKey(table);
  const pg::OwnerContext owner = pg::EnterOwner(pg::OwnerOf(table), nullptr);
  sql::CollectRow(key, refresh::KeyFromText(text_to_cstring(PG_GETARG_TEXT_PP(1)), key.types, key.count), walk.dirty);
  pg::LeaveOwner(owner);
  for (int t = 0; t < walk.graph->tview_count; ++t) {  // by level
    sql::MapAll(&walk, t);
    sql::Emit(&walk, t, rows);
    if (walk.whole[t]) {
      sql::SpreadWhole(&walk, t);
    } else if (sql::IsRead(walk.graph, t)) {
      sql::CollectStored(&walk, t);
    }
  }
  PopActiveSnapshot();
  return static_cast<Datum>(0);
}
}
