// Reading journal tables page by page, below snapshots.
//
// SnapshotAny's scan would hand over aborted rows too and say nothing of who wrote them; and a scan through the table access method
// with an MVCC snapshot takes predicate locks in SERIALIZABLE, which would abort writers.
#include "capture/journal_pages.h"

namespace tviews::capture {
namespace {

bool HasCommitted(TransactionId xid) {
  // In this order: a transaction commits in the log before it leaves the list of running ones.
  return !TransactionIdIsCurrentTransactionId(xid) && !TransactionIdIsInProgress(xid) && TransactionIdDidCommit(xid);
}

bool HasAborted(TransactionId xid) {
  return !TransactionIdIsCurrentTransactionId(xid) && !TransactionIdIsInProgress(xid) && !TransactionIdDidCommit(xid);
}

bool IsLive(HeapTupleHeader header) {
  if (!HeapTupleHeaderXminCommitted(header)) {  // frozen counts as committed
    if (HeapTupleHeaderXminInvalid(header) || HasAborted(HeapTupleHeaderGetRawXmin(header))) {
      return false;
    }
  }
  if ((header->t_infomask & HEAP_XMAX_INVALID) != 0 || HEAP_XMAX_IS_LOCKED_ONLY(header->t_infomask)) {
    return true;
  }
  if ((header->t_infomask & HEAP_XMAX_COMMITTED) != 0) {
    return false;
  }
  const TransactionId deleter = HeapTupleHeaderGetUpdateXid(header);
  return !TransactionIdIsValid(deleter) || !HasCommitted(deleter);
}

void CopyRow(Relation journal, HeapTuple tuple, PageRows* rows, size_t* used) {
  bool xid_is_null = false;
  bool payload_is_null = false;
  const Datum xid = heap_getattr(tuple, 1, RelationGetDescr(journal), &xid_is_null);
  const Datum payload = heap_getattr(tuple, 2, RelationGetDescr(journal), &payload_is_null);
  if (xid_is_null || payload_is_null) {
    return;
  }
  struct varlena* bytes = reinterpret_cast<struct varlena*>(DatumGetPointer(payload));
  if (VARATT_IS_EXTERNAL(bytes) || VARATT_IS_COMPRESSED(bytes)) {
    return;  // not written by us: the column is STORAGE PLAIN
  }
  PageRow* row = &rows->rows[rows->count++];
  row->xid = U64FromFullTransactionId(DatumGetFullTransactionId(xid));
  row->offset = ItemPointerGetOffsetNumber(&tuple->t_self);
  row->payload = {rows->bytes + *used, VARSIZE_ANY_EXHDR(bytes)};
  memcpy(rows->bytes + *used, VARDATA_ANY(bytes), row->payload.size);
  *used += row->payload.size;
}

// The page is locked; `first` to `last` are its line pointers to look at.
void CopyRows(Relation journal, Buffer buffer, OffsetNumber first, OffsetNumber last, Snapshot snapshot, PageRows* rows) {
  Page page = BufferGetPage(buffer);
  size_t used = 0;
  for (OffsetNumber offset = first; offset <= last; ++offset) {
    ItemId item = PageGetItemId(page, offset);
    if (!ItemIdIsNormal(item)) {
      continue;
    }
    HeapTupleData tuple;
    tuple.t_data = reinterpret_cast<HeapTupleHeader>(PageGetItem(page, item));
    tuple.t_len = ItemIdGetLength(item);
    tuple.t_tableOid = RelationGetRelid(journal);
    ItemPointerSet(&tuple.t_self, BufferGetBlockNumber(buffer), offset);
    if (snapshot == nullptr ? IsLive(tuple.t_data) : HeapTupleSatisfiesVisibility(&tuple, snapshot, buffer)) {
      CopyRow(journal, &tuple, rows, &used);
    }
  }
}

}  // namespace

void ReadPageRows(Relation journal, BlockNumber block, Snapshot snapshot, BufferAccessStrategy strategy, PageRows* rows) {
  rows->count = 0;
  Buffer buffer = ReadBufferExtended(journal, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
  LockBuffer(buffer, BUFFER_LOCK_SHARE);
  Page page = BufferGetPage(buffer);
  if (!PageIsNew(page)) {
    CopyRows(journal, buffer, FirstOffsetNumber, PageGetMaxOffsetNumber(page), snapshot, rows);
  }
  UnlockReleaseBuffer(buffer);
}

void ReadOneRow(Relation journal, BlockNumber block, OffsetNumber offset, PageRows* rows) {
  rows->count = 0;
  if (block >= RelationGetNumberOfBlocks(journal)) {
    return;
  }
  Buffer buffer = ReadBuffer(journal, block);
  LockBuffer(buffer, BUFFER_LOCK_SHARE);
  Page page = BufferGetPage(buffer);
  if (!PageIsNew(page) && offset >= FirstOffsetNumber && offset <= PageGetMaxOffsetNumber(page)) {
    CopyRows(journal, buffer, offset, offset, nullptr, rows);
  }
  UnlockReleaseBuffer(buffer);
}

bool PushSnapshotIfNone() {
  if (ActiveSnapshotSet()) {
    return false;
  }
  PushActiveSnapshot(GetTransactionSnapshot());
  return true;
}

void PopSnapshotIf(bool pushed) {
  if (pushed) {
    PopActiveSnapshot();
  }
}

}  // namespace tviews::capture
