// One attempt of failure isolation: a piece of a TVIEW's keys in a subtransaction, noted for the accounting of crashes.
#include "refresh/isolation.h"

#include "refresh/careful.h"
#include "refresh/subtransaction.h"
#include "shmem/crashes.h"

namespace tviews::refresh {

namespace {

void Collect(void* context, core::ByteSpan key, const char* reason, const char* sqlstate, const char* message) {
  Piece* piece = static_cast<Piece*>(context);
  MemoryContext old = MemoryContextSwitchTo(piece->isolation->own);
  Report* report = static_cast<Report*>(palloc0(sizeof(Report)));
  unsigned char* copy = static_cast<unsigned char*>(palloc(key.size + 1));
  memcpy(copy, key.data, key.size);
  report->key = {copy, key.size};
  report->reason = reason;  // a literal
  strlcpy(report->sqlstate, sqlstate != nullptr ? sqlstate : "", sizeof(report->sqlstate));
  report->message = message != nullptr ? pstrdup(message) : nullptr;
  piece->reports = lappend(piece->reports, report);
  MemoryContextSwitchTo(old);
}

void RunPiece(void* argument) {
  Piece* piece = static_cast<Piece*>(argument);
  const Isolation* self = piece->isolation;
  const bool only_keys = self->suspected || self->listed || piece->count < core::KeyCount(self->keys, self->number);
  piece->result = piece->whole
                      ? RefreshWhole(self->tview, Collect, piece)
                      : RefreshKeys(self->tview, self->keys, self->number, piece->first, piece->count, self->strays, only_keys, Collect, piece);
}

void AddResult(Result* sum, const Result& more) {
  sum->keys += more.keys;
  sum->inserted += more.inserted;
  sum->updated += more.updated;
  sum->deleted += more.deleted;
  sum->unchanged += more.unchanged;
  sum->locked += more.locked;
  sum->form = more.form;
}

void NoteError(Isolation* self, const ErrorData* error) {
  strlcpy(self->sqlstate, unpack_sql_state(error->sqlerrcode), sizeof(self->sqlstate));
  strlcpy(self->message, Describe(error), sizeof(self->message));
}

}  // namespace

void Accept(Isolation* self, Piece* piece) {
  AddResult(&self->result, piece->result);
  self->applied += static_cast<int64>(piece->count) - list_length(piece->reports);
  ListCell* cell;
  MemoryContext old = MemoryContextSwitchTo(self->own);
  foreach (cell, piece->reports) {
    Report* report = static_cast<Report*>(lfirst(cell));
    if (!self->last_turn && strcmp(report->sqlstate, "23505") == 0) {
      self->unique_reports = lappend(self->unique_reports, report);
    } else {
      self->reports = lappend(self->reports, report);
    }
  }
  MemoryContextSwitchTo(old);
}

void NoteCrashes(Isolation* self, uint32 crashes, bool whole) {
  strlcpy(self->sqlstate, kCrashSqlstate, sizeof(self->sqlstate));
  strlcpy(self->message, DescribeCrashes(crashes, whole), sizeof(self->message));
}

bool Try(Isolation* self, Piece* piece) {
  ErrorData* error;  // in the memory of the attempt
  MemoryContext old = CurrentMemoryContext;
  MemoryContext attempt = AllocSetContextCreate(self->own, "pg_tviews attempt", ALLOCSET_DEFAULT_SIZES);
  MemoryContextSwitchTo(attempt);
  const Oid tview = self->tview->table;
  const bool one = !piece->whole && piece->count == 1;
  const core::ByteSpan key = piece->whole ? core::ByteSpan{nullptr, 0} : core::KeyAt(self->keys, self->number, piece->first);
  shmem::NoteAttempt(piece->whole ? core::Attempt::kWhole : one ? core::Attempt::kOne : core::Attempt::kSeveral, tview, 0, key, piece->count);
  const bool done = TryInSubtransaction(RunPiece, piece, &error);
  shmem::NoteSurvived();
  if (self->suspected && one) {
    shmem::Acquit(tview, 0, key);
    shmem::NoteSuccess(tview);
  } else if (self->suspected && piece->whole && done) {
    shmem::AcquitAll(tview);
  }
  MemoryContextSwitchTo(old);
  if (!done) {
    DisarmRefreshTimeout();
    if (Classify(error) == Failing::kCancel) {
      ReThrowError(error);
    }
    NoteError(self, error);
    self->timed_out = IsTimeout(error);
    self->retry = Classify(error) == Failing::kRetry;
    self->exhausted = Classify(error) == Failing::kMachine;
    self->lock_timeouts += Classify(error) == Failing::kLocked;
  }
  MemoryContextDelete(attempt);
  return done;
}

void RefuseKey(Isolation* self, size_t at, const char* reason) {
  MemoryContext old = MemoryContextSwitchTo(self->own);
  Report* report = static_cast<Report*>(palloc0(sizeof(Report)));
  report->key = core::KeyAt(self->keys, self->number, at);
  report->reason = reason;
  strlcpy(report->sqlstate, self->sqlstate, sizeof(report->sqlstate));
  report->message = pstrdup(self->message);
  self->reports = lappend(self->reports, report);
  self->result.locked += strcmp(reason, "locked") == 0;
  MemoryContextSwitchTo(old);
}

}  // namespace tviews::refresh
