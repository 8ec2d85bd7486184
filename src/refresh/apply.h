// Applying the changes of a refresh: deletes, updates, inserts; a failing row is refused alone.
#pragma once

#include "refresh/recompute.h"

namespace tviews::refresh {

// Applies `changes` in a subtransaction and adds what it did to `result`.  Rows that a user holds and rows whose write failed are
// added to changes->refused.  Ereports for what a retry of the batch, or a cancel, has to settle.
void Apply(const Target* target, Recompute* recompute, Changes* changes, Result* result);

}  // namespace tviews::refresh
