// The executor's calls that differ between majors, as this extension writes rows and looks up keys.
#pragma once

#include "pg/pg.h"

namespace tviews::pg {

// The one table of an executor state; `updated`: its columns that an UPDATE sets.
inline void InitRangeTable(EState* estate, RangeTblEntry* table, Bitmapset* updated) {
#if PG_VERSION_NUM >= 160000
  List* permissions = NIL;
  addRTEPermissionInfo(&permissions, table)->updatedCols = updated;
#if PG_VERSION_NUM >= 180000
  ExecInitRangeTable(estate, list_make1(table), permissions, bms_make_singleton(1));
#else
  ExecInitRangeTable(estate, list_make1(table), permissions);
#endif
#else
  table->updatedCols = updated;
  ExecInitRangeTable(estate, list_make1(table));
#endif
}

inline void InitPlanQual(EPQState* epq, EState* estate) {
#if PG_VERSION_NUM >= 160000
  EvalPlanQualInit(epq, estate, nullptr, NIL, -1, NIL);
#else
  EvalPlanQualInit(epq, estate, nullptr, NIL, -1);
#endif
}

// Fires BEFORE ROW triggers; false when one of them returned NULL.
inline bool BeforeRowDelete(EState* estate, EPQState* epq, ResultRelInfo* relation, ItemPointer tid) {
#if PG_VERSION_NUM >= 180000
  return ExecBRDeleteTriggers(estate, epq, relation, tid, nullptr, nullptr, nullptr, nullptr, false);
#elif PG_VERSION_NUM >= 160000
  return ExecBRDeleteTriggers(estate, epq, relation, tid, nullptr, nullptr, nullptr, nullptr);
#else
  return ExecBRDeleteTriggers(estate, epq, relation, tid, nullptr, nullptr);
#endif
}

inline bool BeforeRowUpdate(EState* estate, EPQState* epq, ResultRelInfo* relation, ItemPointer tid, TupleTableSlot* fresh) {
#if PG_VERSION_NUM >= 180000
  return ExecBRUpdateTriggers(estate, epq, relation, tid, nullptr, fresh, nullptr, nullptr, false);
#elif PG_VERSION_NUM >= 160000
  return ExecBRUpdateTriggers(estate, epq, relation, tid, nullptr, fresh, nullptr, nullptr);
#else
  return ExecBRUpdateTriggers(estate, epq, relation, tid, nullptr, fresh, nullptr);
#endif
}

// 15 keeps the expressions of generated columns of the first command only, and those of an UPDATE may leave some out.
inline void ForgetGeneratedExpressions(ResultRelInfo* relation) {
#if PG_VERSION_NUM < 160000
  relation->ri_GeneratedExprs = nullptr;
#else
  (void)relation;
#endif
}

// Makes all index entries of a row; returns the unique indexes that are to be checked again.
inline List* InsertIndexTuples(ResultRelInfo* relation, TupleTableSlot* slot, EState* estate, bool update) {
  bool conflict = false;
#if PG_VERSION_NUM >= 160000
  return ExecInsertIndexTuples(relation, slot, estate, update, true, &conflict, NIL, false);
#else
  return ExecInsertIndexTuples(relation, slot, estate, update, true, &conflict, NIL);
#endif
}

// Which indexes need entries after an UPDATE; since 16 summarizing ones may need them alone.
#if PG_VERSION_NUM >= 160000
using UpdatedIndexes = TU_UpdateIndexes;
inline bool AllIndexes(UpdatedIndexes indexes) { return indexes == TU_All; }
inline void InsertSummaries(UpdatedIndexes indexes, ResultRelInfo* relation, TupleTableSlot* slot, EState* estate) {
  if (indexes == TU_Summarizing) {
    (void)ExecInsertIndexTuples(relation, slot, estate, true, false, nullptr, NIL, true);
  }
}
#else
using UpdatedIndexes = bool;
inline bool AllIndexes(UpdatedIndexes indexes) { return indexes; }
inline void InsertSummaries(UpdatedIndexes, ResultRelInfo*, TupleTableSlot*, EState*) {}
#endif

// A hash table of virtual rows, each with a number of the caller's; in the current memory context.
inline TupleHashTable NewNumberedRows(TupleDesc row, int columns, AttrNumber* places, Oid* equal, FmgrInfo* hash, Oid* collations, size_t count,
                                      MemoryContext scratch) {
  const long buckets = static_cast<long>(Max(count, 1));
#if PG_VERSION_NUM >= 180000
  return BuildTupleHashTable(nullptr, row, &TTSOpsVirtual, columns, places, equal, hash, collations, buckets, sizeof(int64), CurrentMemoryContext,
                             CurrentMemoryContext, scratch, false);
#else
  return BuildTupleHashTable(nullptr, row, columns, places, equal, hash, collations, buckets, 0, CurrentMemoryContext, scratch, false);
#endif
}

inline int64* NumberOf(TupleHashTable table, TupleHashEntry entry) {
#if PG_VERSION_NUM >= 180000
  return static_cast<int64*>(TupleHashEntryGetAdditional(table, entry));
#else
  (void)table;
  static_assert(sizeof(entry->additional) == sizeof(int64), "the number stands in the place of a pointer");
  return reinterpret_cast<int64*>(&entry->additional);
#endif
}

}  // namespace tviews::pg
