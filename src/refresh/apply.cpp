// Applying the changes of a refresh: deletes, updates, inserts; a failing row is refused alone.
//
// The whole lot is tried in one subtransaction.  When a row fails, all is rolled back and tried again without it; after a few
// of those, or when nobody knows which row it was (an AFTER trigger), each row gets a subtransaction of its own, and rows that met
// a unique violation get another turn after the rest.
#include "refresh/apply.h"

#include "refresh/subtransaction.h"
#include "refresh/write_row.h"

namespace tviews::refresh {

namespace {

constexpr int kWholeTries = 4;

struct Applying {
  const Target* target;
  Recompute* recompute;
  Changes* changes;
  TupleTableSlot* slot;      // rows of Target::row
  Bitmapset* refused[kOps];  // places of rows not to be written (any more)
  Writer* writer;
  int64 failing;  // tag of the row that failed; -1: unknown
  bool has_duplicates;
  // Of the current try; its memory is reset before each.
  MemoryContext attempt;
  int64 written[5];
  List* locked;  // of Refused*
};

// A row's place among all changes.
int64 Tag(int op, int64 place) { return place * kOps + op; }

void ResetAttempt(Applying* self) {
  memset(self->written, 0, sizeof(self->written));
  self->locked = NIL;
  self->failing = -1;
  self->writer = nullptr;
  MemoryContextReset(self->attempt);
}

Refused* NewRefused(const Applying* self, const char* reason, const char* sqlstate, const char* message) {
  Refused* refused = static_cast<Refused*>(palloc0(sizeof(Refused)));
  refused->key = KeyBytes(self->target, self->slot->tts_values, self->slot->tts_isnull);
  refused->reason = reason;
  refused->sqlstate = sqlstate;
  refused->message = message;
  return refused;
}

bool NextRow(Applying* self, int op) {
  if (!tuplestore_gettupleslot(self->changes->rows[op], true, false, self->slot)) {
    return false;
  }
  slot_getallattrs(self->slot);
  return true;
}

void WriteCurrent(Applying* self, int op, int64 place) {
  const Datum* values = self->slot->tts_values;
  const bool* nulls = self->slot->tts_isnull;
  ItemPointer tid =
      nulls[self->target->owned] ? nullptr : reinterpret_cast<ItemPointer>(DatumGetPointer(values[self->target->owned]));
  const int leaf = DatumGetInt32(values[self->target->owned + 1]);
  if (self->has_duplicates && static_cast<Op>(op) != Op::kDelete && IsDuplicate(self->recompute, values, tid, leaf)) {
    return;
  }
  const Written written = WriteRow(self->writer, values, nulls, Tag(op, place));
  ++self->written[static_cast<int>(written)];
  if (written == Written::kLocked) {
    MemoryContext old = MemoryContextSwitchTo(self->attempt);
    self->locked = lappend(self->locked, NewRefused(self, "locked", nullptr, nullptr));
    MemoryContextSwitchTo(old);
  }
}

void Open(Applying* self) {
  MemoryContext old = MemoryContextSwitchTo(self->attempt);
  self->writer = OpenWriter(self->target);
  MemoryContextSwitchTo(old);
}

void WriteAll(void* argument) {
  Applying* self = static_cast<Applying*>(argument);
  Open(self);
  for (int op = 0; op < kOps; ++op) {
    if (self->changes->count[op] == 0) {
      continue;
    }
    BeginGroup(self->writer, static_cast<Op>(op));
    tuplestore_rescan(self->changes->rows[op]);
    for (int64 place = 0; NextRow(self, op); ++place) {
      CHECK_FOR_INTERRUPTS();
      if (!bms_is_member(static_cast<int>(place), self->refused[op])) {
        WriteCurrent(self, op, place);
      }
    }
    EndGroup(self->writer);
  }
  CloseWriter(self->writer);
}

struct OneRow {
  Applying* self;
  int op;
  int64 place;
};

void WriteOne(void* argument) {
  OneRow* row = static_cast<OneRow*>(argument);
  Open(row->self);
  BeginGroup(row->self->writer, static_cast<Op>(row->op));
  WriteCurrent(row->self, row->op, row->place);
  EndGroup(row->self->writer);
  CloseWriter(row->self->writer);
}

void AddResult(Applying* self, Result* result) {
  result->inserted += self->written[static_cast<int>(Written::kInserted)];
  result->updated += self->written[static_cast<int>(Written::kUpdated)];
  result->deleted += self->written[static_cast<int>(Written::kDeleted)];
  result->unchanged += self->written[static_cast<int>(Written::kUnchanged)];
  result->locked += list_length(self->locked);
  ListCell* cell;
  foreach (cell, self->locked) {
    Refused* refused = static_cast<Refused*>(palloc(sizeof(Refused)));
    *refused = *static_cast<const Refused*>(lfirst(cell));
    unsigned char* copy = static_cast<unsigned char*>(palloc(refused->key.size + 1));
    memcpy(copy, refused->key.data, refused->key.size);
    refused->key.data = copy;
    self->changes->refused = lappend(self->changes->refused, refused);
  }
}

void RaiseUnlessRow(ErrorData* error) {
  if (Classify(error) != Failing::kRow) {
    ReThrowError(error);
  }
}

// The row in the slot failed for good.
void RefuseCurrent(Applying* self, int op, int64 place, const ErrorData* error) {
  self->changes->refused =
      lappend(self->changes->refused, NewRefused(self, "failed", pstrdup(unpack_sql_state(error->sqlerrcode)), Describe(error)));
  self->refused[op] = bms_add_member(self->refused[op], static_cast<int>(place));
}

void RefuseTag(Applying* self, int64 tag, const ErrorData* error) {
  const int op = static_cast<int>(tag % kOps);
  tuplestore_rescan(self->changes->rows[op]);
  for (int64 place = 0; NextRow(self, op); ++place) {
    if (place == tag / kOps) {
      RefuseCurrent(self, op, place, error);
      return;
    }
  }
}

// One subtransaction per row.  Returns how many rows are left for another turn; `last`: there will be none.
int64 WriteEach(Applying* self, Result* result, bool last, Bitmapset** done) {
  int64 left = 0;
  for (int op = 0; op < kOps; ++op) {
    tuplestore_rescan(self->changes->rows[op]);
    for (int64 place = 0; NextRow(self, op); ++place) {
      if (bms_is_member(static_cast<int>(place), self->refused[op]) || bms_is_member(static_cast<int>(place), done[op])) {
        continue;
      }
      ErrorData* error;
      OneRow row = {self, op, place};
      ResetAttempt(self);
      if (TryInSubtransaction(WriteOne, &row, &error)) {
        AddResult(self, result);
        done[op] = bms_add_member(done[op], static_cast<int>(place));
        continue;
      }
      RaiseUnlessRow(error);
      if (error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION && !last) {
        ++left;
      } else {
        RefuseCurrent(self, op, place, error);
      }
    }
  }
  return left;
}

// Turns go on while they get rows written.
void WriteEachInTurns(Applying* self, Result* result) {
  Bitmapset* done[kOps] = {};
  int64 before = PG_INT64_MAX;
  for (;;) {
    const int64 left = WriteEach(self, result, false, done);
    if (left == 0) {
      return;
    }
    if (left == before) {
      WriteEach(self, result, true, done);
      return;
    }
    before = left;
  }
}

}  // namespace

void Apply(const Target* target, Recompute* recompute, Changes* changes, Result* result) {
  result->unchanged += changes->unchanged;
  if (changes->count[0] + changes->count[1] + changes->count[2] == 0) {
    return;
  }
  Applying* self = static_cast<Applying*>(palloc0(sizeof(Applying)));
  self->target = target;
  self->recompute = recompute;
  self->changes = changes;
  self->has_duplicates = changes->refused != NIL;
  self->slot = MakeSingleTupleTableSlot(target->row, &TTSOpsMinimalTuple);
  self->attempt = AllocSetContextCreate(CurrentMemoryContext, "pg_tviews apply", ALLOCSET_DEFAULT_SIZES);

  bool each = false;
  for (int tries = 0;; ++tries) {
    ErrorData* error;
    ResetAttempt(self);
    if (TryInSubtransaction(WriteAll, self, &error)) {
      AddResult(self, result);
      break;
    }
    RaiseUnlessRow(error);
    const int64 tag = self->writer != nullptr ? CurrentTag(self->writer) : -1;
    if (tag < 0 || tries >= kWholeTries) {
      each = true;
      break;
    }
    RefuseTag(self, tag, error);
  }
  if (each) {
    WriteEachInTurns(self, result);
  }
  ExecDropSingleTupleTableSlot(self->slot);
  UpdateActiveSnapshotCommandId();
}

}  // namespace tviews::refresh
