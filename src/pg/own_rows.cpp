// Rows of the extension's own tables, which logical decoding does not see: a publication FOR ALL TABLES does not carry them.
//
// Decoding passes over an insertion whose record has no copy of the row, and pgoutput over a deletion whose record has no old key; the
// records have neither below wal_level logical.  An update without them it cannot read: with logical decoding it becomes a deletion and
// an insertion.  SQL comes here by the table access method pg_tviews_heap, the heap in all else.
#include "pg/own_rows.h"

namespace tviews::pg {
namespace {

TableAmRoutine own_rows;  // heap's, but for what writes rows

const TableAmRoutine* Heap() { return GetHeapamTableAmRoutine(); }

// Runs the statement as if wal_level were replica.  Nothing but heap and index functions: no commands, no triggers.
// PG_TRY: the level must come back whatever happens.
#define TVIEWS_UNPUBLISHED(statement)             \
  do {                                            \
    const int level = wal_level;                  \
    PG_TRY();                                     \
    {                                             \
      wal_level = Min(level, WAL_LEVEL_REPLICA);  \
      statement;                                  \
    }                                             \
    PG_FINALLY();                                 \
    { wal_level = level; }                        \
    PG_END_TRY();                                 \
  } while (false)

void Insert(Relation relation, TupleTableSlot* slot, CommandId cid, int options, BulkInsertState state) {
  TVIEWS_UNPUBLISHED(Heap()->tuple_insert(relation, slot, cid, options, state));
}

// Decoding wants a speculative insertion to be followed by its confirmation, and the other way round: with it, the row is inserted for good and
// deleted again if it was in the way.
void InsertSpeculative(Relation relation, TupleTableSlot* slot, CommandId cid, int options, BulkInsertState state, uint32 token) {
  if (XLogLogicalInfoActive()) {
    Insert(relation, slot, cid, options, state);
  } else {
    Heap()->tuple_insert_speculative(relation, slot, cid, options, state, token);
  }
}

void InsertMany(Relation relation, TupleTableSlot** slots, int count, CommandId cid, int options, BulkInsertState state) {
  TVIEWS_UNPUBLISHED(Heap()->multi_insert(relation, slots, count, cid, options, state));
}

TM_Result Delete(Relation relation, ItemPointer place, CommandId cid, Snapshot snapshot, Snapshot crosscheck, bool wait, TM_FailureData* failure, bool moves) {
  volatile TM_Result result = TM_Ok;
  TVIEWS_UNPUBLISHED(result = Heap()->tuple_delete(relation, place, cid, snapshot, crosscheck, wait, failure, moves));
  return result;
}

void CompleteSpeculative(Relation relation, TupleTableSlot* slot, uint32 token, bool succeeded) {
  if (!XLogLogicalInfoActive()) {
    Heap()->tuple_complete_speculative(relation, slot, token, succeeded);
  } else if (!succeeded) {
    TM_FailureData failure;
    // With a command ID past that of the insertion: what a command inserted it cannot delete.
    if (Delete(relation, &slot->tts_tid, GetCurrentCommandId(true) + 1, InvalidSnapshot, InvalidSnapshot, true, &failure, false) != TM_Ok) {
      elog(ERROR, "could not take back a row of table \"%s\"", RelationGetRelationName(relation));
    }
  }
}

#if PG_VERSION_NUM >= 160000
using IndexesToUpdate = TU_UpdateIndexes;
constexpr IndexesToUpdate kAllIndexes = TU_All;
#else
using IndexesToUpdate = bool;
constexpr IndexesToUpdate kAllIndexes = true;
#endif

TM_Result Update(Relation relation, ItemPointer place, TupleTableSlot* slot, CommandId cid, Snapshot snapshot, Snapshot crosscheck, bool wait,
                 TM_FailureData* failure, LockTupleMode* mode, IndexesToUpdate* indexes) {
  if (!XLogLogicalInfoActive()) {
    return Heap()->tuple_update(relation, place, slot, cid, snapshot, crosscheck, wait, failure, mode, indexes);
  }
  const TM_Result result = Delete(relation, place, cid, snapshot, crosscheck, wait, failure, false);
  if (result == TM_Ok) {
    Insert(relation, slot, cid, 0, nullptr);
    *mode = LockTupleExclusive;
    *indexes = kAllIndexes;
  }
  return result;
}

// heap's own scans below an index build insist on the heap's table.
#define TVIEWS_AS_HEAP(relation, statement)              \
  do {                                                   \
    const TableAmRoutine* own = (relation)->rd_tableam;  \
    PG_TRY();                                            \
    {                                                    \
      (relation)->rd_tableam = Heap();                   \
      statement;                                         \
    }                                                    \
    PG_FINALLY();                                        \
    { (relation)->rd_tableam = own; }                    \
    PG_END_TRY();                                        \
  } while (false)

double BuildIndex(Relation relation, Relation index, IndexInfo* info, bool sync, bool anyvisible, bool progress, BlockNumber first, BlockNumber count,
                  IndexBuildCallback callback, void* state, TableScanDesc scan) {
  volatile double rows = 0;
  TVIEWS_AS_HEAP(relation, rows = Heap()->index_build_range_scan(relation, index, info, sync, anyvisible, progress, first, count, callback, state, scan));
  return rows;
}

void ValidateIndex(Relation relation, Relation index, IndexInfo* info, Snapshot snapshot, ValidateIndexState* state) {
  TVIEWS_AS_HEAP(relation, Heap()->index_validate_scan(relation, index, info, snapshot, state));
}

Oid ToastMethod(Relation) { return HEAP_TABLE_AM_OID; }

}  // namespace

void InsertOwnRow(Relation relation, HeapTuple row) { TVIEWS_UNPUBLISHED(CatalogTupleInsert(relation, row)); }

void DeleteOwnRow(Relation relation, ItemPointer place) { TVIEWS_UNPUBLISHED(CatalogTupleDelete(relation, place)); }

void UpdateOwnRow(Relation relation, ItemPointer place, HeapTuple row) {
  if (!XLogLogicalInfoActive()) {
    CatalogTupleUpdate(relation, place, row);
    return;
  }
  DeleteOwnRow(relation, place);
  InsertOwnRow(relation, row);
}

}  // namespace tviews::pg

extern "C" {

PG_FUNCTION_INFO_V1(pg_tviews_heap_handler);
PGDLLEXPORT Datum pg_tviews_heap_handler(PG_FUNCTION_ARGS) {
  using namespace tviews::pg;
  if (own_rows.type != T_TableAmRoutine) {
    own_rows = *Heap();
    own_rows.tuple_insert = Insert;
    own_rows.tuple_insert_speculative = InsertSpeculative;
    own_rows.tuple_complete_speculative = CompleteSpeculative;
    own_rows.multi_insert = InsertMany;
    own_rows.tuple_delete = Delete;
    own_rows.tuple_update = Update;
    own_rows.index_build_range_scan = BuildIndex;
    own_rows.index_validate_scan = ValidateIndex;
    own_rows.relation_toast_am = ToastMethod;
  }
  PG_RETURN_POINTER(&own_rows);
}
}
