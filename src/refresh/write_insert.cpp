// Inserting one row of a tv_ table: defaults of the columns that are not the view's, routing to its leaf, index entries.
#include "pg/executor.h"
#include "refresh/partitions.h"
#include "refresh/writer.h"

namespace tviews::refresh {

namespace {

void Suspects(Writer* writer, const Place* place, List* indexes, TupleTableSlot* slot) {
  ListCell* cell;
  foreach (cell, indexes) {
    MemoryContext old = MemoryContextSwitchTo(writer->own);
    Suspect* suspect = static_cast<Suspect*>(palloc(sizeof(Suspect)));
    suspect->tid = slot->tts_tid;
    suspect->place = place;
    suspect->index = lfirst_oid(cell);
    suspect->tag = writer->tag;
    writer->suspects = lappend(writer->suspects, suspect);
    MemoryContextSwitchTo(old);
  }
}

// Those of the table, as for any INSERT into it: defaults of a partition count only in an INSERT into the partition.
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

void FillRow(Writer* writer, const Datum* values, const bool* nulls) {
  TupleTableSlot* row = writer->row;
  const int attributes = row->tts_tupleDescriptor->natts;
  if (writer->defaults == nullptr) {
    BuildDefaults(writer);
  }
  ExecClearTuple(row);
  memset(row->tts_isnull, true, attributes);
  memset(row->tts_values, 0, attributes * sizeof(Datum));
  ExprContext* expressions = GetPerTupleExprContext(writer->estate);
  for (int i = 0; i < attributes; ++i) {
    if (writer->defaults[i] != nullptr) {
      row->tts_values[i] = ExecEvalExprSwitchContext(writer->defaults[i], expressions, &row->tts_isnull[i]);
    }
  }
  for (int i = 0; i < writer->target->owned; ++i) {
    const int at = writer->target->tview->owned_columns[i] - 1;
    row->tts_values[at] = values[i];
    row->tts_isnull[at] = nulls[i];
  }
  ExecStoreVirtualTuple(row);
}

bool IsOurs(TupleTableSlot* stored) {
  bool is_null;
  const Datum xmin = slot_getsysattr(stored, MinTransactionIdAttributeNumber, &is_null);
  return !is_null && TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

enum class Present : uint8 { kNo, kInDoubt, kYes };

// Is there a row with this key that our snapshot does not show?  Fetches it into place->stored if so.  Only the row's own leaf can
// refuse it; one that a user put elsewhere goes when that user's change is applied.
Present FindHidden(Writer* writer, Place* place, const Datum* values) {
  if (writer->dirty_lookup == nullptr) {
    InitDirtySnapshot(writer->dirty);
    MemoryContext old = MemoryContextSwitchTo(writer->own);  // it outlives the row
    writer->dirty_lookup = NewLookup(writer->target, &writer->dirty);
    MemoryContextSwitchTo(old);
  }
  Stored stored;
  StartSearchOfLeaf(writer->dirty_lookup, values, place->number);
  if (!NextStored(writer->dirty_lookup, &stored)) {
    return Present::kNo;
  }
  ExecCopySlot(place->stored, stored.slot);
  return TransactionIdIsValid(writer->dirty.xmin) || TransactionIdIsValid(writer->dirty.xmax) ? Present::kInDoubt : Present::kYes;
}

void CheckRow(Writer* writer, Place* place, TupleTableSlot* slot) {
  const bool changed = HasTrigger(place, &TriggerDesc::trig_insert_before_row);
  if (RelationGetDescr(place->leaf->table)->constr != nullptr) {
    ExecConstraints(place->result, slot, writer->estate);
  }
  if (place->leaf->table->rd_rel->relispartition && (changed || place->result == writer->root)) {
    ExecPartitionCheck(place->result, slot, writer->estate, true);
  }
}

}  // namespace

List* InsertIndexEntries(Writer* writer, Place* place, TupleTableSlot* slot, bool update) {
  if (place->result->ri_NumIndices == 0) {
    return NIL;
  }
  List* recheck = pg::InsertIndexTuples(place->result, slot, writer->estate, update);
  Suspects(writer, place, recheck, slot);
  return recheck;
}

TupleTableSlot* InsertRow(Writer* writer, Place* place, bool moving) {
  TupleTableSlot* slot = place->from_root == nullptr ? writer->row : execute_attr_map_slot(place->from_root->attrMap, writer->row, place->fresh);
  slot->tts_tableOid = place->leaf->oid;
  if (HasTrigger(place, &TriggerDesc::trig_insert_before_row) && !ExecBRInsertTriggers(writer->estate, place->result, slot)) {
    RaiseSuppressed(place);
  }
  if (HasGenerated(place)) {
    if (writer->op != Op::kInsert) {
      pg::ForgetGeneratedExpressions(place->result);
    }
    ExecComputeStoredGenerated(place->result, writer->estate, slot, CMD_INSERT);
    if (writer->op != Op::kInsert) {
      pg::ForgetGeneratedExpressions(place->result);
    }
  }
  CheckRow(writer, place, slot);
  table_tuple_insert(place->leaf->table, slot, writer->estate->es_output_cid, 0, nullptr);
  List* recheck = InsertIndexEntries(writer, place, slot, false);
  if (moving && writer->transition != nullptr && writer->transition->tcs_update_new_table) {
    ExecARUpdateTriggers(writer->estate, place->result, nullptr, nullptr, nullptr, nullptr, slot, NIL, writer->transition, false);
  }
  ExecARInsertTriggers(writer->estate, place->result, slot, recheck, moving ? nullptr : writer->transition);
  return slot;
}

Written Insert(Writer* writer, const Datum* values, const bool* nulls) {
  FillRow(writer, values, nulls);
  Place* place = OpenPlace(writer, LeafOfRow(writer->target, writer->row));
  switch (FindHidden(writer, place, values)) {
    case Present::kInDoubt:
      return Written::kLocked;  // waiting for that user is not our way
    case Present::kYes:
      if (IsOurs(place->stored)) {
        ereport(ERROR, (errcode(ERRCODE_CARDINALITY_VIOLATION),
                        errmsg("view \"%s\" returned more than one row for this key", get_rel_name(writer->target->tview->view))));
      }
      return Update(writer, place, values, nulls);
    case Present::kNo:
      break;
  }
  InsertRow(writer, place, false);
  return Written::kInserted;
}

}  // namespace tviews::refresh
