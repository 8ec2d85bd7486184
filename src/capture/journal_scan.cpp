// Scanning, re-reading and measuring the journal.
#include "capture/journal.h"
#include "capture/journal_pages.h"
#include "pg/waitpoint.h"
#include "shmem/database.h"

namespace tviews::capture {
namespace {

// Takes AccessShare and gives it back: a reader's transaction must not keep the table from being recycled.
Relation OpenJournal(int table) { return table_open(JournalOid(table), AccessShareLock); }
void CloseJournal(Relation journal) { table_close(journal, AccessShareLock); }

core::JournalAddress AddressOf(Relation journal, int table, BlockNumber block, OffsetNumber offset) {
  core::JournalAddress address;
  address.relfile = RelationFileNumber(journal);
  address.block = block;
  address.offset = offset;
  address.table = static_cast<uint16_t>(table);
  return address;
}

using PageFunction = void (*)(void* context, Relation journal, int table, BlockNumber block, const PageRows* rows);

// Calls `function` for each page of all journal tables, with the rows of it, whatever became of their transactions.
void WalkPages(PageFunction function, void* context) {
  const bool pushed = PushSnapshotIfNone();
  BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
  PageRows* rows = static_cast<PageRows*>(palloc(sizeof(PageRows)));
  for (int table = 0; table < pg::kJournalTables; ++table) {
    Relation journal = OpenJournal(table);
    const BlockNumber blocks = RelationGetNumberOfBlocks(journal);
    for (BlockNumber block = 0; block < blocks; ++block) {
      CHECK_FOR_INTERRUPTS();
      ReadPageRows(journal, block, nullptr, strategy, rows);
      function(context, journal, table, block, rows);
    }
    CloseJournal(journal);
  }
  pfree(rows);
  FreeAccessStrategy(strategy);
  PopSnapshotIf(pushed);
}

void Measure(void* context, Relation, int, BlockNumber, const PageRows* rows) {
  JournalSize* size = static_cast<JournalSize*>(context);
  size->rows += rows->count;
  size->bytes += BLCKSZ;
}

bool IsOfEnded(uint64 xid, uint64 before) {
  return xid < before && !TransactionIdIsInProgress(XidFromFullTransactionId(FullTransactionIdFromU64(xid)));
}

}  // namespace

bool ScanJournal(JournalPosition* position, size_t rows, JournalRowFunction function, void* context) {
  const bool pushed = PushSnapshotIfNone();
  BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
  PageRows* page = static_cast<PageRows*>(palloc(sizeof(PageRows)));
  size_t found = 0;
  while (position->table < pg::kJournalTables && found < rows) {
    Relation journal = OpenJournal(position->table);
    if (position->relfile != RelationFileNumber(journal)) {
      position->relfile = RelationFileNumber(journal);
      position->block = 0;
    }
    const BlockNumber blocks = RelationGetNumberOfBlocks(journal);
    for (; position->block < blocks && found < rows; ++position->block) {
      CHECK_FOR_INTERRUPTS();
      ReadPageRows(journal, position->block, nullptr, strategy, page);
      for (int i = 0; i < page->count; ++i) {
        function(context, page->rows[i].xid, AddressOf(journal, position->table, position->block, page->rows[i].offset), page->rows[i].payload);
      }
      found += page->count;
    }
    const bool read = position->block >= blocks;
    CloseJournal(journal);
    if (read) {
      *position = {position->table + 1, 0, 0};
      pg::Waitpoint("journal_table_read");
    }
  }
  pfree(page);
  FreeAccessStrategy(strategy);
  PopSnapshotIf(pushed);
  return position->table == pg::kJournalTables;
}

bool ReadJournalRow(core::JournalAddress address, uint64 xid, core::ByteSpan* payload) {
  const bool pushed = PushSnapshotIfNone();
  Relation journal = OpenJournal(address.table);
  PageRows* rows = static_cast<PageRows*>(palloc(sizeof(PageRows)));
  rows->count = 0;
  if (RelationFileNumber(journal) == address.relfile) {
    ReadOneRow(journal, address.block, address.offset, rows);
  } else {
    NoteForeignFile();
  }
  const bool found = rows->count == 1 && rows->rows[0].xid == xid;
  if (found) {
    const core::ByteSpan read = rows->rows[0].payload;
    unsigned char* copy = static_cast<unsigned char*>(palloc(Max(read.size, 1)));
    memcpy(copy, read.data, read.size);
    *payload = {copy, read.size};
  }
  pfree(rows);
  CloseJournal(journal);
  PopSnapshotIf(pushed);
  return found;
}

void NoteForeignFile() {
  shmem::Database* database = shmem::MyDatabaseSlot();
  if (database != nullptr) {
    pg_atomic_write_u32(&database->scan_needed, 1);
  }
}

JournalSize MeasureJournal() {
  JournalSize size = {0, 0};
  WalkPages(Measure, &size);
  return size;
}

bool JournalHolds(uint64 xid, uint64 before) {
  bool holds = false;
  PageRows* rows = static_cast<PageRows*>(palloc(sizeof(PageRows)));
  for (int table = 0; !holds && table < pg::kJournalTables; ++table) {
    Relation journal = OpenJournal(table);
    const BlockNumber blocks = RelationGetNumberOfBlocks(journal);
    for (BlockNumber block = 0; !holds && block < blocks; ++block) {
      CHECK_FOR_INTERRUPTS();
      ReadPageRows(journal, block, nullptr, nullptr, rows);
      for (int i = 0; i < rows->count; ++i) {
        holds = holds || (xid != 0 ? rows->rows[i].xid == xid : IsOfEnded(rows->rows[i].xid, before));
      }
    }
    CloseJournal(journal);
  }
  pfree(rows);
  return holds;
}

}  // namespace tviews::capture
