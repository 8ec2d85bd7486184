// Recomputed rows, compared with the stored ones as they stream in; what differs is kept for apply.
#include "refresh/recompute.h"

#include "refresh/lookup.h"

namespace tviews::refresh {

namespace {
constexpr size_t kBytesPerBlock = (MaxHeapTuplesPerPage + 8) / 8;

// One bit per stored row of a leaf that the view gave.
struct Met {
  BlockNumber blocks;
  unsigned char* bits;
};

// Where a stored row is.
struct MetPlace {
  int leaf;
  ItemPointerData tid;
};
}  // namespace

struct Recompute {
  DestReceiver receiver;
  const Target* target;
  Wanted* wanted;
  bool strays;
  Changes* changes;
  Lookup* lookup;
  MemoryContext own, row;
  Datum* values;
  bool* nulls;
  // Whole view only:
  Met* met;          // per leaf
  List* duplicates;  // of MetPlace*
};

namespace {

Recompute* Self(DestReceiver* receiver) { return reinterpret_cast<Recompute*>(receiver); }

void RefuseDuplicate(Recompute* self, const Datum* values, const bool* nulls) {
  MemoryContext old = MemoryContextSwitchTo(self->own);
  const char* view = get_rel_name(self->target->tview->view);
  Refuse(self->changes, KeyBytes(self->target, values, nulls), "21000", psprintf("view \"%s\" returned more than one row for this key", view));
  MemoryContextSwitchTo(old);
}

// `stored` null: there is no such row yet.
void Keep(Recompute* self, Op op, const Datum* values, const bool* nulls, const Stored* stored) {
  const Target* target = self->target;
  memcpy(self->values, values, target->owned * sizeof(Datum));
  memcpy(self->nulls, nulls, target->owned * sizeof(bool));
  self->values[target->owned] = stored != nullptr ? PointerGetDatum(&stored->slot->tts_tid) : 0;
  self->values[target->owned + 1] = Int32GetDatum(stored != nullptr ? stored->leaf : 0);
  self->nulls[target->owned] = self->nulls[target->owned + 1] = stored == nullptr;
  const int at = static_cast<int>(op);
  tuplestore_putvalues(self->changes->rows[at], target->row, self->values, self->nulls);
  ++self->changes->count[at];
  if (self->changes->example.data == nullptr) {
    MemoryContext old = MemoryContextSwitchTo(self->own);
    self->changes->example = KeyBytes(target, values, nulls);
    MemoryContextSwitchTo(old);
  }
}

unsigned char* MetByte(Recompute* self, const Stored& stored, unsigned char* bit) {
  ItemPointer tid = &stored.slot->tts_tid;
  const Met& met = self->met[stored.leaf];
  const BlockNumber block = ItemPointerGetBlockNumber(tid);
  const OffsetNumber offset = ItemPointerGetOffsetNumber(tid);
  if (block >= met.blocks || offset >= kBytesPerBlock * 8) {
    return nullptr;
  }
  *bit = static_cast<unsigned char>(1 << (offset % 8));
  return &met.bits[block * kBytesPerBlock + offset / 8];
}

bool IsAt(const MetPlace* place, int leaf, ItemPointer tid) {
  ItemPointerData at = place->tid;
  return place->leaf == leaf && ItemPointerEquals(&at, tid);
}

enum class Meeting : uint8 { kFirst, kSecond, kMore };

// Notes that the view gave a row with this key.
Meeting Meet(Recompute* self, const Datum* values, const Stored* stored) {
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
  unsigned char* byte = stored != nullptr ? MetByte(self, *stored, &bit) : nullptr;
  if (byte == nullptr) {
    return Meeting::kFirst;  // two new rows with one key: apply finds out
  }
  if (*byte & bit) {
    ListCell* cell;
    foreach (cell, self->duplicates) {
      if (IsAt(static_cast<const MetPlace*>(lfirst(cell)), stored->leaf, &stored->slot->tts_tid)) {
        return Meeting::kMore;
      }
    }
    MemoryContext old = MemoryContextSwitchTo(self->own);
    MetPlace* place = static_cast<MetPlace*>(palloc(sizeof(MetPlace)));
    *place = {stored->leaf, stored->slot->tts_tid};
    self->duplicates = lappend(self->duplicates, place);
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

// Deletes hold the key columns, everything else NULL.
void KeepDelete(Recompute* self, const Stored& stored) {
  const Target* target = self->target;
  const Leaf* leaf = OpenLeaf(target, stored.leaf);
  Datum* values = static_cast<Datum*>(palloc0(target->owned * sizeof(Datum)));
  bool* nulls = static_cast<bool*>(palloc(target->owned * sizeof(bool)));
  memset(nulls, true, target->owned);
  for (int i = 0; i < target->tview->key_count; ++i) {
    const int at = target->key_at[i];
    values[at] = slot_getattr(stored.slot, leaf->key_columns[i], &nulls[at]);
  }
  Keep(self, Op::kDelete, values, nulls, &stored);
}

// A row whose key has no NULL.
void Compare(Recompute* self, const Datum* values, const bool* nulls) {
  Stored stored;
  StartSearch(self->lookup, values, nulls);
  const bool found = NextStored(self->lookup, &stored);
  switch (Meet(self, values, found ? &stored : nullptr)) {
    case Meeting::kSecond:
      RefuseDuplicate(self, values, nulls);
      return;
    case Meeting::kMore:
      return;  // refused already
    case Meeting::kFirst:
      break;
  }
  if (!found) {
    Keep(self, Op::kInsert, values, nulls, nullptr);
    return;
  }
  if (SameRow(self->target, OpenLeaf(self->target, stored.leaf), stored.slot, values, nulls)) {
    ++self->changes->unchanged;
  } else {
    Keep(self, Op::kUpdate, values, nulls, &stored);
  }
  while (self->wanted != nullptr && self->strays && NextStored(self->lookup, &stored)) {
    KeepDelete(self, stored);
  }
}

bool ReceiveRow(TupleTableSlot* slot, DestReceiver* receiver) {
  Recompute* self = Self(receiver);
  MemoryContext old = MemoryContextSwitchTo(self->row);
  MemoryContextReset(self->row);
  slot_getallattrs(slot);
  const Datum* values = slot->tts_values;
  const bool* nulls = slot->tts_isnull;
  ++self->changes->view_rows;
  if (!HasNullKey(self->target, nulls)) {
    Compare(self, values, nulls);
  } else if (++self->changes->null_keys == 1) {
    MemoryContextSwitchTo(self->own);
    RefuseNullKey(self->changes, self->target, KeyBytes(self->target, values, nulls));
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
    Stored stored;
    StartSearch(self->lookup, values, nullptr);
    while (NextStored(self->lookup, &stored)) {
      KeepDelete(self, stored);
    }
    MemoryContextSwitchTo(old);
  }
}

void DeletesOfLeaf(Recompute* self, int number) {
  Relation table = OpenLeaf(self->target, number)->table;
  Stored stored = {table_slot_create(table, nullptr), number};
  TableScanDesc scan = table_beginscan(table, self->target->latest, 0, nullptr);
  while (table_scan_getnextslot(scan, ForwardScanDirection, stored.slot)) {
    CHECK_FOR_INTERRUPTS();
    unsigned char bit = 0;
    const unsigned char* byte = MetByte(self, stored, &bit);
    if (byte == nullptr || (*byte & bit)) {
      continue;
    }
    MemoryContext old = MemoryContextSwitchTo(self->row);
    MemoryContextReset(self->row);
    KeepDelete(self, stored);
    MemoryContextSwitchTo(old);
  }
  table_endscan(scan);
  ExecDropSingleTupleTableSlot(stored.slot);
}

// Room for the rows of every leaf.
Met* NewMet(const Target* target) {
  Met* met = static_cast<Met*>(palloc((target->leaf_count + 1) * sizeof(Met)));
  for (int i = 0; i < target->leaf_count; ++i) {
    met[i].blocks = RelationGetNumberOfBlocks(OpenLeaf(target, i)->table);
    met[i].bits = static_cast<unsigned char*>(
        MemoryContextAllocExtended(CurrentMemoryContext, met[i].blocks * kBytesPerBlock + 1, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
  }
  return met;
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

Recompute* BeginRecompute(const Target* target, Wanted* wanted, bool strays, Changes* changes) {
  Recompute* self = static_cast<Recompute*>(palloc0(sizeof(Recompute)));
  self->receiver.receiveSlot = ReceiveRow;
  self->receiver.rStartup = StartRows;
  self->receiver.rShutdown = Nothing;
  self->receiver.rDestroy = Nothing;
  self->receiver.mydest = DestNone;
  self->target = target;
  self->wanted = wanted;
  self->strays = strays;
  self->changes = changes;
  self->own = CurrentMemoryContext;
  self->row = AllocSetContextCreate(CurrentMemoryContext, "pg_tviews recomputed row", ALLOCSET_DEFAULT_SIZES);
  self->values = static_cast<Datum*>(palloc((target->owned + 2) * sizeof(Datum)));
  self->nulls = static_cast<bool*>(palloc((target->owned + 2) * sizeof(bool)));
  for (int op = 0; op < kOps; ++op) {
    changes->rows[op] = tuplestore_begin_heap(false, false, work_mem);
  }
  self->lookup = NewLookup(target, target->latest);
  self->met = wanted == nullptr ? NewMet(target) : nullptr;
  return self;
}

DestReceiver* RecomputeReceiver(Recompute* recompute) { return &recompute->receiver; }

void EndRecompute(Recompute* recompute) {
  if (recompute->wanted != nullptr) {
    DeletesOfWanted(recompute);
  } else {
    for (int i = 0; i < recompute->target->leaf_count; ++i) {
      DeletesOfLeaf(recompute, i);
    }
  }
  EndLookup(recompute->lookup);
}

bool IsDuplicate(Recompute* recompute, const Datum* values, ItemPointer tid, int leaf) {
  if (recompute->wanted != nullptr) {
    const int64 at = FindWanted(recompute->wanted, values);
    return at >= 0 && recompute->wanted->duplicate[at];
  }
  ListCell* cell;
  foreach (cell, recompute->duplicates) {
    if (tid != nullptr && IsAt(static_cast<const MetPlace*>(lfirst(cell)), leaf, tid)) {
      return true;
    }
  }
  return false;
}

}  // namespace tviews::refresh
