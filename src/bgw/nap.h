// Sleeping in slices until a time.
#pragma once

#include "pg/pg.h"

namespace tviews::bgw {

// Milliseconds to sleep, at most `slice`; 0 when `end` (DT_NOEND: never) has come.
inline long NextSlice(TimestampTz end, long slice) {
  return end == DT_NOEND ? slice : Min(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end), slice);
}

// Sleeps, or less when the latch is set.  Ereports on cancel.
inline void Nap(long ms) {
  WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, PG_WAIT_EXTENSION);
  ResetLatch(MyLatch);
  CHECK_FOR_INTERRUPTS();
}

}  // namespace tviews::bgw
