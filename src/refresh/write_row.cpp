// Writing one row of a tv_ table: only owned columns, never waiting for a user's row lock, triggers and constraints as usual.
//
// As PostgreSQL's logical replication worker does it (execReplication.c), with three differences: a row that a user holds is left
// alone, user-added columns keep their values and get their defaults, and uniqueness is checked at the end of the group, as for
// a deferrable constraint, so that two rows may swap a unique value.
#include "pg/executor.h"
#include "refresh/partitions.h"
#include "refresh/writer.h"

namespace tviews::refresh {

namespace {

ItemPointer StoredTid(const Writer* writer, const Datum* values) {
  return reinterpret_cast<ItemPointer>(DatumGetPointer(values[writer->target->owned]));
}

// True when nobody had locked or changed the row when it was fetched.  Then it is written without a lock first, which would go to
// WAL for nothing; whoever comes in between is waited for, at most pg_tviews.lock_timeout.  (The AM cannot write without waiting.)
bool LooksFree(TupleTableSlot* stored) {
  if (!TTS_IS_BUFFERTUPLE(stored)) {
    return false;
  }
  const HeapTuple tuple = reinterpret_cast<BufferHeapTupleTableSlot*>(stored)->base.tuple;
  return tuple != nullptr && (tuple->t_data->t_infomask & HEAP_XMAX_INVALID) != 0;
}

// Locks the latest version of the row in `stored`, without waiting, and fetches it.
TM_Result LockStored(Writer* writer, Place* place, LockTupleMode mode) {
  ItemPointerData tid = place->stored->tts_tid;
  TM_FailureData failure;
  ExecClearTuple(place->stored);
  return table_tuple_lock(place->leaf->table, &tid, writer->estate->es_snapshot, place->stored, writer->estate->es_output_cid, mode,
                          LockWaitSkip, TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
}

[[noreturn]] void RaiseSelfModified(const Place* place) {
  ereport(ERROR, (errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
                  errmsg("a trigger on \"%s\" changed the row that is being refreshed", RelationGetRelationName(place->leaf->table))));
}

// An update of a unique column takes the stronger lock, and so does what may become a delete.
LockTupleMode ModeOfUpdate(const Writer* writer, const Place* place, const Datum* values, const bool* nulls) {
  Relation table = place->leaf->table;
  const Target* target = writer->target;
  Bitmapset* keys = RelationGetIndexAttrBitmap(table, INDEX_ATTR_BITMAP_KEY);
  for (int i = 0; i < target->owned; ++i) {
    const AttrNumber column = place->leaf->owned_columns[i];
    if (bms_is_member(column - FirstLowInvalidHeapAttributeNumber, keys) && !SameValue(target, place->leaf, i, place->stored, values[i], nulls[i])) {
      return LockTupleExclusive;
    }
  }
  const int leaf = LeafOfValues(target, values, nulls);
  return leaf >= 0 && leaf != place->number ? LockTupleExclusive : LockTupleNoKeyExclusive;
}

// The stored row with the owned columns that differ replaced; the others keep their TOAST pointers.
void Merge(Writer* writer, Place* place, const Datum* values, const bool* nulls) {
  TupleTableSlot* stored = place->stored;
  TupleTableSlot* fresh = place->fresh;
  const int attributes = stored->tts_tupleDescriptor->natts;
  slot_getallattrs(stored);
  ExecClearTuple(fresh);
  memcpy(fresh->tts_values, stored->tts_values, attributes * sizeof(Datum));
  memcpy(fresh->tts_isnull, stored->tts_isnull, attributes * sizeof(bool));
  for (int i = 0; i < writer->target->owned; ++i) {
    if (!SameValue(writer->target, place->leaf, i, stored, values[i], nulls[i])) {
      const int at = place->leaf->owned_columns[i] - 1;
      fresh->tts_values[at] = values[i];
      fresh->tts_isnull[at] = nulls[i];
    }
  }
  ExecStoreVirtualTuple(fresh);
  fresh->tts_tableOid = RelationGetRelid(place->leaf->table);
}

// Deletes the row at `tid`; `moving`: it comes back in another leaf.
TM_Result Remove(Writer* writer, Place* place, ItemPointerData tid, bool moving) {
  if (HasTrigger(place, &TriggerDesc::trig_delete_before_row) &&
      !pg::BeforeRowDelete(writer->estate, &writer->epq, place->result, &tid)) {
    RaiseSuppressed(place);
  }
  TM_FailureData failure;
  const TM_Result result = table_tuple_delete(place->leaf->table, &tid, writer->estate->es_output_cid, writer->estate->es_snapshot,
                                              InvalidSnapshot, true, &failure, moving);
  if (result == TM_Ok) {
    if (moving && writer->transition != nullptr && writer->transition->tcs_update_old_table) {
      ExecARUpdateTriggers(writer->estate, place->result, nullptr, nullptr, &tid, nullptr, nullptr, NIL, writer->transition, false);
    }
    ExecARDeleteTriggers(writer->estate, place->result, &tid, nullptr, writer->transition, moving);
  }
  return result;
}

bool IsReferenced(ResultRelInfo* relation) {
  const TriggerDesc* triggers = relation->ri_TrigDesc;
  for (int i = 0; triggers != nullptr && i < triggers->numtriggers; ++i) {
    const Trigger& trigger = triggers->triggers[i];
    if (!trigger.tgisclone && RI_FKey_trigger_type(trigger.tgfoid) == RI_TRIGGER_PK) {
      return true;
    }
  }
  return false;
}

// Foreign keys into the table see one UPDATE of the root, as ExecCrossPartitionUpdateForeignKey() has it.
void NoteMoveForForeignKeys(Writer* writer, Place* from, Place* to, ItemPointer tid, TupleTableSlot* inserted) {
  const TriggerDesc* triggers = from->result->ri_TrigDesc;
  if (triggers == nullptr || !triggers->trig_update_after_row) {
    return;
  }
  ListCell* cell;
  foreach (cell, ExecGetAncestorResultRels(writer->estate, from->result)) {
    ResultRelInfo* ancestor = static_cast<ResultRelInfo*>(lfirst(cell));
    if (ancestor != writer->root && IsReferenced(ancestor)) {
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                      errmsg("cannot move a row out of partition \"%s\": a foreign key references its parent \"%s\" but not \"%s\"",
                             RelationGetRelationName(from->leaf->table), RelationGetRelationName(ancestor->ri_RelationDesc),
                             RelationGetRelationName(writer->target->table)),
                      errhint("Define the foreign key on table \"%s\".", RelationGetRelationName(writer->target->table))));
    }
  }
  ExecARUpdateTriggers(writer->estate, writer->root, from->result, to->result, tid, nullptr, inserted, NIL, nullptr, true);
}

// The new row, in place->fresh, belongs to another leaf: DELETE here, INSERT there, as PostgreSQL does it.
TM_Result Move(Writer* writer, Place* place, ItemPointerData tid) {
  if (writer->target->branch_count == 0) {
    ExecPartitionCheckEmitError(place->result, place->fresh, writer->estate);
  }
  TupleConversionMap* to_root = ExecGetChildToRootMap(place->result);
  TupleTableSlot* row = to_root != nullptr ? execute_attr_map_slot(to_root->attrMap, place->fresh, writer->row) : ExecCopySlot(writer->row, place->fresh);
  Place* to = OpenPlace(writer, LeafOfRow(writer->target, row));
  const TM_Result result = Remove(writer, place, tid, true);
  if (result == TM_Ok) {
    NoteMoveForForeignKeys(writer, place, to, &tid, InsertRow(writer, to, true));
  }
  return result;
}

// Writes place->fresh over the row at `tid`.
TM_Result Replace(Writer* writer, Place* place, ItemPointerData tid) {
  Relation table = place->leaf->table;
  if (HasGenerated(place)) {
    ExecComputeStoredGenerated(place->result, writer->estate, place->fresh, CMD_UPDATE);
  }
  if (table->rd_rel->relispartition && !ExecPartitionCheck(place->result, place->fresh, writer->estate, false)) {
    return Move(writer, place, tid);
  }
  if (RelationGetDescr(table)->constr != nullptr) {
    ExecConstraints(place->result, place->fresh, writer->estate);
  }
  TM_FailureData failure;
  LockTupleMode mode;
  pg::UpdatedIndexes indexes{};
  const TM_Result result = table_tuple_update(table, &tid, place->fresh, writer->estate->es_output_cid, writer->estate->es_snapshot,
                                              InvalidSnapshot, true, &failure, &mode, &indexes);
  if (result == TM_Ok) {
    List* recheck = pg::AllIndexes(indexes) ? InsertIndexEntries(writer, place, place->fresh, true) : NIL;
    pg::InsertSummaries(indexes, place->result, place->fresh, writer->estate);
    ExecARUpdateTriggers(writer->estate, place->result, nullptr, nullptr, &tid, nullptr, place->fresh, recheck, writer->transition, false);
  }
  return result;
}

Written Delete(Writer* writer, Place* place, const Datum* values) {
  const bool optimistic = !HasTrigger(place, &TriggerDesc::trig_delete_before_row) && LooksFree(place->stored);
  bool locked = false;
  for (;;) {
    TM_Result result = TM_BeingModified;
    if (locked || optimistic) {
      result = Remove(writer, place, place->stored->tts_tid, false);
      if (result == TM_Ok) {
        return Written::kDeleted;
      }
      if (result == TM_SelfModified) {
        RaiseSelfModified(place);
      }
      if (locked) {
        elog(ERROR, "locked row of \"%s\" changed: %d", RelationGetRelationName(place->leaf->table), result);
      }
    }
    result = LockStored(writer, place, LockTupleExclusive);
    if (result == TM_WouldBlock || result == TM_BeingModified) {
      return Written::kLocked;
    }
    if (result == TM_SelfModified) {
      RaiseSelfModified(place);
    }
    if (result != TM_Ok || !SameKey(writer->target, place->leaf, place->stored, values)) {
      return Written::kUnchanged;  // a user was first
    }
    locked = true;
  }
}

}  // namespace

