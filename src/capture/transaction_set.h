// What this transaction changed: dirty keys per subtransaction, written to the journal before commit.
#pragma once

#include "core/record.h"
#include "pg/pg.h"

namespace tviews::capture {

// Installs the transaction and subtransaction callbacks.  Called from _PG_init.
void InstallTransactionCallbacks();

// Adds a dirty key to the current subtransaction.  Ereports.  Past a fixed number of keys the current subtransaction's own keys
// are written to the journal early.
void NoteKey(core::DirtyKey key);

// From now on, in this process, changes captured at `point` are not noted; 0: none is left out.
void LeaveOutPoint(core::PointId point);

// TRUNCATE, or anything else that touched the whole relation.
void NoteWholeRelation(Oid relation);

// True when this transaction captured anything (so far, or already written to the journal).  While a commit releases its resources:
// whether the transaction did.
bool CapturedAnything();

// Takes what was captured so far out of the transaction set, as a payload in the current memory context (the worker's own writes
// to tv_* tables join its batch instead of the journal).
core::ByteSpan TakeCaptured();

// COMMIT PREPARED was run: this transaction counts as one that captured something, for whatever it committed.
void NoteCommitPrepared();

// Wakes the worker at commit even if nothing was captured.
void WakeAtCommit();

}  // namespace tviews::capture
