// The journal: four logged heap tables in turn, written at PRE_COMMIT and PRE_PREPARE, read and emptied by the worker.
//
// Invisible to logical replication, no TOAST, no index.  A writer locks the current table (ROW EXCLUSIVE, kept to the end of its
// transaction), re-reads which is current, and moves on if it changed.
#pragma once

#include "core/ring.h"
#include "pg/pg.h"

namespace tviews::capture {

// Writes one row (payload up to core::kMaxPayload) in the current (sub)transaction and says where.  Ereports.
core::JournalAddress WriteJournal(uint64 xid, core::ByteSpan payload);

// Tells the worker about one row whose writer is not known to have aborted.
using JournalRowFunction = void (*)(void* context, uint64 xid, core::JournalAddress address, core::ByteSpan payload);

// Where a scan goes on; zero it to begin.
struct JournalPosition {
  int table;
  uint32 relfile;  // of the table when it was left: another file is read from its start
  uint32 block;
};

// Scans all four tables below snapshots, page by page from `position`, and calls `function` for each row that is committed, in progress
// or prepared, and not deleted by a committed transaction; stops after the page that makes `rows` of them.  True when it came to the end.  For the worker.
bool ScanJournal(JournalPosition* position, size_t rows, JournalRowFunction function, void* context);

// Reads the payload of a row again, palloc'd; false when there is no such row with that xid (aborted, or the table was recycled).
bool ReadJournalRow(core::JournalAddress address, uint64 xid, core::ByteSpan* payload);

// Deletes a row in the current transaction.  The row must be committed.  Skips a row of a recycled table or of another transaction.
void DeleteJournalRow(core::JournalAddress address, uint64 xid);

// Moves to the next table when the current one is past its size and another is empty, and recycles (a new file) each other table
// that holds no live row and whose lock nobody holds.  Uses transactions of its own; call it outside of one.
void TurnJournal();

struct JournalSize {
  int64 rows, bytes;  // rows: not yet deleted, in all four
};
JournalSize MeasureJournal();  // for monitoring; cheap: a scan of at most the live pages

// Is a row of `xid` in the journal, or, if that is 0, one of any transaction before `before` that has ended?  Takes no snapshot.
bool JournalHolds(uint64 xid, uint64 before);

}  // namespace tviews::capture
