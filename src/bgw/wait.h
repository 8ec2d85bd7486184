// Waiting until committed changes are applied.
#pragma once

#include "pg/pg.h"

namespace tviews::bgw {

// Waits until everything committed before the call is applied.  False on timeout (milliseconds; < 0: for ever).  Ereports on cancel.
bool WaitApplied(int64 timeout_ms);

// The same for one transaction; true at once when it aborted.  Works on a standby by replay.
bool WaitAppliedFor(FullTransactionId xid, int64 timeout_ms);

// Installs the ResourceRelease callback behind pg_tviews.synchronous.
void InstallSynchronousWait();

}  // namespace tviews::bgw
