// One batch in one transaction: drain, close over the graph, lock, snapshot S, drain again, apply, commit, publish.
#include "bgw/batch.h"

#include "capture/journal.h"
#include "pg/settings.h"
#include "pg/waitpoint.h"
#include "refresh/deferred.h"
#include "shmem/lwlock.h"

namespace tviews::bgw {
namespace {

constexpr int64 kParkedCountRest = 20;

void SetState(Worker* worker, shmem::WorkerState state) { pg_atomic_write_u32(&worker->slot->worker_state, static_cast<uint32>(state)); }

// Pushes a fresh snapshot and makes the graph the one it sees.
void TakeSnapshot(Worker* worker) {
  const uint64 generation = pg_atomic_read_u64(&worker->slot->graph_generation);
  PushCopiedSnapshot(GetLatestSnapshot());
  EnsureGraph(worker, generation);
}

bool AllPaused(const catalog::Graph* graph) {
  int paused = 0;
  for (int t = 0; t < graph->tview_count; ++t) {
    paused += graph->tviews[t].state == catalog::State::kPaused;
  }
  return paused > 0 && paused == graph->tview_count;
}

// The flag is up before a transaction that could not push everything becomes visible: what S sees of it is found by this scan.
void ScanIfFlagged(Worker* worker) {
  if (pg_atomic_exchange_u32(&worker->slot->scan_needed, 0) == 0) {
    return;
  }
  worker->scan.wanted = true;
  if (!worker->backlog) {  // in a backlog nothing is exact until it is gone, and scans take long
    Scan(worker);
    Drain(worker);
  }
}

// Locks, then S, then what S sees; again while that reaches TVIEWs not locked yet.
void LockAndSelect(Batch* batch) {
  Worker* worker = batch->worker;
  TakeSnapshot(worker);
  worker->all_paused = AllPaused(worker->indexed.graph);
  if (worker->all_paused) {
    return;
  }
  Select(batch);
  if (!batch->anything) {
    return;
  }
  SetState(worker, shmem::WorkerState::kWorking);
  RecheckAvoided(worker);
  WantLocks(batch);
  pg::Waitpoint("batch_before_locks");
  while (TakeLocks(worker, &batch->locks)) {
    pg::Waitpoint("batch_before_snapshot");
    PopActiveSnapshot();
    TakeSnapshot(worker);
    pg::Waitpoint("batch_before_second_drain");
    // A record enters the ring before its transaction can become visible: this drain brings every record of S.
    Drain(worker);
    ScanIfFlagged(worker);
    Select(batch);
    WantLocks(batch);
  }
}

void DeleteConsumed(const Batch* batch) {
  for (size_t i = 0; i < batch->consumed_count; ++i) {
    CHECK_FOR_INTERRUPTS();
    capture::DeleteJournalRow(batch->consumed[i].address, batch->consumed[i].xid);
  }
}

// Parked keys are counted for monitoring only: for a small part of the time.  When the next count is due; DT_NOEND: this one stands.
TimestampTz CountParkedNowAndThen(Worker* worker) {
  const TimestampTz begin = GetCurrentTimestamp();
  if (begin < worker->parked_count_at) {
    return worker->parked_count_at;
  }
  worker->parked = refresh::CountParked();
  const TimestampTz end = GetCurrentTimestamp();
  worker->parked_count_at = end + (end - begin) * kParkedCountRest;
  return DT_NOEND;
}

// What the deferred rows, those of this batch too, ask for.
void LookAtDeferred(Worker* worker, BatchOutcome* outcome) {
  CommandCounterIncrement();
  UpdateActiveSnapshotCommandId();
  const refresh::DeferredKinds kinds = refresh::FindDeferred();
  outcome->blocking = kinds.blocking;
  outcome->refreshing = kinds.refreshing;
  outcome->detached = kinds.detached;
  const TimestampTz due = refresh::NextDue(), count_due = CountParkedNowAndThen(worker);  // not inside Min, which evaluates twice
  worker->next_due = Min(due, count_due);
}

void Publish(Batch* batch, const AppliedSnapshot& applied) {
  Worker* worker = batch->worker;
  shmem::Database* slot = worker->slot;
  TimestampTz oldest = 0;
  if (batch->leftover || ScanOwed(worker)) {
    for (size_t i = 0; i < core::PendingCount(worker->pending); ++i) {
      const TimestampTz pushed_at = core::PendingAt(worker->pending, i).pushed_at;
      oldest = oldest == 0 || (pushed_at != 0 && pushed_at < oldest) ? pushed_at : oldest;
    }
  }
  pg_atomic_write_u32(&slot->parked_keys, static_cast<uint32>(worker->parked));
  shmem::ScopedLock lock(&slot->lock, LW_EXCLUSIVE);
  if (oldest == 0 && core::RingBytesUsed(slot->ring) > 0) {
    oldest = batch->began;  // pushed since the last drain, which came later
  }
  if (worker->avoid_count == 0) {
    slot->waiting_for[0] = '\0';
  }
  slot->oldest_unapplied = oldest;
  slot->applied_xmin = applied.xmin;
  slot->applied_xmax = applied.xmax;
  slot->applied_at = applied.at;
  if (batch->consumed_count > 0 || batch->entry_count > 0) {
    ++slot->batches;
    slot->last_batch_at = applied.at;
    for (int i = 0; i < batch->entry_count; ++i) {
      slot->keys += batch->entries[i].keys;
    }
  }
}

}  // namespace

BatchOutcome RunBatch(Worker* worker) {
  SetCurrentStatementStartTimestamp();
  StartTransactionCommand();
  MemoryContextReset(worker->batch_context);
  MemoryContextSwitchTo(worker->batch_context);
  Batch* batch = static_cast<Batch*>(palloc0(sizeof(Batch)));
  batch->worker = worker;
  batch->id = worker->batches + 1;
  batch->began = GetCurrentTimestamp();
  shmem::ForgetTried();
  LockAndSelect(batch);
  AppliedSnapshot applied = DescribeSnapshot(GetActiveSnapshot());
  BatchOutcome outcome = {};
  if (batch->anything) {
    ApplyLevels(batch);
    pg::Waitpoint("batch_applied");
  }
  DeleteConsumed(batch);
  worker->next_due = DT_NOEND;
  if (batch->deferred_rows) {
    LookAtDeferred(worker, &outcome);
  } else {
    worker->parked = 0;
  }
  worker->next_timer = NextTimer(batch);
  PopActiveSnapshot();
  if (batch->consumed_count > 0) {
    pg::Waitpoint("batch_before_commit");
  }
  CommitTransactionCommand();
  if (batch->consumed_count > 0) {
    pg::Waitpoint("batch_committed");
  }
  MemoryContextSwitchTo(worker->batch_context);
  // Committed: only now is anything forgotten.
  shmem::CommitTried();
  core::RemoveDone(worker->pending);
  worker->tally.applied += batch->consumed_count;
  worker->tally.gone += batch->gone;
  if (batch->consumed_count > 0 || batch->entry_count > 0) {
    worker->batches = batch->id;
  }
  applied.at = GetCurrentTimestamp();
  Publish(batch, applied);
  LogBatch(batch, applied);
  outcome.leftover = batch->leftover;
  outcome.anything = batch->anything;
  outcome.waiting = batch->waiting;
  return outcome;
}

}  // namespace tviews::bgw
