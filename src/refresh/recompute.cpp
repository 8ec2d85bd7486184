// Recomputed rows, compared with the stored ones as they stream in; what differs is kept for apply.
#include "refresh/recompute.h"

namespace tviews::refresh {

namespace {
constexpr size_t kBytesPerBlock = (MaxHeapTuplesPerPage + 8) / 8;
}

struct Recompute {
  DestReceiver receiver;
  const Target* target;
  Wanted* wanted;
  Changes* changes;
  IndexScanDesc scan;
  TupleTableSlot* stored;
  MemoryContext own, row;
  Datum* values;
  bool* nulls;
  // Whole view only: one bit per stored row that the view gave.
  BlockNumber blocks;
  unsigned char* met;
  List* duplicate_tids;  // of ItemPointer
};

namespace {

Recompute* Self(DestReceiver* receiver) { return reinterpret_cast<Recompute*>(receiver); }

void RefuseDuplicate(Recompute* self, const Datum* values, const bool* nulls) {
  MemoryContext old = MemoryContextSwitchTo(self->own);
  const char* view = get_rel_name(self->target->tview->view);
  Refuse(self->changes, KeyBytes(self->target, values, nulls), "21000", psprintf("view \"%s\" returned more than one row for this key", view));
  MemoryContextSwitchTo(old);
}

void Keep(Recompute* self, Op op, const Datum* values, const bool* nulls, ItemPointer tid) {
  const Target* target = self->target;
  memcpy(self->values, values, target->owned * sizeof(Datum));
  memcpy(self->nulls, nulls, target->owned * sizeof(bool));
  self->values[target->owned] = PointerGetDatum(tid);
  self->nulls[target->owned] = tid == nullptr;
  const int at = static_cast<int>(op);
  tuplestore_putvalues(self->changes->rows[at], target->row, self->values, self->nulls);
  ++self->changes->count[at];
  if (self->changes->example.data == nullptr) {
    MemoryContext old = MemoryContextSwitchTo(self->own);
    self->changes->example = KeyBytes(target, values, nulls);
    MemoryContextSwitchTo(old);
  }
}

unsigned char* MetByte(Recompute* self, ItemPointer tid, unsigned char* bit) {
  const BlockNumber block = ItemPointerGetBlockNumber(tid);
  const OffsetNumber offset = ItemPointerGetOffsetNumber(tid);
  if (block >= self->blocks || offset >= kBytesPerBlock * 8) {
    return nullptr;
  }
  *bit = static_cast<unsigned char>(1 << (offset % 8));
  return &self->met[block * kBytesPerBlock + offset / 8];
}

enum class Meeting : uint8 { kFirst, kSecond, kMore };

// Notes that the view gave a row with this key.
Meeting Meet(Recompute* self, const Datum* values, bool stored) {
  if (self->wanted != nullptr) {
    const int64 at = FindWanted(self->wanted, values);
    if (at < 0) {
      return Meeting::kFirst;
    }
    if (self->wanted->duplicate[at]) {
      return Meeting::kMore;
    }
    self->wanted->duplicate[at] = self->wanted->seen[at];
    self->wanted->seen[at] = true;
    return self->wanted->duplicate[at] ? Meeting::kSecond : Meeting::kFirst;
  }
  unsigned char bit = 0;
  unsigned char* byte = stored ? MetByte(self, &self->stored->tts_tid, &bit) : nullptr;
  if (byte == nullptr) {
    return Meeting::kFirst;  // two new rows with one key: apply finds out
  }
  if (*byte & bit) {
    ListCell* cell;
    foreach (cell, self->duplicate_tids) {
      if (ItemPointerEquals(static_cast<ItemPointer>(lfirst(cell)), &self->stored->tts_tid)) {
        return Meeting::kMore;
      }
    }
    MemoryContext old = MemoryContextSwitchTo(self->own);
    ItemPointer tid = static_cast<ItemPointer>(palloc(sizeof(ItemPointerData)));
    *tid = self->stored->tts_tid;
    self->duplicate_tids = lappend(self->duplicate_tids, tid);
    MemoryContextSwitchTo(old);
    return Meeting::kSecond;
  }
  *byte |= bit;
  return Meeting::kFirst;
}

bool HasNullKey(const Target* target, const bool* nulls) {
  for (int i = 0; i < target->tview->key_count; ++i) {
    if (nulls[target->key_at[i]]) {
      return true;
    }
  }
  return false;
}

bool ReceiveRow(TupleTableSlot* slot, DestReceiver* receiver) {
  Recompute* self = Self(receiver);
  MemoryContext old = MemoryContextSwitchTo(self->row);
  MemoryContextReset(self->row);
  slot_getallattrs(slot);
  const Datum* values = slot->tts_values;
  const bool* nulls = slot->tts_isnull;
  ++self->changes->view_rows;
  if (HasNullKey(self->target, nulls)) {
    if (++self->changes->null_keys == 1) {
      MemoryContextSwitchTo(self->own);
      RefuseNullKey(self->changes, self->target, KeyBytes(self->target, values, nulls));
    }
  } else {
    const bool stored = FindStored(self->target, self->scan, values, self->stored);
    const Meeting meeting = Meet(self, values, stored);
    if (meeting == Meeting::kSecond) {
      RefuseDuplicate(self, values, nulls);
    } else if (meeting == Meeting::kMore) {
      // refused already
    } else if (!stored) {
      Keep(self, Op::kInsert, values, nulls, nullptr);
    } else if (SameRow(self->target, self->stored, values, nulls)) {
      ++self->changes->unchanged;
    } else {
      Keep(self, Op::kUpdate, values, nulls, &self->stored->tts_tid);
    }
  }
  MemoryContextSwitchTo(old);
  return true;
}

// A DROP COLUMN or ALTER TYPE between registration and now must not put values into the wrong column.
void StartRows(DestReceiver* receiver, int operation, TupleDesc row) {
  const Target* target = Self(receiver)->target;
  bool same = row->natts == target->owned;
  for (int i = 0; same && i < target->owned; ++i) {
    same = TupleDescAttr(row, i)->atttypid == TupleDescAttr(target->row, i)->atttypid;
  }
  if (!same) {
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("columns of view \"%s\" do not match those of table \"%s\"", get_rel_name(target->tview->view),
                           RelationGetRelationName(target->table)),
                    errhint("Drop the TVIEW and create it again.")));
  }
}