Written Update(Writer* writer, Place* place, const Datum* values, const bool* nulls) {
  const bool before = HasTrigger(place, &TriggerDesc::trig_update_before_row);
  const bool optimistic = !before && LooksFree(place->stored);
  bool locked = false;
  for (;;) {
    if (locked && SameRow(writer->target, place->leaf, place->stored, values, nulls)) {
      return Written::kUnchanged;
    }
    TM_Result result = TM_BeingModified;
    if (locked || optimistic) {
      ItemPointerData tid = place->stored->tts_tid;
      Merge(writer, place, values, nulls);
      if (before && !pg::BeforeRowUpdate(writer->estate, &writer->epq, place->result, &tid, place->fresh)) {
        RaiseSuppressed(place);
      }
      result = Replace(writer, place, tid);
      if (result == TM_Ok) {
        return Written::kUpdated;
      }
      if (result == TM_SelfModified) {
        RaiseSelfModified(place);
      }
      if (locked) {
        elog(ERROR, "locked row of \"%s\" changed: %d", RelationGetRelationName(place->leaf->table), result);
      }
    }
    result = LockStored(writer, place, ModeOfUpdate(writer, place, values, nulls));
    if (result == TM_WouldBlock || result == TM_BeingModified) {
      return Written::kLocked;
    }
    if (result == TM_SelfModified) {
      RaiseSelfModified(place);
    }
    if (result != TM_Ok || !SameKey(writer->target, place->leaf, place->stored, values)) {
      return Insert(writer, values, nulls);  // a user deleted it, or moved it to another key
    }
    locked = true;
  }
}

Written WriteRow(Writer* writer, const Datum* values, const bool* nulls, int64 tag) {
  writer->tag = tag;
  ResetPerTupleExprContext(writer->estate);
  // Not the per-tuple context: trigger functions keep state where they are first called.
  MemoryContext old = MemoryContextSwitchTo(writer->estate->es_query_cxt);
  Written written;
  if (writer->op == Op::kInsert) {
    written = Insert(writer, values, nulls);
  } else {
    Place* place = OpenPlace(writer, DatumGetInt32(values[writer->target->owned + 1]));
    if (!table_tuple_fetch_row_version(place->leaf->table, StoredTid(writer, values), writer->target->latest, place->stored)) {
      elog(ERROR, "stored row of \"%s\" vanished under its snapshot", RelationGetRelationName(place->leaf->table));
    }
    written = writer->op == Op::kUpdate ? Update(writer, place, values, nulls) : Delete(writer, place, values);
  }
  MemoryContextSwitchTo(old);
  return written;
}

int64 CurrentTag(const Writer* writer) { return writer->tag; }

}  // namespace tviews::refresh
