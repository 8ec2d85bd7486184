// Groups of written rows: executor state, statement triggers, uniqueness at the end of the group.
#include "refresh/writer.h"

namespace tviews::refresh {

namespace {

EState* NewExecutorState(const Target* target) {
  EState* estate = CreateExecutorState();
  RangeTblEntry* entry = makeNode(RangeTblEntry);
  entry->rtekind = RTE_RELATION;
  entry->relid = RelationGetRelid(target->table);
  entry->relkind = target->table->rd_rel->relkind;
  entry->rellockmode = RowExclusiveLock;
  Bitmapset* updated = nullptr;  // for UPDATE OF triggers and generated columns
  for (int i = 0; i < target->owned; ++i) {
    updated = bms_add_member(updated, target->tview->owned_columns[i] - FirstLowInvalidHeapAttributeNumber);
  }
#if PG_VERSION_NUM >= 160000
  List* permissions = NIL;
  addRTEPermissionInfo(&permissions, entry)->updatedCols = updated;
  ExecInitRangeTable(estate, list_make1(entry), permissions);
#else
  entry->updatedCols = updated;
  ExecInitRangeTable(estate, list_make1(entry));
#endif
  estate->es_output_cid = GetCurrentCommandId(true);
  estate->es_snapshot = RegisterSnapshot(GetLatestSnapshot());
  return estate;
}

// As unique_key_recheck(): raises if the row is alive and its index key is not unique.
void CheckUnique(Writer* writer, const Suspect* suspect) {
  Relation table = writer->target->table;
  bool dead = false;
  ItemPointerData tid = suspect->tid;
  TupleTableSlot* slot = table_slot_create(table, nullptr);
  IndexFetchTableData* fetch = table_index_fetch_begin(table);
  bool call_again = false;
  const bool alive = table_index_fetch_tuple(fetch, &tid, SnapshotSelf, slot, &call_again, &dead);
  if (alive) {
    Relation index = index_open(suspect->index, RowExclusiveLock);
    IndexInfo* info = BuildIndexInfo(index);
    EState* estate = CreateExecutorState();
    GetPerTupleExprContext(estate)->ecxt_scantuple = slot;
    Datum values[INDEX_MAX_KEYS];
    bool nulls[INDEX_MAX_KEYS];
    FormIndexDatum(info, slot, estate, values, nulls);
    if (info->ii_ExclusionOps == nullptr) {
      ItemPointerData entry = suspect->tid;
      index_insert(index, values, nulls, &entry, table, UNIQUE_CHECK_EXISTING, false, info);
    } else {
      tid = suspect->tid;
      check_exclusion_constraint(table, index, info, &tid, values, nulls, estate, false);
    }
    FreeExecutorState(estate);
    index_close(index, NoLock);
  }
  table_index_fetch_end(fetch);
  ExecDropSingleTupleTableSlot(slot);
}

CmdType CommandOf(Op op) { return op == Op::kDelete ? CMD_DELETE : op == Op::kUpdate ? CMD_UPDATE : CMD_INSERT; }

}  // namespace

Writer* OpenWriter(const Target* target) {
  Writer* writer = static_cast<Writer*>(palloc0(sizeof(Writer)));
  writer->own = CurrentMemoryContext;
  writer->target = target;
  writer->estate = NewExecutorState(target);
  MemoryContext old = MemoryContextSwitchTo(writer->estate->es_query_cxt);
  writer->result = makeNode(ResultRelInfo);
  InitResultRelInfo(writer->result, target->table, 1, nullptr, 0);
  ExecOpenIndices(writer->result, false);
#if PG_VERSION_NUM >= 160000
  EvalPlanQualInit(&writer->epq, writer->estate, nullptr, NIL, -1, NIL);
#else
  EvalPlanQualInit(&writer->epq, writer->estate, nullptr, NIL, -1);
#endif
  writer->stored = table_slot_create(target->table, &writer->estate->es_tupleTable);
  writer->fresh = ExecInitExtraTupleSlot(writer->estate, RelationGetDescr(target->table), &TTSOpsVirtual);
  MemoryContextSwitchTo(old);
  writer->tag = -1;
  return writer;
}

void CloseWriter(Writer* writer) {
  if (writer->dirty_scan != nullptr) {
    index_endscan(writer->dirty_scan);
  }
  EvalPlanQualEnd(&writer->epq);
  ExecCloseIndices(writer->result);
  ExecResetTupleTable(writer->estate->es_tupleTable, false);
  UnregisterSnapshot(writer->estate->es_snapshot);
  ExecCloseResultRelations(writer->estate);
  ExecCloseRangeTableRelations(writer->estate);
  FreeExecutorState(writer->estate);
}

void BeginGroup(Writer* writer, Op op) {
  writer->op = op;
  writer->tag = -1;
  writer->estate->es_output_cid = GetCurrentCommandId(true);
#if PG_VERSION_NUM < 160000
  writer->result->ri_GeneratedExprs = nullptr;  // 15 keeps those of the first command only
#endif
  CheckCmdReplicaIdentity(writer->target->table, CommandOf(op));
  AfterTriggerBeginQuery();
  writer->transition = nullptr;
  if (writer->result->ri_TrigDesc != nullptr) {
    writer->transition =
        MakeTransitionCaptureState(writer->result->ri_TrigDesc, RelationGetRelid(writer->target->table), CommandOf(op));
    switch (op) {
      case Op::kDelete:
        ExecBSDeleteTriggers(writer->estate, writer->result);
        break;
      case Op::kUpdate:
        ExecBSUpdateTriggers(writer->estate, writer->result);
        break;
      case Op::kInsert:
        ExecBSInsertTriggers(writer->estate, writer->result);
        break;
    }
  }
}

void EndGroup(Writer* writer) {
  ListCell* cell;
  foreach (cell, writer->suspects) {
    const Suspect* suspect = static_cast<const Suspect*>(lfirst(cell));
    writer->tag = suspect->tag;
    CheckUnique(writer, suspect);
  }
  writer->tag = -1;
  list_free_deep(writer->suspects);
  writer->suspects = NIL;
  if (writer->result->ri_TrigDesc != nullptr) {
    switch (writer->op) {
      case Op::kDelete:
        ExecASDeleteTriggers(writer->estate, writer->result, writer->transition);
        break;
      case Op::kUpdate:
        ExecASUpdateTriggers(writer->estate, writer->result, writer->transition);
        break;
      case Op::kInsert:
        ExecASInsertTriggers(writer->estate, writer->result, writer->transition);
        break;
    }
  }
  AfterTriggerEndQuery(writer->estate);
  CommandCounterIncrement();
}

}  // namespace tviews::refresh
