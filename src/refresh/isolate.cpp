// Failure isolation: refreshes a TVIEW's keys in a subtransaction, bisects on failure until the failing keys are alone.
//
// Failing writes are isolated by apply already; what arrives here are views and mappings that raise while they are computed.
#include "refresh/isolate.h"

#include "refresh/careful.h"
#include "refresh/isolation.h"
#include "refresh/key_collector.h"
#include "refresh/subtransaction.h"
#include "refresh/target.h"
#include "shmem/crashes.h"

namespace tviews::refresh {

namespace {

constexpr size_t kChunk = 10000;      // keys per subtransaction: bounds memory
constexpr int kGiveUpAfter = 16;      // single keys failed alike and none succeeded
constexpr int kLockTimeouts = 4;      // each costs lock_timeout: then whole pieces are left for later
constexpr int kRefuseAllAfter = 256;  // the rest is refused untried
constexpr double kWholeFraction = 0.3;
constexpr double kEnumerateUpTo = 1e6;  // rows of a TVIEW whose keys may be listed in memory

// Refreshes one stored row that is not among the keys: does the view fail for every key, or only for these?
bool AnotherKeyWorks(Isolation* self) {
  constexpr int64 kLook = 200;
  core::KeySets* stored = NewKeySetsHere();
  ErrorData* error;
  if (!ListKeys(self->tview, kLook, stored, &error)) {
    return false;
  }
  const size_t count = core::KeyCount(stored, 0);
  for (size_t i = 0; i < count; ++i) {
    if (!core::HasKey(self->keys, self->number, core::KeyAt(stored, 0, i))) {
      Isolation probe = *self;
      probe.keys = stored;
      probe.number = 0;
      Piece piece = {};
      piece.isolation = &probe;
      piece.first = i;
      piece.count = 1;
      return Try(&probe, &piece);
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
  if (count == 0 || self->retry || self->exhausted || Hopeless(self)) {
    return;
  }
  CHECK_FOR_INTERRUPTS();
  check_stack_depth();
  if (self->singles_failed >= kRefuseAllAfter && self->alike && self->applied == 0) {
    for (size_t i = first; i < first + count; ++i) {
      RefuseKey(self, i, "failed");  // one bad parent of very many rows
    }
    return;
  }
  Piece piece = {};
  piece.isolation = self;
  piece.first = first;
  piece.count = count;
  if (Try(self, &piece)) {
    Accept(self, &piece);
    return;
  }
  if (self->retry || self->exhausted) {
    return;
  }
  if (strcmp(self->sqlstate, "55P03") == 0 && (count == 1 || self->lock_timeouts >= kLockTimeouts)) {
    for (size_t i = first; i < first + count; ++i) {
      RefuseKey(self, i, "locked");
    }
    return;
  }
  if (count == 1) {
    const int code = MAKE_SQLSTATE(self->sqlstate[0], self->sqlstate[1], self->sqlstate[2], self->sqlstate[3], self->sqlstate[4]);
    self->alike = self->singles_failed == 0 || (self->alike && code == self->first_error);
    self->first_error = code;
    ++self->singles_failed;
    RefuseKey(self, first, "failed");
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
  if (Try(self, &piece)) {
    Accept(self, &piece);
    return true;
  }
  return self->retry || self->exhausted;
}

// `most`: keys in one subtransaction.
void RunPieces(Isolation* self, size_t most) {
  const size_t total = core::KeyCount(self->keys, self->number);
  for (size_t first = 0; first < total && !self->retry && !self->exhausted && !Hopeless(self); first += most) {
    Bisect(self, first, Min(most, total - first));
  }
}

// Keys of this TVIEW crashed a process: what did it alone is not tried beside others, and not tried at all while it is parked.
void RunApart(Isolation* self) {
  const Apart apart = SetApart(self->tview, self->keys, self->number);
  self->keys = apart.keys;
  self->probed = self->another_works = true;  // a probe might meet one of those
  self->number = kUntried;
  for (size_t i = 0; i < core::KeyCount(self->keys, kUntried); ++i) {
    core::Suspect suspect = {};
    const core::ByteSpan key = core::KeyAt(self->keys, kUntried, i);
    (void)shmem::FindSuspect(self->tview->table, 0, key, &suspect);
    NoteCrashes(self, suspect.crashes, false);
    RefuseKey(self, i, "failed");
    shmem::NoteParked(self->tview->table, 0, key);
  }
  self->number = kAlone;
  RunPieces(self, 1);
  self->number = kTogether;
  if (!apart.one_by_one) {
    RunPieces(self, kChunk);
  }
  // From the end, away from what crashed before: a key that succeeds tells that not all of them do.
  for (size_t left = apart.one_by_one ? core::KeyCount(self->keys, kTogether) : 0; left > 0 && !self->retry && !self->exhausted; --left) {
    Bisect(self, left - 1, 1);
  }
}

void RunAllKeys(Isolation* self) {
  if (self->suspected) {
    RunApart(self);
  } else if (self->listed || !RunAllAtOnce(self, core::KeyCount(self->keys, self->number))) {
    RunPieces(self, kChunk);
  }
}

// Keys that met a unique violation once more, now that the rest is applied; each row that still fails is refused.
void RunUniqueAgain(Isolation* self) {
  if (self->unique_reports == NIL || self->retry || self->exhausted) {
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
  if (kept && Try(&inner, &piece)) {
    self->result.inserted += piece.result.inserted;
    self->result.updated += piece.result.updated;
    self->result.deleted += piece.result.deleted;
    self->result.form = piece.result.form;
    MemoryContext old = MemoryContextSwitchTo(self->own);
    self->reports = list_concat(self->reports, piece.reports);
    MemoryContextSwitchTo(old);
  } else {
    self->retry = inner.retry;
    self->exhausted = inner.exhausted;
    self->reports = list_concat(self->reports, self->unique_reports);
  }
}

// The whole view raises.  Usually one row is to blame: list the keys, which rarely needs the expressions, and bisect.
bool RunWholeByKeys(Isolation* self) {
  if (RowsStored(self->tview->table) > kEnumerateUpTo) {
    return false;
  }
  core::KeySets* all = NewKeySetsHere();
  ErrorData* error;
  if (!ListKeys(self->tview, 0, all, &error)) {
    if (Classify(error) == Failing::kCancel) {
      ReThrowError(error);
    }
    return false;
  }
  self->keys = all;
  self->number = 0;
  self->listed = true;
  RunAllKeys(self);
  RunUniqueAgain(self);
  return true;
}

void RunWhole(Isolation* self, const core::Care& care, int limit_ms, bool* degraded) {
  Piece piece = {};
  piece.isolation = self;
  piece.whole = true;
  if (care.by_keys) {
    NoteCrashes(self, care.crashes, true);
  } else {
    ArmTimeout(limit_ms);
    const bool done = Try(self, &piece);
    DisarmRefreshTimeout();
    if (done) {
      Accept(self, &piece);
      self->applied = piece.result.keys;
      return;
    }
    self->too_long = limit_ms > 0 && self->timed_out;
  }
  if (self->retry || self->exhausted || self->too_long) {
    return;
  }
  *degraded = !RunWholeByKeys(self) || Hopeless(self) || (self->applied == 0 && self->singles_failed > 1 && self->alike);
}

// Nothing is parked for a resource that no key could get.
Verdict Judge(Isolation* self, bool degraded) {
  const bool wants = self->exhausted || (self->applied == 0 && self->singles_failed > 0 && self->alike && IsResource(self->first_error));
  if (self->retry) {
    return Verdict::kRetry;
  }
  if (self->too_long) {
    return Verdict::kTooLong;
  }
  if (wants && (self->exhausted || degraded || !AnotherKeyWorks(self))) {
    return Verdict::kExhausted;
  }
  return degraded ? Verdict::kDegraded : Verdict::kApplied;
}

}  // namespace

IsolatedResult RefreshIsolated(const catalog::Tview* tview, const core::KeySets* keys, uint32 number, bool whole, int whole_limit_ms,
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
  self->suspected = shmem::UnderSuspicion(tview->table);
  const core::Care care = self->suspected ? shmem::CareFor(tview->table, 0) : core::Care{};
  bool degraded = care.give_up;
  if (care.give_up) {
    NoteCrashes(self, care.crashes, true);
  } else if (whole) {
    RunWhole(self, care, whole_limit_ms, &degraded);
  } else {
    RunAllKeys(self);
    RunUniqueAgain(self);
    degraded = Hopeless(self);
  }
  if (self->suspected && !self->retry && !self->exhausted && !self->too_long) {
    shmem::NoteTried(tview->table, 0, whole || care.give_up ? core::kAllKeys : core::KeyCount(keys, number));
  }

  IsolatedResult isolated = {};
  isolated.verdict = Judge(self, degraded);
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
