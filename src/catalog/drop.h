// Dropping by any road: what the hooks note while relations go, what is cleaned up after the command.
#pragma once

#include "pg/pg.h"

namespace tviews::catalog {

// A relation is about to be dropped (object-access hook): remembers it if it is a TVIEW's table.
void NoteDrop(Oid relation);

// Cleans up after the TVIEWs whose tables are gone; `behavior` for the views that pg_tviews made.  Cheap when there are none.
void FinishDrops(DropBehavior behavior);

// Forgets what was noted; at the end of a transaction.
void ForgetNotedDrops();

}  // namespace tviews::catalog
