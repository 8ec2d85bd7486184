// The second process of a database: compares TVIEWs as a whole that would keep the others waiting.
#pragma once

#include "bgw/worker.h"

namespace tviews::bgw {

// long_refresh.cpp
// The next detached TVIEW by turns, not before its time; InvalidOid: none.  `*next`: when one that waits may be tried.  Ereports.
Oid NextDetached(Worker* worker, TimestampTz now, TimestampTz* next);
// Compares the whole TVIEW in one transaction, then its keys are the batches' again.  Ereports; it is still detached then.
void RefreshDetached(Worker* worker, Oid tview);
// After that raised: it is tried later, the more often it failed the later.  `gave_way`: somebody waited for its locks.
void NoteFailed(Oid tview, bool gave_way);

// long_supervise.cpp
// The launcher's part: starts and restarts the second process of slot `i`, lets it give way to who waits for its locks.  `*running`:
// it is, or may be.  Returns when to look again.
TimestampTz SuperviseLong(int i, bool may_start, TimestampTz now, bool* running);

}  // namespace tviews::bgw