void Nothing(DestReceiver* receiver) {}

// Deletes hold the key columns, everything else NULL.
void KeepDelete(Recompute* self, TupleTableSlot* stored) {
  const Target* target = self->target;
  Datum* values = static_cast<Datum*>(palloc0(target->owned * sizeof(Datum)));
  bool* nulls = static_cast<bool*>(palloc(target->owned * sizeof(bool)));
  memset(nulls, true, target->owned);
  for (int i = 0; i < target->tview->key_count; ++i) {
    const int at = target->key_at[i];
    values[at] = slot_getattr(stored, target->tview->key_columns[i], &nulls[at]);
  }
  Keep(self, Op::kDelete, values, nulls, &stored->tts_tid);
}

void DeletesOfWanted(Recompute* self) {
  Datum* values = static_cast<Datum*>(palloc0(self->target->owned * sizeof(Datum)));
  for (size_t k = 0; k < self->wanted->count; ++k) {
    if (self->wanted->seen[k]) {
      continue;
    }
    CHECK_FOR_INTERRUPTS();
    MemoryContext old = MemoryContextSwitchTo(self->row);
    MemoryContextReset(self->row);
    for (int i = 0; i < self->target->tview->key_count; ++i) {
      values[self->target->key_at[i]] = self->wanted->values[i][k];
    }
    if (FindStored(self->target, self->scan, values, self->stored)) {
      KeepDelete(self, self->stored);
    }
    MemoryContextSwitchTo(old);
  }
}

void DeletesOfWhole(Recompute* self) {
  TableScanDesc scan = table_beginscan(self->target->table, self->target->latest, 0, nullptr);
  while (table_scan_getnextslot(scan, ForwardScanDirection, self->stored)) {
    CHECK_FOR_INTERRUPTS();
    unsigned char bit = 0;
    const unsigned char* byte = MetByte(self, &self->stored->tts_tid, &bit);
    if (byte == nullptr || (*byte & bit)) {
      continue;
    }
    MemoryContext old = MemoryContextSwitchTo(self->row);
    MemoryContextReset(self->row);
    KeepDelete(self, self->stored);
    MemoryContextSwitchTo(old);
  }
  table_endscan(scan);
}

}  // namespace

void Refuse(Changes* changes, core::ByteSpan key, const char* sqlstate, const char* message) {
  Refused* refused = static_cast<Refused*>(palloc0(sizeof(Refused)));
  *refused = {key, "failed", sqlstate, message};
  changes->refused = lappend(changes->refused, refused);
}

void RefuseNullKey(Changes* changes, const Target* target, core::ByteSpan key) {
  Refuse(changes, key, "23502", psprintf("view \"%s\" returned a row whose key is null", get_rel_name(target->tview->view)));
}

Recompute* BeginRecompute(const Target* target, Wanted* wanted, Changes* changes) {
  Recompute* self = static_cast<Recompute*>(palloc0(sizeof(Recompute)));
  self->receiver.receiveSlot = ReceiveRow;
  self->receiver.rStartup = StartRows;
  self->receiver.rShutdown = Nothing;
  self->receiver.rDestroy = Nothing;
  self->receiver.mydest = DestNone;
  self->target = target;
  self->wanted = wanted;
  self->changes = changes;
  self->own = CurrentMemoryContext;
  self->row = AllocSetContextCreate(CurrentMemoryContext, "pg_tviews recomputed row", ALLOCSET_DEFAULT_SIZES);
  self->values = static_cast<Datum*>(palloc((target->owned + 1) * sizeof(Datum)));
  self->nulls = static_cast<bool*>(palloc((target->owned + 1) * sizeof(bool)));
  for (int op = 0; op < kOps; ++op) {
    changes->rows[op] = tuplestore_begin_heap(false, false, work_mem);
  }
  self->scan = BeginKeyScan(target, target->latest);
  self->stored = table_slot_create(target->table, nullptr);
  if (wanted == nullptr) {
    self->blocks = RelationGetNumberOfBlocks(target->table);
    self->met = static_cast<unsigned char*>(
        MemoryContextAllocExtended(CurrentMemoryContext, self->blocks * kBytesPerBlock + 1, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
  }
  return self;
}

DestReceiver* RecomputeReceiver(Recompute* recompute) { return &recompute->receiver; }

void EndRecompute(Recompute* recompute) {
  if (recompute->wanted != nullptr) {
    DeletesOfWanted(recompute);
  } else {
    DeletesOfWhole(recompute);
  }
  index_endscan(recompute->scan);
  ExecDropSingleTupleTableSlot(recompute->stored);
}

bool IsDuplicate(Recompute* recompute, const Datum* values, ItemPointer tid) {
  if (recompute->wanted != nullptr) {
    const int64 at = FindWanted(recompute->wanted, values);
    return at >= 0 && recompute->wanted->duplicate[at];
  }
  ListCell* cell;
  foreach (cell, recompute->duplicate_tids) {
    if (tid != nullptr && ItemPointerEquals(static_cast<ItemPointer>(lfirst(cell)), tid)) {
      return true;
    }
  }
  return false;
}

}  // namespace tviews::refresh
