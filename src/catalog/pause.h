// Pausing and resuming a TVIEW: its state, and what becomes of its deferred rows.
#pragma once

#include "pg/pg.h"

namespace tviews::catalog {

enum class PauseChange { kDone, kAlready, kGone };

// From now on the worker notes what the TVIEW misses in place of refreshing it.  REQUIRES: LockTview.  Ereports.
PauseChange PauseTview(Oid table);

// Makes all that it missed due.  A TVIEW with a whole-TVIEW row is degraded or refreshing until that is served; degraded, too, while capture is off.  REQUIRES: LockTview.  Ereports.
PauseChange ResumeTview(Oid table);

}  // namespace tviews::catalog
