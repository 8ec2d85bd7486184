// Writing and deleting journal rows.
#include "capture/journal.h"
#include "capture/journal_pages.h"
#include "shmem/database.h"

namespace tviews::capture {
namespace {

int CurrentJournal() {
  shmem::Database* database = shmem::MyDatabaseSlot();
  return database == nullptr ? 0 : static_cast<int>(pg_atomic_read_u32(&database->current_journal) % pg::kJournalTables);
}

// The worker may move on between our look and our lock; it recycles only a table whose lock it got after moving on, so the second
// look tells the truth for as long as the lock is held.
Relation OpenCurrentJournal(int* table) {
  for (;;) {
    *table = CurrentJournal();
    const Oid oid = JournalOid(*table);
    LockRelationOid(oid, RowExclusiveLock);
    if (CurrentJournal() == *table) {
      return table_open(oid, NoLock);
    }
    UnlockRelationOid(oid, RowExclusiveLock);
  }
}

HeapTuple FormRow(Relation journal, uint64 xid, core::ByteSpan payload) {
  bytea* bytes = static_cast<bytea*>(palloc(payload.size + VARHDRSZ));
  SET_VARSIZE(bytes, payload.size + VARHDRSZ);
  memcpy(VARDATA(bytes), payload.data, payload.size);
  Datum values[2] = {FullTransactionIdGetDatum(FullTransactionIdFromU64(xid)), PointerGetDatum(bytes)};
  bool nulls[2] = {false, false};
  HeapTuple row = heap_form_tuple(RelationGetDescr(journal), values, nulls);
  pfree(bytes);
  return row;
}

}  // namespace

core::JournalAddress WriteJournal(uint64 xid, core::ByteSpan payload) {
  int table = 0;
  Relation journal = OpenCurrentJournal(&table);
  if (RelationGetDescr(journal)->natts != 2) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("journal table \"%s\" of pg_tviews was altered", RelationGetRelationName(journal))));
  }
  HeapTuple row = FormRow(journal, xid, payload);
  heap_insert(journal, row, GetCurrentCommandId(true), HEAP_INSERT_NO_LOGICAL, nullptr);
  core::JournalAddress address;
  address.relfile = RelationFileNumber(journal);
  address.block = ItemPointerGetBlockNumber(&row->t_self);
  address.offset = ItemPointerGetOffsetNumber(&row->t_self);
  address.table = static_cast<uint16_t>(table);
  heap_freetuple(row);
  table_close(journal, NoLock);
  return address;
}

void DeleteJournalRow(core::JournalAddress address, uint64 xid) {
  Relation journal = table_open(JournalOid(address.table), RowExclusiveLock);
  PageRows* rows = nullptr;
  if (RelationFileNumber(journal) == address.relfile) {
    rows = static_cast<PageRows*>(palloc(sizeof(PageRows)));
    ReadOneRow(journal, address.block, address.offset, rows);
  } else {
    NoteForeignFile();
  }
  // The row of a savepoint that rolled back is gone, and vacuum may have given its place to somebody else's.
  if (rows != nullptr && rows->count == 1 && rows->rows[0].xid == xid) {
    ItemPointerData tid;
    ItemPointerSet(&tid, address.block, address.offset);
    TM_FailureData failure;
    const TM_Result result = heap_delete(journal, &tid, GetCurrentCommandId(true), InvalidSnapshot, true, &failure, false);
    if (result != TM_Ok && result != TM_SelfModified && result != TM_Deleted) {
      elog(ERROR, "could not delete a row of journal table \"%s\": result %d", RelationGetRelationName(journal),
           static_cast<int>(result));
    }
  }
  if (rows != nullptr) {
    pfree(rows);
  }
  table_close(journal, NoLock);
}

}  // namespace tviews::capture
