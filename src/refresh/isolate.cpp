// Failure isolation: refreshes a TVIEW's keys in a subtransaction, bisects on failure until the failing keys are alone.
//
// Failing writes are isolated by apply already; what arrives here are views and mappings that raise while they are computed.
#include "refresh/isolate.h"

#include "refresh/key_collector.h"
#include "refresh/subtransaction.h"
#include "refresh/target.h"
#include "refresh/verify.h"

namespace tviews::refresh {

namespace {

constexpr size_t kChunk = 10000;      // keys per subtransaction: bounds memory
constexpr int kGiveUpAfter = 16;      // single keys failed alike and none succeeded
constexpr int kLockTimeouts = 4;      // each costs lock_timeout: then whole pieces are left for later
constexpr int kRefuseAllAfter = 256;  // the rest is refused untried
constexpr double kWholeFraction = 0.3;
constexpr double kEnumerateUpTo = 1e6;  // rows of a TVIEW whose keys may be listed in memory

// A refused key, kept until its subtransaction is sure.
struct Report {
  core::ByteSpan key;
  const char* reason;
  char sqlstate[6];
  const char* message;
};

struct Isolation {
  const catalog::Tview* tview;
  const core::KeySets* keys;
  uint32 number;
  bool strays;
  MemoryContext own;
  Result result;
  List* reports;         // of Report*, of committed subtransactions
  List* unique_reports;  // those with 23505: another turn at the end
  bool last_turn;
  int64 singles_failed;  // keys refused because the view raises for them
  int64 applied;         // keys whose subtransaction committed
  int first_error;       // SQLSTATE of the first single failure
  bool alike;            // all single failures had it
  char sqlstate[6];
  char message[256];
  bool retry;
  int lock_timeouts;
  bool listed;                 // all keys of a view that failed as a whole
  bool probed, another_works;  // see Hopeless
};

// One subtransaction: which keys, and what came out.
struct Piece {
  Isolation* isolation;
  size_t first, count;
  bool whole;
  Result result;
  List* reports;
};

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
  piece->result = piece->whole ? RefreshWhole(self->tview, Collect, piece)
                               : RefreshKeys(self->tview, self->keys, self->number, piece->first, piece->count, self->strays, Collect, piece);
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

void NoteError(Isolation* self, const ErrorData* error) {
  strlcpy(self->sqlstate, unpack_sql_state(error->sqlerrcode), sizeof(self->sqlstate));
  strlcpy(self->message, Describe(error), sizeof(self->message));
}

// Tries a piece; false: it failed for a reason of its own and was rolled back, `*error` tells.
bool Try(Isolation* self, Piece* piece, ErrorData** error) {
  MemoryContext old = CurrentMemoryContext;
  MemoryContext attempt = AllocSetContextCreate(self->own, "pg_tviews attempt", ALLOCSET_DEFAULT_SIZES);
  MemoryContextSwitchTo(attempt);
  const bool done = TryInSubtransaction(RunPiece, piece, error);
  MemoryContextSwitchTo(old);
  if (!done) {
    DisarmRefreshTimeout();
    if (Classify(*error) == Failing::kCancel) {
      ReThrowError(*error);
    }
    NoteError(self, *error);
    self->retry = Classify(*error) == Failing::kRetry;
    self->lock_timeouts += Classify(*error) == Failing::kLocked;
  }
  MemoryContextDelete(attempt);
  return done;
}

void RefuseKey(Isolation* self, size_t at, bool locked) {
  MemoryContext old = MemoryContextSwitchTo(self->own);
  Report* report = static_cast<Report*>(palloc0(sizeof(Report)));
  report->key = core::KeyAt(self->keys, self->number, at);
  report->reason = locked ? "locked" : "failed";
  strlcpy(report->sqlstate, self->sqlstate, sizeof(report->sqlstate));
  report->message = pstrdup(self->message);
  self->reports = lappend(self->reports, report);
  self->result.locked += locked;
  MemoryContextSwitchTo(old);
}

struct Listing {
  const catalog::Tview* tview;
  core::KeySets* keys;
  int64 limit;  // 0: all
};

void ListKeys(void* argument) {
  const Listing* listing = static_cast<const Listing*>(argument);
  if (listing->limit > 0) {
    StoredKeys(listing->tview, listing->limit, listing->keys, 0);
  } else {
    AllKeys(listing->tview, listing->keys, 0);
  }
}

// Refreshes one stored row that is not among the keys: does the view fail for every key, or only for these?
bool AnotherKeyWorks(Isolation* self) {
  constexpr int64 kLook = 200;
  Listing listing = {self->tview, NewKeySetsHere(), kLook};
  ErrorData* error;
  if (!TryInSubtransaction(ListKeys, &listing, &error)) {
    return false;
  }
  const size_t count = core::KeyCount(listing.keys, 0);
  for (size_t i = 0; i < count; ++i) {
    if (!core::HasKey(self->keys, self->number, core::KeyAt(listing.keys, 0, i))) {
      Isolation probe = *self;
      probe.keys = listing.keys;
      probe.number = 0;
      Piece piece = {};
      piece.isolation = &probe;
      piece.first = i;
      piece.count = 1;
      return Try(&probe, &piece, &error);
    }
  }
  return false;
}

// True when it makes no sense to go on: every key fails, and in one way.
bool Hopeless(Isolation* self) {
  // A right that is missing is missing for all of them.
  const int64 enough = self->first_error == ERRCODE_INSUFFICIENT_PRIVILEGE ? 1 : kGiveUpAfter;
  if (self->singles_failed < enough || self->applied > 0 || !self->alike || self->another_works) {
    return false;
  }
  if (!self->probed) {
    self->probed = true;
    self->another_works = AnotherKeyWorks(self);
  }
  return !self->another_works;
}

void Bisect(Isolation* self, size_t first, size_t count) {
  if (count == 0 || self->retry || Hopeless(self)) {
    return;
  }
  CHECK_FOR_INTERRUPTS();
  check_stack_depth();
  if (self->singles_failed >= kRefuseAllAfter && self->alike && self->applied == 0) {
    for (size_t i = first; i < first + count; ++i) {
      RefuseKey(self, i, false);  // one bad parent of very many rows
    }
    return;
  }
  Piece piece = {};
  piece.isolation = self;
  piece.first = first;
  piece.count = count;
  ErrorData* error;
  if (Try(self, &piece, &error)) {
    Accept(self, &piece);
    return;
  }
  if (self->retry) {
    return;
  }
  if (strcmp(self->sqlstate, "55P03") == 0 && (count == 1 || self->lock_timeouts >= kLockTimeouts)) {
    for (size_t i = first; i < first + count; ++i) {
      RefuseKey(self, i, true);
    }
    return;
  }
  if (count == 1) {
    const int code = MAKE_SQLSTATE(self->sqlstate[0], self->sqlstate[1], self->sqlstate[2], self->sqlstate[3], self->sqlstate[4]);
    self->alike = self->singles_failed == 0 || (self->alike && code == self->first_error);
    self->first_error = code;
    ++self->singles_failed;
    RefuseKey(self, first, false);
    return;
  }
  Bisect(self, first, count / 2);
  Bisect(self, first + count / 2, count - count / 2);
}

// More keys than one piece holds, and a good part of the table: the whole view is cheaper than its pieces.
bool RunAllAtOnce(Isolation* self, size_t total) {
  const double rows = RowsStored(self->tview->table);
  if (total <= kChunk || rows <= 0 || total < kWholeFraction * rows) {
    return false;
  }
  Piece piece = {};
  piece.isolation = self;
  piece.whole = true;
  piece.count = total;
  ErrorData* error;
  if (Try(self, &piece, &error)) {
    Accept(self, &piece);
    return true;
  }
  return self->retry;
}

void RunAllKeys(Isolation* self) {
  const size_t total = core::KeyCount(self->keys, self->number);
  if (!self->listed && RunAllAtOnce(self, total)) {
    return;
  }
  for (size_t first = 0; first < total && !self->retry && !Hopeless(self); first += kChunk) {
    Bisect(self, first, Min(kChunk, total - first));
  }
}

// Keys that met a unique violation once more, now that the rest is applied; each row that still fails is refused.
void RunUniqueAgain(Isolation* self) {
  if (self->unique_reports == NIL || self->retry) {
    return;
  }
  core::KeySets* again = NewKeySetsHere();
  bool kept = true;
  ListCell* cell;
  foreach (cell, self->unique_reports) {
    kept = kept && core::AddKey(again, 0, static_cast<const Report*>(lfirst(cell))->key, nullptr) == core::Outcome::kOk;
  }
  self->last_turn = true;
  Piece piece = {};
  Isolation inner = *self;
  piece.isolation = &inner;
  inner.keys = again;
  inner.number = 0;
  piece.count = list_length(self->unique_reports);
  ErrorData* error;
  if (kept && Try(&inner, &piece, &error)) {
    self->result.inserted += piece.result.inserted;
    self->result.updated += piece.result.updated;
    self->result.deleted += piece.result.deleted;
    self->result.form = piece.result.form;
    MemoryContext old = MemoryContextSwitchTo(self->own);
    self->reports = list_concat(self->reports, piece.reports);
    MemoryContextSwitchTo(old);
  } else {
    self->retry = inner.retry;
    self->reports = list_concat(self->reports, self->unique_reports);
  }
}

// The whole view raises.  Usually one row is to blame: list the keys, which rarely needs the expressions, and bisect.
bool RunWholeByKeys(Isolation* self) {
  if (RowsStored(self->tview->table) > kEnumerateUpTo) {
    return false;
  }
  Listing listing = {self->tview, NewKeySetsHere(), 0};
  ErrorData* error;
  if (!TryInSubtransaction(ListKeys, &listing, &error)) {
    if (Classify(error) == Failing::kCancel) {
      ReThrowError(error);
    }
    return false;
  }
  self->keys = listing.keys;
  self->number = 0;
  self->listed = true;
  RunAllKeys(self);
  RunUniqueAgain(self);
  return true;
}

void RunWhole(Isolation* self, bool* degraded) {
  Piece piece = {};
  piece.isolation = self;
  piece.whole = true;
  ErrorData* error;
  if (Try(self, &piece, &error)) {
    Accept(self, &piece);
    self->applied = piece.result.keys;
    return;
  }
  if (self->retry) {
    return;
  }
  *degraded = !RunWholeByKeys(self) || Hopeless(self) || (self->applied == 0 && self->singles_failed > 1 && self->alike);
}

}  // namespace

IsolatedResult RefreshIsolated(const catalog::Tview* tview, const core::KeySets* keys, uint32 number, bool whole,
                               bool strays, DeferFunction defer, void* context) {
  MemoryContext outer = CurrentMemoryContext;
  MemoryContext own = AllocSetContextCreate(outer, "pg_tviews isolation", ALLOCSET_DEFAULT_SIZES);
  MemoryContextSwitchTo(own);
  Isolation* self = static_cast<Isolation*>(palloc0(sizeof(Isolation)));
  self->tview = tview;
  self->keys = keys;
  self->number = number;
  self->strays = strays;
  self->own = own;
  bool degraded = false;
  if (whole) {
    RunWhole(self, &degraded);
  } else {
    RunAllKeys(self);
    RunUniqueAgain(self);
    degraded = Hopeless(self);
  }

  IsolatedResult isolated = {};
  isolated.verdict = self->retry ? Verdict::kRetry : degraded ? Verdict::kDegraded : Verdict::kApplied;
  isolated.result = self->result;
  if (isolated.verdict != Verdict::kApplied || self->singles_failed > 0) {
    strlcpy(isolated.sqlstate, self->sqlstate, sizeof(isolated.sqlstate));
    strlcpy(isolated.message, self->message, sizeof(isolated.message));
  }
  if (isolated.verdict == Verdict::kApplied) {
    isolated.result.keys = whole ? isolated.result.keys : static_cast<int64>(core::KeyCount(keys, number));
    ListCell* cell;
    foreach (cell, self->reports) {
      const Report* report = static_cast<const Report*>(lfirst(cell));
      defer(context, report->key, report->reason, report->sqlstate[0] != '\0' ? report->sqlstate : nullptr, report->message);
    }
  }
  MemoryContextSwitchTo(outer);
  MemoryContextDelete(own);
  return isolated;
}

}  // namespace tviews::refresh
