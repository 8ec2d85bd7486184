// A mapping query that raises for some values: bisects until they are alone, maps the rest.
#include "refresh/map_keys.h"
#include "refresh/subtransaction.h"

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
  if (TryInSubtransaction(RunPiece, &piece, &error)) {
    return true;
  }
  if (Classify(error) != Failing::kRow || error->sqlerrcode == ERRCODE_OUT_OF_MEMORY) {
    ReThrowError(error);
  }
  strlcpy(result->sqlstate, unpack_sql_state(error->sqlerrcode), sizeof(result->sqlstate));
  strlcpy(result->message, Describe(error), sizeof(result->message));
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
  } else if (piece.count <= 1) {
    result->failed += piece.count;
  } else {
    const size_t half = piece.count / 2;
    Bisect({piece.mapped, piece.first, half}, result);
    Bisect({piece.mapped, piece.first + half, piece.count - half}, result);
  }
}

}  // namespace

MapResult MapIsolated(const Mapped& mapped) {
  MapResult result = {};
  const size_t total = core::KeyCount(mapped.dirty, mapped.point->id);
  if (total > 0) {
    Bisect({&mapped, 0, total}, &result);
    result.hopeless = result.failed == total && !Try({&mapped, 0, 0}, &result);
  }
  return result;
}

}  // namespace tviews::refresh
