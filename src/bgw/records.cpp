// Records on their way in: from the ring, from a scan of the journal, and what became of their transactions.
#include "bgw/worker.h"
#include "capture/journal.h"
#include "shmem/lwlock.h"

namespace tviews::bgw {
namespace {

// False when there is no room; the journal still has the record.
bool Add(Worker* worker, const core::PendingRecord& record) {
  const core::AddPending added = core::AddPendingRecord(worker->pending, record);
  worker->tally.merged += added == core::AddPending::kKnown ? 1 : 0;
  if (added == core::AddPending::kAdded || added == core::AddPending::kKnown) {
    return true;
  }
  ++worker->tally.refused;
  return false;
}

struct ScanContext {
  Worker* worker;
  TimestampTz now;
  bool fits;
};

void AddScanned(void* context, uint64 xid, core::JournalAddress address, core::ByteSpan payload) {
  auto* scan = static_cast<ScanContext*>(context);
  ++scan->worker->tally.scanned;
  scan->fits = Add(scan->worker, {xid, scan->now, address, payload}) && scan->fits;
}

// Has the commit log forgotten this transaction?  Then it ended long ago, and only committed rows are still in the journal.
bool IsBeyondCommitLog(TransactionId xid) {
#if PG_VERSION_NUM >= 170000
  TransamVariablesData* variables = TransamVariables;
#else
  VariableCache variables = ShmemVariableCache;
#endif
  LWLockAcquire(XactTruncationLock, LW_SHARED);
  const TransactionId oldest = variables->oldestClogXid;
  LWLockRelease(XactTruncationLock);
  return TransactionIdPrecedes(xid, oldest);
}

bool IsBeyondWraparound(uint64 full_xid) {
  return full_xid + 0x7fffffff < U64FromFullTransactionId(ReadNextFullTransactionId());
}

}  // namespace

void Drain(Worker* worker) {
  for (;;) {
    uint32 records = 0;
    const size_t size = shmem::DrainFromRing(worker->slot, worker->drain_buffer, kDrainRoom, &records);
    if (size == 0) {
      return;
    }
    size_t offset = 0;
    core::DrainedRecord drained;
    while (core::NextDrained(worker->drain_buffer, size, &offset, &drained)) {
      ++worker->tally.from_ring;
      if (!Add(worker, {drained.record.xid, drained.record.pushed_at, drained.record.address, drained.payload})) {
        worker->scan.wanted = true;
      }
    }
  }
}

void Scan(Worker* worker) {
  JournalScan* scan = &worker->scan;
  ScanContext context{worker, GetCurrentTimestamp(), true};
  while (ScanOwed(worker) && context.fits && core::PendingCount(worker->pending) < kScanUpTo) {
    if (!scan->running) {
      *scan = {false, true, {}};
    }
    const size_t room = kScanUpTo - core::PendingCount(worker->pending);
    if (capture::ScanJournal(&scan->position, room, AddScanned, &context)) {
      scan->running = false;  // only now: a scan that raises goes on where it was
    }
    scan->wanted = scan->wanted || !context.fits;
  }
}

void PublishTally(const Worker* worker) {
  shmem::RecordTally tally = worker->tally;
  tally.pending = core::PendingCount(worker->pending);
  shmem::ScopedLock lock(&worker->slot->lock, LW_EXCLUSIVE);
  worker->slot->tally = tally;
  worker->slot->rescan = ScanOwed(worker);
}

RecordStatus StatusOf(uint64 full_xid, Snapshot snapshot) {
  const TransactionId xid = XidFromFullTransactionId(FullTransactionIdFromU64(full_xid));
  if (!TransactionIdIsNormal(xid) || IsBeyondWraparound(full_xid)) {
    return RecordStatus::kReady;
  }
  if (snapshot != nullptr ? XidInMVCCSnapshot(xid, snapshot) : TransactionIdIsInProgress(xid)) {
    return RecordStatus::kWaiting;
  }
  if (IsBeyondCommitLog(xid) || TransactionIdDidCommit(xid)) {
    return RecordStatus::kReady;
  }
  // Not running, not committed: aborted, or committing right now and not yet in the commit log as far as `snapshot` knows.
  return TransactionIdIsInProgress(xid) ? RecordStatus::kWaiting : RecordStatus::kGone;
}

bool AnyFinished(const Worker* worker) {
  const size_t count = core::PendingCount(worker->pending);
  uint64 last = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint64 xid = core::PendingAt(worker->pending, i).xid;
    if (xid != last && StatusOf(xid, nullptr) != RecordStatus::kWaiting) {
      return true;
    }
    last = xid;
  }
  return false;
}

}  // namespace tviews::bgw
