// Reading journal tables page by page, below snapshots; private to this folder.
#pragma once

#include "capture/journal.h"
#include "pg/extension.h"
#include "pg/pg.h"

namespace tviews::capture {

struct PageRow {
  uint64 xid;
  OffsetNumber offset;
  core::ByteSpan payload;  // in PageRows::bytes
};

// The rows of one page, copied, so that nothing is done under the page's lock.
struct PageRows {
  int count;
  PageRow rows[MaxHeapTuplesPerPage];
  unsigned char bytes[BLCKSZ];
};

// Copies the rows of a page that `snapshot` sees; nullptr: those whose writer is not known to have aborted and whose deleter is not
// known to have committed.  Ereports.
void ReadPageRows(Relation journal, BlockNumber block, Snapshot snapshot, BufferAccessStrategy strategy, PageRows* rows);

// Copies the row at (block, offset) if it is there and live in the same sense; `rows->count` is then 1.
void ReadOneRow(Relation journal, BlockNumber block, OffsetNumber offset, PageRows* rows);

inline Oid JournalOid(int table) { return pg::TableOid(static_cast<pg::Table>(static_cast<int>(pg::Table::kJournal0) + table)); }

// A record names a file that is not its table's: recycled after an abort, or VACUUM FULL moved the rows.  The worker scans again.
void NoteForeignFile();

// Judging xids needs a horizon below which pg_subtrans may not be cut: pushes a snapshot if there is none.
bool PushSnapshotIfNone();
void PopSnapshotIf(bool pushed);

}  // namespace tviews::capture
