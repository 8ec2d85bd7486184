// DROP EXTENSION beside writers: the tables with capture triggers first, in order, as writers do.
#pragma once

#include "pg/pg.h"

namespace tviews::sql {

// When `statement` is DROP EXTENSION of pg_tviews by its owner: locks every table that carries a capture trigger.  Otherwise a
// writer that holds its table and comes to the journal would deadlock with the drop, which locks the journal first.
void LockForDropExtension(Node* statement);

}  // namespace tviews::sql
