// Writing one row of a tv_ table: only owned columns, never waiting for a user's row lock, triggers and constraints as usual.
#pragma once

#include "refresh/recompute.h"

namespace tviews::refresh {

enum class Written : uint8 { kInserted, kUpdated, kDeleted, kUnchanged, kLocked };

// Everything an apply pass holds open.  Lives inside one subtransaction.
struct Writer;

// Opens indexes, slots and executor state.  Requires: AfterTriggerBeginQuery has not been called yet.
Writer* OpenWriter(const Target* target);
void CloseWriter(Writer* writer);

// A group of rows of one kind acts as one statement: statement triggers, transition tables, checks at its end.
void BeginGroup(Writer* writer, Op op);
void EndGroup(Writer* writer);

// Writes one row: `values` as in Changes.  `tag` comes back from CurrentTag when EndGroup finds that this row is not unique.
Written WriteRow(Writer* writer, const Datum* values, const bool* nulls, int64 tag);

// The tag of the row that is being written or checked; -1: none in particular.
int64 CurrentTag(const Writer* writer);

}  // namespace tviews::refresh
