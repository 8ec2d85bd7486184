// The index by which the stored rows of a TVIEW are found.
#pragma once

#include "pg/pg.h"

namespace tviews::catalog {

// Can a unique index over these columns be made?  On a partitioned table only when all partition columns, those of
// its partitions too, are among them.
bool CanBeUnique(Oid table, const AttrNumber* key, int key_count);

// An index over the whole table whose first columns are those of the key, unique where it can be; InvalidOid if there is none.
Oid FindKeyAccess(Oid table, const AttrNumber* key, int key_count);

}  // namespace tviews::catalog
