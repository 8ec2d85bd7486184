// Bringing the rows of a registered TVIEW up to date by difference, in the transaction that registers it.
#pragma once

#include "pg/pg.h"

namespace tviews::catalog {

// Returns the number of rows written.  A row that a user holds locked is deferred.  REQUIRES: the locks of a registration and the
// TVIEW's object; what was registered is visible (CommandCounterIncrement).  Ereports what a row violates: nothing is parked.
int64 RepairNow(Oid table);

}  // namespace tviews::catalog
