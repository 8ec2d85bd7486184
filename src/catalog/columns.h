// The columns of a table that a TVIEW is to own: are they there, and can they hold what its view gives.
#pragma once

#include "catalog/building.h"
#include "pg/pg.h"

namespace tviews::catalog {

// Can a table's column of type `want` hold a view's of type `have`?  Made tables have the view's types; adopted ones may differ by
// an assignment cast.
bool TypeFits(Oid have, Oid want, bool adopted);

// The table that is adopted has every column of the view, writable and of a fitting type; those of the key have its very type; a
// new row needs none of the others.  Ereports 42703, 428C9, 42804, 42P16.
void CheckOwnedColumns(const Building& building);

}  // namespace tviews::catalog
