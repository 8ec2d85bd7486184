// Groups of written rows: executor state, statement triggers, uniqueness at the end of the group.
#include "pg/executor.h"
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
  pg::InitRangeTable(estate, entry, updated);
  estate->es_output_cid = GetCurrentCommandId(true);
  estate->es_snapshot = RegisterSnapshot(GetLatestSnapshot());
  return estate;
}

// As unique_key_recheck(): raises if the row is alive and its index key is not unique.
void CheckUnique(Writer* writer, const Suspect* suspect) {
  Relation table = suspect->place->leaf->table;
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

// A leaf's relation, as ExecInitPartitionInfo() sets it up.
Place* NewPlace(Writer* writer, int number) {
  const Target* target = writer->target;
  Place* place = static_cast<Place*>(palloc0(sizeof(Place)));
  place->leaf = OpenLeaf(target, number);
  place->number = number;
  place->result = writer->root;
  if (target->branch_count > 0) {
    place->result = makeNode(ResultRelInfo);
    InitResultRelInfo(place->result, place->leaf->table, 0, writer->root, 0);
    place->from_root = convert_tuples_by_name(RelationGetDescr(target->table), RelationGetDescr(place->leaf->table));
    // Where the after-trigger manager looks for it.
    writer->estate->es_tuple_routing_result_relations = lappend(writer->estate->es_tuple_routing_result_relations, place->result);
  }
  ExecOpenIndices(place->result, false);
  place->stored = table_slot_create(place->leaf->table, &writer->estate->es_tupleTable);
  place->fresh = ExecInitExtraTupleSlot(writer->estate, RelationGetDescr(place->leaf->table), &TTSOpsVirtual);
  return place;
}

void ClosePlace(Place* place) {
  ListCell* cell;
  foreach (cell, place->result->ri_ancestorResultRels) {  // opened for the foreign keys of a row that moved
    const ResultRelInfo* ancestor = static_cast<const ResultRelInfo*>(lfirst(cell));
    if (ancestor->ri_RangeTableIndex == 0) {
      table_close(ancestor->ri_RelationDesc, NoLock);
    }
  }
  ExecCloseIndices(place->result);
}

}  // namespace

Writer* OpenWriter(const Target* target) {
  Writer* writer = static_cast<Writer*>(palloc0(sizeof(Writer)));
  writer->own = CurrentMemoryContext;
  writer->target = target;
  writer->estate = NewExecutorState(target);
  MemoryContext old = MemoryContextSwitchTo(writer->estate->es_query_cxt);
  writer->root = makeNode(ResultRelInfo);
  InitResultRelInfo(writer->root, target->table, 1, nullptr, 0);
  writer->places = static_cast<Place**>(palloc0((target->leaf_count + 1) * sizeof(Place*)));
  pg::InitPlanQual(&writer->epq, writer->estate);
  writer->row = ExecInitExtraTupleSlot(writer->estate, RelationGetDescr(target->table), &TTSOpsVirtual);
  MemoryContextSwitchTo(old);
  writer->tag = -1;
  return writer;
}

Place* OpenPlace(Writer* writer, int leaf) {
  Place* place = writer->places[leaf];
  if (place == nullptr) {
    MemoryContext old = MemoryContextSwitchTo(writer->estate->es_query_cxt);
    place = writer->places[leaf] = NewPlace(writer, leaf);
    MemoryContextSwitchTo(old);
  }
  if (place->group != writer->group) {
    place->group = writer->group;
    pg::ForgetGeneratedExpressions(place->result);
    CheckCmdReplicaIdentity(place->leaf->table, CommandOf(writer->op));
  }
  return place;
}

void CloseWriter(Writer* writer) {
  if (writer->dirty_lookup != nullptr) {
    EndLookup(writer->dirty_lookup);
  }
  EvalPlanQualEnd(&writer->epq);
  for (int i = 0; i < writer->target->leaf_count; ++i) {
    if (writer->places[i] != nullptr) {
      ClosePlace(writer->places[i]);
    }
  }
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
  ++writer->group;
  AfterTriggerBeginQuery();
  writer->transition = nullptr;
  if (writer->root->ri_TrigDesc != nullptr) {
    writer->transition =
        MakeTransitionCaptureState(writer->root->ri_TrigDesc, RelationGetRelid(writer->target->table), CommandOf(op));
    switch (op) {
      case Op::kDelete:
        ExecBSDeleteTriggers(writer->estate, writer->root);
        break;
      case Op::kUpdate:
        ExecBSUpdateTriggers(writer->estate, writer->root);
        break;
      case Op::kInsert:
        ExecBSInsertTriggers(writer->estate, writer->root);
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
  if (writer->root->ri_TrigDesc != nullptr) {
    switch (writer->op) {
      case Op::kDelete:
        ExecASDeleteTriggers(writer->estate, writer->root, writer->transition);
        break;
      case Op::kUpdate:
        ExecASUpdateTriggers(writer->estate, writer->root, writer->transition);
        break;
      case Op::kInsert:
        ExecASInsertTriggers(writer->estate, writer->root, writer->transition);
        break;
    }
  }
  AfterTriggerEndQuery(writer->estate);
  CommandCounterIncrement();
}

bool HasTrigger(const Place* place, bool TriggerDesc::*kind) {
  const TriggerDesc* triggers = place->result->ri_TrigDesc;
  return triggers != nullptr && triggers->*kind;
}

bool HasGenerated(const Place* place) {
  const TupleConstr* constraints = RelationGetDescr(place->leaf->table)->constr;
  return constraints != nullptr && constraints->has_generated_stored;
}

// Taking it for written would leave the table different from its view without a word.
void RaiseSuppressed(const Place* place) {
  ereport(ERROR, (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                  errmsg("a BEFORE trigger of table \"%s\" suppressed the refresh of a row", RelationGetRelationName(place->leaf->table)),
                  errhint("Triggers of a TVIEW's table must not return NULL.")));
  pg_unreachable();
}

}  // namespace tviews::refresh
