// The deferred rows of a TVIEW that the second process compares as a whole while batches go on without it.
//
// Its whole-TVIEW row, due never, says so: the TVIEW is *detached*.  Batches write what changes meanwhile as rows that are due never
// either, or touch the whole-TVIEW row; the second process, at its end, drops what its snapshot saw and makes the rest due.  Both do so
// under the TVIEW's second object lock (bgw/locks), so that they never meet at a row.
#pragma once

#include "catalog/graph.h"
#include "core/bytes.h"
#include "pg/pg.h"

namespace tviews::refresh {

enum class WholeRow : uint8 { kNone, kOrdinary, kDetached };
// What the active snapshot sees.
WholeRow FindWholeRow(Oid tview);

// Makes the whole-TVIEW row, or writes it anew, as that of a detached TVIEW: a comparison with an older snapshot is not enough.
void Detach(const catalog::Tview* tview);

// Writes the row of a key that changed while the TVIEW is detached.
void DeferDetached(const catalog::Tview* tview, core::ByteSpan key);

// The whole TVIEW was compared with snapshot `compared` and written: drops the rows that this saw, makes those that came later due.
// Rows written in this transaction stay as they are.  True: the TVIEW must be compared once more.
bool Attach(const catalog::Tview* tview, Snapshot compared);

// The whole TVIEW failed, which its whole-TVIEW row says: that covers all the others.
void DropCovered(const catalog::Tview* tview);

}  // namespace tviews::refresh
