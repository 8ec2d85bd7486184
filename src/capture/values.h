// What a capture point takes from a row.
#pragma once

#include "core/key_sets.h"
#include "pg/pg.h"

namespace tviews::capture {

struct Point;

// Replaces `out` by the value of the point's columns; false when there is a NULL that nobody wants.  REQUIRES: the columns of the
// slot are deformed.
bool EncodeValue(const Point& point, const TupleTableSlot* row, StringInfo out);

// Adds what the trigger would capture from one image of a row (set number = capture point).  REQUIRES: `relation` is locked, `row`
// is one of its own.  Ereports.
void CollectValues(Relation relation, TupleTableSlot* row, core::KeySets* out);

}  // namespace tviews::capture
