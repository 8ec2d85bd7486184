// The four journal tables take turns: moving on and recycling, so that the journal never grows for want of a vacuum.
#include "capture/journal.h"
#include "capture/journal_pages.h"
#include "pg/settings.h"
#include "pg/waitpoint.h"
#include "shmem/database.h"

namespace tviews::capture {
namespace {

// Blocks looked at in one go while the table is locked against everybody.
constexpr BlockNumber kBlocksPerTurn = 2048;

// How far an old table was found to hold no live row.  Once its lock was had while another table was current, nobody adds rows
// until it has a new file, so what was dead stays dead.
struct Progress {
  uint32 relfile;
  BlockNumber block;
};
Progress progress[pg::kJournalTables];

BlockNumber BlocksOf(int table) {
  Relation journal = table_open(JournalOid(table), AccessShareLock);
  const BlockNumber blocks = RelationGetNumberOfBlocks(journal);
  table_close(journal, AccessShareLock);
  return blocks;
}

void MoveOn(shmem::Database* database, const BlockNumber* blocks) {
  const uint32 current = pg_atomic_read_u32(&database->current_journal);
  if (static_cast<int64>(blocks[current]) * BLCKSZ <= static_cast<int64>(pg::debug_journal_switch_kb) * 1024) {
    return;
  }
  for (uint32 i = 1; i < pg::kJournalTables; ++i) {
    const uint32 next = (current + i) % pg::kJournalTables;
    if (blocks[next] == 0) {
      pg_atomic_write_u32(&database->current_journal, next);
      return;
    }
  }
}

// The table is locked against everybody.  Looks at some more of it; true when all of it is dead.
bool IsDead(Relation journal, Progress* seen) {
  if (seen->relfile != RelationFileNumber(journal)) {
    *seen = {RelationFileNumber(journal), 0};
  }
  const BlockNumber blocks = RelationGetNumberOfBlocks(journal);
  const BlockNumber end = Min(blocks, seen->block + kBlocksPerTurn);
  PageRows* rows = static_cast<PageRows*>(palloc(sizeof(PageRows)));
  rows->count = 0;
  while (seen->block < end) {
    ReadPageRows(journal, seen->block, nullptr, nullptr, rows);
    if (rows->count > 0) {
      break;
    }
    ++seen->block;
  }
  pfree(rows);
  return seen->block == blocks;
}

void Recycle(int table) {
  const Oid oid = JournalOid(table);
  if (!ConditionalLockRelationOid(oid, AccessExclusiveLock)) {
    return;  // somebody writes or wrote here and has not ended; a prepared transaction counts
  }
  Relation journal = table_open(oid, NoLock);
  const bool dead = IsDead(journal, &progress[table]);
  if (dead) {
    pg::Waitpoint("before_new_storage");
#if PG_VERSION_NUM >= 160000
    RelationSetNewRelfilenumber(journal, journal->rd_rel->relpersistence);
#else
    RelationSetNewRelfilenode(journal, journal->rd_rel->relpersistence);
#endif
    pg::Waitpoint("after_new_storage");
  }
  table_close(journal, NoLock);
}

bool IsDue(shmem::Database* database, const BlockNumber* blocks) {
  const int current = static_cast<int>(pg_atomic_read_u32(&database->current_journal));
  for (int table = 0; table < pg::kJournalTables; ++table) {
    if (blocks[table] > 0 && table != current) {
      return true;
    }
  }
  return false;
}

}  // namespace

void TurnJournal() {
  shmem::Database* database = shmem::MyDatabaseSlot();
  if (database == nullptr) {
    return;
  }
  StartTransactionCommand();
  BlockNumber blocks[pg::kJournalTables];
  for (int table = 0; table < pg::kJournalTables; ++table) {
    blocks[table] = BlocksOf(table);
  }
  MoveOn(database, blocks);
  const bool due = IsDue(database, blocks);
  CommitTransactionCommand();
  // One transaction for each: no lock on one table is kept while the next is looked at.
  for (int table = 0; due && table < pg::kJournalTables; ++table) {
    if (blocks[table] == 0 || table == static_cast<int>(pg_atomic_read_u32(&database->current_journal))) {
      continue;
    }
    StartTransactionCommand();
    pg::Waitpoint("before_recycle");
    PushActiveSnapshot(GetTransactionSnapshot());
    Recycle(table);
    PopActiveSnapshot();
    CommitTransactionCommand();
  }
}

}  // namespace tviews::capture
