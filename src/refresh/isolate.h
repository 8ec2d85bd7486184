// Failure isolation: refreshes a TVIEW's keys in a subtransaction, bisects on failure until the failing keys are alone.
#pragma once

#include "refresh/refresh.h"

namespace tviews::refresh {

enum class Verdict : uint8 {
  kApplied,   // everything but deferred keys
  kDegraded,  // the view fails for every key: nothing applied, `sqlstate` and `message` tell
  kRetry,     // serialization failure or deadlock: abort the batch and run it again
  kExhausted, // for want of a resource some keys, nobody's fault, are not refreshed: all are to be tried again later
  kTooLong,   // a comparison of the whole TVIEW took longer than it may here: nothing applied
};

struct IsolatedResult {
  Verdict verdict;
  Result result;
  char sqlstate[6];
  char message[256];
};

// As RefreshKeys over all keys of set `number` (whole: RefreshWhole), but never raises for a failing key: such keys go to `defer`
// with reason "failed", or "locked" when a lock timeout stopped them.  Cancel and shutdown still raise.  `whole_limit_ms` bounds the
// comparison of the whole TVIEW in one piece; 0: it may take its time.
IsolatedResult RefreshIsolated(const catalog::Tview* tview, const core::KeySets* keys, uint32 number, bool whole, int whole_limit_ms,
                               bool strays, DeferFunction defer, void* context);

}  // namespace tviews::refresh
