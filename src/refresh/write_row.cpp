// Writing one row of a tv_ table: only owned columns, never waiting for a user's row lock, triggers and constraints as usual.
//
// As PostgreSQL's logical replication worker does it (execReplication.c), with three differences: a row that a user holds is left
// alone, user-added columns keep their values and get their defaults, and uniqueness is checked at the end of the group, as for
// a deferrable constraint, so that two rows may swap a unique value.
#include "refresh/writer.h"

namespace tviews::refresh {

namespace {

bool HasTrigger(const Writer* writer, bool TriggerDesc::*kind) {
  const TriggerDesc* triggers = writer->result->ri_TrigDesc;
  return triggers != nullptr && triggers->*kind;
}

// Taking it for written would leave the table different from its view without a word.
[[noreturn]] void RaiseSuppressed(const Writer* writer) {
  ereport(ERROR, (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                  errmsg("a BEFORE trigger of table \"%s\" suppressed the refresh of a row", RelationGetRelationName(writer->target->table)),
                  errhint("Triggers of a TVIEW's table must not return NULL.")));
  pg_unreachable();
}

bool HasGenerated(const Writer* writer) {
  const TupleConstr* constraints = RelationGetDescr(writer->target->table)->constr;
  return constraints != nullptr && constraints->has_generated_stored;
}

ItemPointer StoredTid(const Writer* writer, const Datum* values) {
  return reinterpret_cast<ItemPointer>(DatumGetPointer(values[writer->target->owned]));
}

void Suspects(Writer* writer, List* indexes, TupleTableSlot* slot) {
  ListCell* cell;
  foreach (cell, indexes) {
    MemoryContext old = MemoryContextSwitchTo(writer->own);
    Suspect* suspect = static_cast<Suspect*>(palloc(sizeof(Suspect)));
    suspect->tid = slot->tts_tid;
    suspect->index = lfirst_oid(cell);
    suspect->tag = writer->tag;
    writer->suspects = lappend(writer->suspects, suspect);
    MemoryContextSwitchTo(old);
  }
}

List* InsertIndexEntries(Writer* writer, TupleTableSlot* slot, bool update) {
  if (writer->result->ri_NumIndices == 0) {
    return NIL;
  }
  bool conflict = false;
#if PG_VERSION_NUM >= 160000
  List* recheck = ExecInsertIndexTuples(writer->result, slot, writer->estate, update, true, &conflict, NIL, false);
#else
  List* recheck = ExecInsertIndexTuples(writer->result, slot, writer->estate, update, true, &conflict, NIL);
#endif
  Suspects(writer, recheck, slot);
  return recheck;
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
TM_Result LockStored(Writer* writer, LockTupleMode mode) {
  ItemPointerData tid = writer->stored->tts_tid;
  TM_FailureData failure;
  ExecClearTuple(writer->stored);
  return table_tuple_lock(writer->target->table, &tid, writer->estate->es_snapshot, writer->stored, writer->estate->es_output_cid,
                          mode, LockWaitSkip, TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
}

[[noreturn]] void RaiseSelfModified(const Writer* writer) {
  ereport(ERROR,
          (errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
           errmsg("a trigger on \"%s\" changed the row that is being refreshed", RelationGetRelationName(writer->target->table))));
}

// An update of a unique column takes the stronger lock.
LockTupleMode ModeOfUpdate(const Writer* writer, const Datum* values, const bool* nulls) {
  Bitmapset* keys = RelationGetIndexAttrBitmap(writer->target->table, INDEX_ATTR_BITMAP_KEY);
  for (int i = 0; i < writer->target->owned; ++i) {
    if (bms_is_member(writer->target->tview->owned_columns[i] - FirstLowInvalidHeapAttributeNumber, keys) &&
        !SameValue(writer->target, i, writer->stored, values[i], nulls[i])) {
      return LockTupleExclusive;
    }
  }
  return LockTupleNoKeyExclusive;
}

// The stored row with the owned columns that differ replaced; the others keep their TOAST pointers.
void Merge(Writer* writer, const Datum* values, const bool* nulls) {
  TupleTableSlot* stored = writer->stored;
  TupleTableSlot* fresh = writer->fresh;
  const int attributes = stored->tts_tupleDescriptor->natts;
  slot_getallattrs(stored);
  ExecClearTuple(fresh);
  memcpy(fresh->tts_values, stored->tts_values, attributes * sizeof(Datum));
  memcpy(fresh->tts_isnull, stored->tts_isnull, attributes * sizeof(bool));
  for (int i = 0; i < writer->target->owned; ++i) {
    if (!SameValue(writer->target, i, stored, values[i], nulls[i])) {
      const int at = writer->target->tview->owned_columns[i] - 1;
      fresh->tts_values[at] = values[i];
      fresh->tts_isnull[at] = nulls[i];
    }
  }
  ExecStoreVirtualTuple(fresh);
  fresh->tts_tableOid = RelationGetRelid(writer->target->table);
}

// Writes `fresh` over the row at `tid`.
TM_Result Replace(Writer* writer, ItemPointerData tid) {
  Relation table = writer->target->table;
  if (HasGenerated(writer)) {
    ExecComputeStoredGenerated(writer->result, writer->estate, writer->fresh, CMD_UPDATE);
  }
  if (RelationGetDescr(table)->constr != nullptr) {
    ExecConstraints(writer->result, writer->fresh, writer->estate);
  }
  TM_FailureData failure;
  LockTupleMode mode;
#if PG_VERSION_NUM >= 160000
  TU_UpdateIndexes indexes = TU_None;
#else
  bool indexes = false;
#endif
  const TM_Result result = table_tuple_update(table, &tid, writer->fresh, writer->estate->es_output_cid,
                                              writer->estate->es_snapshot, InvalidSnapshot, true, &failure, &mode, &indexes);
  if (result == TM_Ok) {
#if PG_VERSION_NUM >= 160000
    List* recheck = indexes == TU_All ? InsertIndexEntries(writer, writer->fresh, true)
                    : indexes == TU_Summarizing
                        ? ExecInsertIndexTuples(writer->result, writer->fresh, writer->estate, true, false, nullptr, NIL, true)
                        : NIL;
#else
    List* recheck = indexes ? InsertIndexEntries(writer, writer->fresh, true) : NIL;
#endif
    ExecARUpdateTriggers(writer->estate, writer->result, nullptr, nullptr, &tid, nullptr, writer->fresh, recheck,
                         writer->transition, false);
  }
  return result;
}

Written Insert(Writer* writer, const Datum* values, const bool* nulls);

// `stored` holds the row as the snapshot saw it.
Written Update(Writer* writer, const Datum* values, const bool* nulls) {
  const bool optimistic = !HasTrigger(writer, &TriggerDesc::trig_update_before_row) && LooksFree(writer->stored);
  bool locked = false;
  for (;;) {
    if (locked && SameRow(writer->target, writer->stored, values, nulls)) {
      return Written::kUnchanged;
    }
    TM_Result result = TM_BeingModified;
    if (locked || optimistic) {
      ItemPointerData tid = writer->stored->tts_tid;
      Merge(writer, values, nulls);
      if (HasTrigger(writer, &TriggerDesc::trig_update_before_row)) {
#if PG_VERSION_NUM >= 160000
        if (!ExecBRUpdateTriggers(writer->estate, &writer->epq, writer->result, &tid, nullptr, writer->fresh, nullptr, nullptr)) {
#else
        if (!ExecBRUpdateTriggers(writer->estate, &writer->epq, writer->result, &tid, nullptr, writer->fresh, nullptr)) {
#endif
          RaiseSuppressed(writer);
        }
      }
      result = Replace(writer, tid);
      if (result == TM_Ok) {
        return Written::kUpdated;
      }
      if (result == TM_SelfModified) {
        RaiseSelfModified(writer);
      }
      if (locked) {
        elog(ERROR, "locked row of \"%s\" changed: %d", RelationGetRelationName(writer->target->table), result);
      }
    }
    result = LockStored(writer, ModeOfUpdate(writer, values, nulls));
    if (result == TM_WouldBlock || result == TM_BeingModified) {
      return Written::kLocked;
    }
    if (result == TM_SelfModified) {
      RaiseSelfModified(writer);
    }
    if (result != TM_Ok || !SameKey(writer->target, writer->stored, values)) {
      return Insert(writer, values, nulls);  // a user deleted it, or moved it to another key
    }
    locked = true;
  }
}

Written Delete(Writer* writer, const Datum* values) {
  const bool before = HasTrigger(writer, &TriggerDesc::trig_delete_before_row);
  const bool optimistic = !before && LooksFree(writer->stored);
  Relation table = writer->target->table;
  bool locked = false;
  for (;;) {
    TM_Result result = TM_BeingModified;
    if (locked || optimistic) {
      ItemPointerData tid = writer->stored->tts_tid;
      if (before && !ExecBRDeleteTriggers(writer->estate, &writer->epq, writer->result, &tid, nullptr, nullptr
#if PG_VERSION_NUM >= 160000
                                          ,
                                          nullptr, nullptr
#endif
                                          )) {
        RaiseSuppressed(writer);
      }
      TM_FailureData failure;
      result = table_tuple_delete(table, &tid, writer->estate->es_output_cid, writer->estate->es_snapshot, InvalidSnapshot, true,
                                  &failure, false);
      if (result == TM_Ok) {
        ExecARDeleteTriggers(writer->estate, writer->result, &tid, nullptr, writer->transition, false);
        return Written::kDeleted;
      }
      if (result == TM_SelfModified) {
        RaiseSelfModified(writer);
      }
      if (locked) {
        elog(ERROR, "locked row of \"%s\" changed: %d", RelationGetRelationName(table), result);
      }
    }
    result = LockStored(writer, LockTupleExclusive);
    if (result == TM_WouldBlock || result == TM_BeingModified) {
      return Written::kLocked;
    }
    if (result == TM_SelfModified) {
      RaiseSelfModified(writer);
    }
    if (result != TM_Ok || !SameKey(writer->target, writer->stored, values)) {
      return Written::kUnchanged;  // a user was first
    }
    locked = true;
  }
}

void BuildDefaults(Writer* writer) {
  Relation table = writer->target->table;
  const TupleDesc shape = RelationGetDescr(table);
  MemoryContext old = MemoryContextSwitchTo(writer->estate->es_query_cxt);
  writer->defaults = static_cast<ExprState**>(palloc0(Max(shape->natts, 1) * sizeof(ExprState*)));
  Bitmapset* owned = nullptr;
  for (int i = 0; i < writer->target->owned; ++i) {
    owned = bms_add_member(owned, writer->target->tview->owned_columns[i]);
  }
  for (int i = 0; i < shape->natts; ++i) {
    const Form_pg_attribute attribute = TupleDescAttr(shape, i);
    if (attribute->attisdropped || attribute->attgenerated != '\0' || bms_is_member(i + 1, owned)) {
      continue;
    }
    Node* expression = build_column_default(table, i + 1);
    if (expression != nullptr) {
      writer->defaults[i] = ExecInitExpr(expression_planner(reinterpret_cast<Expr*>(expression)), nullptr);
    }
  }
  MemoryContextSwitchTo(old);
}

void FillFresh(Writer* writer, const Datum* values, const bool* nulls) {
  TupleTableSlot* fresh = writer->fresh;
  const int attributes = fresh->tts_tupleDescriptor->natts;
  if (writer->defaults == nullptr) {
    BuildDefaults(writer);
  }
  ExecClearTuple(fresh);
  memset(fresh->tts_isnull, true, attributes);
  memset(fresh->tts_values, 0, attributes * sizeof(Datum));
  ExprContext* expressions = GetPerTupleExprContext(writer->estate);
  for (int i = 0; i < attributes; ++i) {
    if (writer->defaults[i] != nullptr) {
      fresh->tts_values[i] = ExecEvalExprSwitchContext(writer->defaults[i], expressions, &fresh->tts_isnull[i]);
    }
  }
  for (int i = 0; i < writer->target->owned; ++i) {
    const int at = writer->target->tview->owned_columns[i] - 1;
    fresh->tts_values[at] = values[i];
    fresh->tts_isnull[at] = nulls[i];
  }
  ExecStoreVirtualTuple(fresh);
  fresh->tts_tableOid = RelationGetRelid(writer->target->table);
}

bool IsOurs(TupleTableSlot* stored) {
  bool is_null;
  const Datum xmin = slot_getsysattr(stored, MinTransactionIdAttributeNumber, &is_null);
  return !is_null && TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

enum class Present : uint8 { kNo, kInDoubt, kYes };

// Is there a row with this key that our snapshot does not show?  Fetches it into `stored` if so.
Present FindHidden(Writer* writer, const Datum* values) {
  if (writer->dirty_scan == nullptr) {
    InitDirtySnapshot(writer->dirty);
    MemoryContext old = MemoryContextSwitchTo(writer->own);  // it outlives the row
    writer->dirty_scan = BeginKeyScan(writer->target, &writer->dirty);
    MemoryContextSwitchTo(old);
  }
  if (!FindStored(writer->target, writer->dirty_scan, values, writer->stored)) {
    return Present::kNo;
  }
  return TransactionIdIsValid(writer->dirty.xmin) || TransactionIdIsValid(writer->dirty.xmax) ? Present::kInDoubt : Present::kYes;
}

Written Insert(Writer* writer, const Datum* values, const bool* nulls) {
  switch (FindHidden(writer, values)) {
    case Present::kInDoubt:
      return Written::kLocked;  // waiting for that user is not our way
    case Present::kYes:
      if (IsOurs(writer->stored)) {
        ereport(ERROR, (errcode(ERRCODE_CARDINALITY_VIOLATION),
                        errmsg("view \"%s\" returned more than one row for this key", get_rel_name(writer->target->tview->view))));
      }
      return Update(writer, values, nulls);
    case Present::kNo:
      break;
  }
  FillFresh(writer, values, nulls);
  if (HasTrigger(writer, &TriggerDesc::trig_insert_before_row) &&
      !ExecBRInsertTriggers(writer->estate, writer->result, writer->fresh)) {
    RaiseSuppressed(writer);
  }
  if (HasGenerated(writer)) {
#if PG_VERSION_NUM < 160000
    if (writer->op != Op::kInsert) {
      writer->result->ri_GeneratedExprs = nullptr;  // those of an update may leave some out
    }
#endif
    ExecComputeStoredGenerated(writer->result, writer->estate, writer->fresh, CMD_INSERT);
  }
  if (RelationGetDescr(writer->target->table)->constr != nullptr) {
    ExecConstraints(writer->result, writer->fresh, writer->estate);
  }
  table_tuple_insert(writer->target->table, writer->fresh, writer->estate->es_output_cid, 0, nullptr);
  List* recheck = InsertIndexEntries(writer, writer->fresh, false);
  ExecARInsertTriggers(writer->estate, writer->result, writer->fresh, recheck, writer->transition);
  return Written::kInserted;
}

}  // namespace

Written WriteRow(Writer* writer, const Datum* values, const bool* nulls, int64 tag) {
  writer->tag = tag;
  ResetPerTupleExprContext(writer->estate);
  // Not the per-tuple context: trigger functions keep state where they are first called.
  MemoryContext old = MemoryContextSwitchTo(writer->estate->es_query_cxt);
  Written written;
  if (writer->op == Op::kInsert) {
    written = Insert(writer, values, nulls);
  } else if (!table_tuple_fetch_row_version(writer->target->table, StoredTid(writer, values), writer->target->latest,
                                            writer->stored)) {
    elog(ERROR, "stored row of \"%s\" vanished under its snapshot", RelationGetRelationName(writer->target->table));
  } else {
    written = writer->op == Op::kUpdate ? Update(writer, values, nulls) : Delete(writer, values);
  }
  MemoryContextSwitchTo(old);
  return written;
}

int64 CurrentTag(const Writer* writer) { return writer->tag; }

}  // namespace tviews::refresh
