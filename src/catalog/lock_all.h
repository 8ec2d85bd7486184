// Locking many tables that writers use in another order, without making them deadlock victims.
#pragma once

#include "pg/pg.h"

namespace tviews::catalog {

// Locks the relations (OIDs) to the end of the transaction, at first in OID order.  While one is not to be had the others are given
// back after a time shorter than a writer's deadlock_timeout, and all is tried again, beginning with that one.  Ereports: cancel, the user's lock_timeout.
void LockAll(const List* relations, LOCKMODE mode);

// A relation and how it is to be locked.
struct WantedLock {
  Oid relation;
  LOCKMODE mode;
};

// The same for a list of WantedLock*.
void LockAllWanted(const List* wanted);

}  // namespace tviews::catalog
