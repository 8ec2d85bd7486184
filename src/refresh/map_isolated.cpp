// A mapping query that raises for some values: bisects until they are alone, maps the rest.
#include "refresh/careful.h"
#include "refresh/subtransaction.h"
#include "shmem/crashes.h"

namespace tviews::refresh {

namespace {

constexpr size_t kMostFailures = 16;  // then the rest is given up: the TVIEW is going to be refreshed as a whole anyway

struct Piece {
  const Mapped* mapped;
  size_t first, count;
};

void RunPiece(void* argument) {
  const Piece* piece = static_cast<const Piece*>(argument);
  MapKeys(*piece->mapped, piece->first, piece->count);
}

// False: it raised for a reason of its own, which is in `*result`.
bool Try(Piece piece, MapResult* result) {
  ErrorData* error;
  const Oid tview = piece.mapped->tview->table;
  const core::PointId point = piece.mapped->point->id;
  const core::ByteSpan value = piece.count == 0 ? core::ByteSpan{nullptr, 0} : core::KeyAt(piece.mapped->dirty, point, piece.first);
  shmem::NoteAttempt(piece.count == 1 ? core::Attempt::kOne : core::Attempt::kSeveral, tview, point, value, piece.count);
  ArmRefreshTimeout();
  const bool done = TryInSubtransaction(RunPiece, &piece, &error);
  DisarmRefreshTimeout();
  shmem::NoteSurvived();
  if (done) {
    return true;
  }
  if (Classify(error) != Failing::kRow || IsResource(error->sqlerrcode)) {
    ReThrowError(error);
  }
  strlcpy(result->sqlstate, unpack_sql_state(error->sqlerrcode), sizeof(result->sqlstate));
  strlcpy(result->message, Describe(error), sizeof(result->message));
  result->too_long = IsTimeout(error);
  FreeErrorData(error);
  return false;
}

void Bisect(Piece piece, MapResult* result) {
  CHECK_FOR_INTERRUPTS();
  check_stack_depth();
  if (result->failed >= kMostFailures) {
    result->failed += piece.count;
  } else if (Try(piece, result)) {
    return;
  } else if (piece.count <= 1 || result->too_long) {  // each half would take as long
    result->failed += piece.count;
  } else {
    const size_t half = piece.count / 2;
    Bisect({piece.mapped, piece.first, half}, result);
    Bisect({piece.mapped, piece.first + half, piece.count - half}, result);
  }
}

// Values of this mapping crashed a process: each is tried alone, those that did it too often not at all.
void MapOneByOne(const Mapped& mapped, size_t total, MapResult* result) {
  const Oid tview = mapped.tview->table;
  for (size_t i = 0; i < total; ++i) {
    const core::ByteSpan value = core::KeyAt(mapped.dirty, mapped.point->id, i);
    if (MayMap(mapped, value)) {
      Bisect({&mapped, i, 1}, result);
      shmem::Acquit(tview, mapped.point->id, value);
      continue;
    }
    ++result->failed;
    strlcpy(result->sqlstate, kCrashSqlstate, sizeof(result->sqlstate));
    strlcpy(result->message, "the process that looked for the keys of a changed value was killed or crashed several times", sizeof(result->message));
    shmem::NoteParked(tview, mapped.point->id, value);
  }
  shmem::NoteTried(tview, mapped.point->id, total);
}

}  // namespace

MapResult MapIsolated(const Mapped& mapped) {
  MapResult result = {};
  const size_t total = core::KeyCount(mapped.dirty, mapped.point->id);
  const core::Care care = shmem::CareFor(mapped.tview->table, mapped.point->id);
  if (total > 0 && care.give_up) {  // to be parked as a whole, before anything of it is tried
    result.failed = total;
    result.hopeless = true;
    strlcpy(result.sqlstate, kCrashSqlstate, sizeof(result.sqlstate));
    strlcpy(result.message, DescribeCrashes(care.crashes, true), sizeof(result.message));
    shmem::NoteTried(mapped.tview->table, 0, core::kAllKeys);
    return result;
  }
  if (total > 0 && (care.one_by_one || care.by_keys)) {
    MapOneByOne(mapped, total, &result);
  } else if (total > 0) {
    Bisect({&mapped, 0, total}, &result);
    result.hopeless = result.failed == total && !Try({&mapped, 0, 0}, &result);
  }
  return result;
}

}  // namespace tviews::refresh
