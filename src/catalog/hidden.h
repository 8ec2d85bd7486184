// Dependencies of a TVIEW on what its view reads only through SQL functions.
#pragma once

#include "pg/pg.h"

namespace tviews::catalog {

// Makes the TVIEW `table` depend on all that `bodies` (of Query*) name, in the place of what it depended on before by this call: none of it
// can be dropped without CASCADE, and its changes are followed.
void DependOnBodies(Oid table, List* bodies);

}  // namespace tviews::catalog
