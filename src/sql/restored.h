// What came back from a dump: capture triggers that carry a definition, and the views they wait for.
#pragma once

#include "pg/pg.h"

namespace tviews::sql {

// A capture trigger was created on `relation` by a restore, or by hand.  A TVIEW that cannot be registered now is warned of; its trigger stays.
void AfterRestore(Oid relation);

// A view was created: TVIEWs that were restored before it are registered now.
void AfterNewView(Oid view);

}  // namespace tviews::sql
