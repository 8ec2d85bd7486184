// Waiting on a standby, where no worker answers: by looking at what is replayed.
#pragma once

#include "pg/pg.h"

namespace tviews::bgw {

// Waits until the changes of `xid` (invalid: of everything replayed before the call) are applied as far as replay tells.  False at `end`
// (DT_NOEND: never).  Ereports on cancel.  REQUIRES: recovery in progress.
//
// Where the calling query reads no table its snapshot is given back for the wait and a new one put in its place: replay would wait for the
// old one as soon as rows are cleaned up that it could see, and the wait for replay would last until max_standby_streaming_delay.
bool WaitForReplay(FullTransactionId xid, TimestampTz end);

}  // namespace tviews::bgw
