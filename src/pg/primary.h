// What writes cannot run on a standby.
#pragma once

#include "pg/pg.h"

namespace tviews::pg {

// Ereports on a standby and in a read-only transaction.  `function` as the message shall name it.
inline void RequireWritable(const char* function) {
  if (RecoveryInProgress()) {
    ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION), errmsg("cannot execute %s during recovery", function),
                    errhint("Call it on the primary; its effect arrives here by replay.")));
  }
  PreventCommandIfReadOnly(function);
}

}  // namespace tviews::pg
