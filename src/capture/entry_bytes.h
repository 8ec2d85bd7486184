// The form in which an entry lies in the shared graph cache; private to this folder.
#pragma once

#include "capture/entry.h"

namespace tviews::capture {

// A sequence of int32:
//   ancestor count, ancestors; point count, then per point: id, relation, nulls, column count, columns, used count, used

// Reads the entry of `relation` from the catalog.  Ereports.
void WriteEntry(StringInfo out, Relation relation);

// Fills `entry`, with memory from the current context; false when the bytes do not fit the relation.
bool ReadEntry(core::ByteSpan bytes, Relation relation, Entry* entry);

}  // namespace tviews::capture
