// What a batch consumes: the ready records up to batch_size keys, the deferred keys that are due, and the TVIEWs they reach.
#include "bgw/batch.h"
#include "capture/journal.h"
#include "core/record.h"
#include "pg/extension.h"
#include "pg/settings.h"
#include "pg/waitpoint.h"
#include "refresh/deferred.h"

namespace tviews::bgw {
namespace {

template <typename T>
T* NewArray(int count) {
  return static_cast<T*>(palloc0(sizeof(T) * (count + 1)));
}

void Earlier(TimestampTz* since, TimestampTz time) {
  if (time != 0 && (*since == 0 || time < *since)) {
    *since = time;
  }
}

void AddWholeRelation(Batch* batch, core::ByteSpan value, TimestampTz pushed_at) {
  const catalog::Graph* graph = batch->worker->indexed.graph;
  core::ByteSpan field;
  size_t offset = 0;
  Oid relation;
  if (core::NextField(value, &offset, &field) != core::Next::kItem || field.size != sizeof(relation)) {
    return;
  }
  memcpy(&relation, field.data, sizeof(relation));
  for (int i = 0; i < graph->reads_count; ++i) {
    if (graph->reads[i].relation == relation) {
      batch->reached[graph->reads[i].tview] = batch->whole[graph->reads[i].tview] = true;
      Earlier(&batch->since[graph->reads[i].tview], pushed_at);
    }
  }
  for (int t = 0; t < graph->tview_count; ++t) {
    if (graph->tviews[t].table == relation) {
      batch->reached[t] = batch->whole[t] = true;
      Earlier(&batch->since[t], pushed_at);
    }
  }
}

void AddPayload(Batch* batch, core::ByteSpan payload, TimestampTz pushed_at) {
  Worker* worker = batch->worker;
  const catalog::Graph* graph = worker->indexed.graph;
  size_t offset = 0;
  core::DirtyKey key;
  core::Next next;
  while ((next = core::NextDirtyKey(payload, &offset, &key)) == core::Next::kItem) {
    if (key.point == core::kWholeRelation) {
      AddWholeRelation(batch, key.value, pushed_at);
      continue;
    }
    const catalog::CapturePoint* point = catalog::FindPoint(graph, key.point);
    if (point == nullptr) {
      continue;  // of a TVIEW that was dropped or registered again; registration reconciles
    }
    CheckMemory(core::AddKey(worker->dirty, key.point, key.value, nullptr));
    Earlier(&batch->point_since[point - graph->points], pushed_at);
  }
  if (next == core::Next::kMalformed) {
    ereport(LOG, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("pg_tviews: a journal row is malformed, the rest of it is ignored"),
                  errhint("Run SELECT pg_tviews_refresh_all().")));
  }
}

void Consume(Batch* batch, const core::PendingRecord& record) {
  Worker* worker = batch->worker;
  if (batch->consumed_count == batch->consumed_room) {
    batch->consumed_room = Max(256, batch->consumed_room * 2);
    const Size bytes = sizeof(Consumed) * batch->consumed_room;
    batch->consumed = static_cast<Consumed*>(batch->consumed == nullptr ? palloc(bytes) : repalloc_huge(batch->consumed, bytes));
  }
  core::ByteSpan payload = record.payload;
  if (payload.size == 0) {
    const MemoryContext caller = MemoryContextSwitchTo(worker->record_context);
    const bool found = capture::ReadJournalRow(record.address, record.xid, &payload);
    if (found) {
      AddPayload(batch, payload, record.pushed_at);
    }
    MemoryContextSwitchTo(caller);
    MemoryContextReset(worker->record_context);
    if (!found) {
      ++batch->gone;
      return;
    }
  } else {
    AddPayload(batch, payload, record.pushed_at);
  }
  batch->consumed[batch->consumed_count++] = {record.address, record.xid};
}

// Which TVIEWs the dirty keys reach, and the readers of those.
void Close(Batch* batch) {
  const Worker* worker = batch->worker;
  const IndexedGraph& indexed = worker->indexed;
  const catalog::Graph* graph = indexed.graph;
  for (int p = 0; p < graph->point_count; ++p) {
    if (batch->point_since[p] == 0 && core::KeyCount(worker->dirty, graph->points[p].id) == 0) {
      continue;
    }
    const core::PointId point = graph->points[p].id;
    for (int m = FirstMapping(graph, point); m < graph->mapping_count && graph->mappings[m].point == point; ++m) {
      batch->reached[graph->mappings[m].tview] = true;
      Earlier(&batch->since[graph->mappings[m].tview], batch->point_since[p]);
    }
  }
  for (int t = 0; t < graph->tview_count; ++t) {
    batch->due[t] = core::KeyCount(worker->affected, t) > 0;
    batch->reached[t] = batch->reached[t] || batch->due[t] || batch->whole[t];
    for (int r = indexed.reads_first[t]; r < indexed.reads_first[t + 1] && !batch->reached[t]; ++r) {
      const int read = graph->reads[indexed.reads_order[r]].read_tview;
      batch->reached[t] = read >= 0 && batch->reached[read];
    }
    batch->anything = batch->anything || batch->reached[t];
  }
}

// Looks at the records from one on, upwards or downwards, until they have made `keys` keys.
class Chooser {
 public:
  Chooser(Batch* batch, Snapshot snapshot) : batch_(batch), snapshot_(snapshot) {}

  // Where it stopped: the first record it did not look at, in that direction; `end` if it looked at all before it.
  size_t Upwards(size_t begin, size_t end, size_t keys) {
    while (begin < end && !Full(keys)) {
      Look(begin++);
    }
    return begin;
  }
  size_t Downwards(size_t begin, size_t end, size_t keys) {
    while (end > begin && !Full(keys)) {
      Look(--end);
    }
    return end;
  }

 private:
  bool Full(size_t keys) const { return core::TotalKeys(batch_->worker->dirty) >= keys; }

  void Look(size_t i) {
    core::Pending* pending = batch_->worker->pending;
    const core::PendingRecord record = core::PendingAt(pending, i);
    const bool another = !looked_ || record.xid != last_xid_;
    if (another) {
      status_ = StatusOf(record.xid, snapshot_);
      last_xid_ = record.xid;
      looked_ = true;
    }
    if (status_ == RecordStatus::kWaiting) {
      batch_->waiting += another ? 1 : 0;  // a transaction's records lie together, by and large
      return;
    }
    if (status_ == RecordStatus::kReady) {
      Consume(batch_, record);
    } else {
      ++batch_->gone;
    }
    core::MarkDone(pending, i);
  }

  Batch* batch_;
  Snapshot snapshot_;
  bool looked_ = false;
  uint64 last_xid_ = 0;
  RecordStatus status_ = RecordStatus::kGone;
};

// In a backlog half of a batch is what came last: a small change does not wait for all that came before it.  Any order is right: a
// record is consumed under a snapshot that sees it, and leads to keys that are computed from that.
void SelectRecords(Batch* batch, Snapshot snapshot) {
  core::Pending* pending = batch->worker->pending;
  core::UnmarkAll(pending);
  const size_t keys = pg::batch_size;
  size_t end = core::PendingCount(pending);
  Chooser chooser(batch, snapshot);
  if (batch->worker->backlog) {
    end = chooser.Downwards(0, end, Max(keys / 2, 1));
  }
  batch->leftover = chooser.Upwards(0, end, keys) < end;
}

const char* WhyAvoided(const Worker* worker, Oid oid) {
  for (int i = 0; i < worker->avoid_count; ++i) {
    if (worker->avoid[i].relation == oid) {
      return worker->avoid[i].until != 0 ? "resource" : "locked";
    }
  }
  return nullptr;
}

const char* WhyExcluded(const Batch* batch, int t) {
  const Worker* worker = batch->worker;
  const IndexedGraph& indexed = worker->indexed;
  const catalog::Tview& tview = indexed.graph->tviews[t];
  if (worker->avoid_count == 0) {
    return nullptr;
  }
  const char* why = WhyAvoided(worker, tview.table);
  why = why != nullptr ? why : WhyAvoided(worker, tview.view);
  for (int r = indexed.reads_first[t]; r < indexed.reads_first[t + 1] && why == nullptr; ++r) {
    why = WhyAvoided(worker, indexed.graph->reads[indexed.reads_order[r]].relation);
  }
  return why;
}

}  // namespace

int FirstMapping(const catalog::Graph* graph, core::PointId point) {
  int low = 0, high = graph->mapping_count;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (graph->mappings[middle].point < point) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

void Select(Batch* batch) {
  Worker* worker = batch->worker;
  const catalog::Graph* graph = worker->indexed.graph;
  core::ClearKeySets(worker->dirty);
  core::ClearKeySets(worker->affected);
  core::ClearKeySets(worker->late);
  batch->reached = NewArray<bool>(graph->tview_count);
  batch->whole = NewArray<bool>(graph->tview_count);
  batch->due = NewArray<bool>(graph->tview_count);
  batch->timed = NewArray<bool>(graph->tview_count);
  batch->excluded = NewArray<const char*>(graph->tview_count);
  batch->detached = NewArray<bool>(graph->tview_count);
  batch->since = NewArray<TimestampTz>(graph->tview_count);
  batch->point_since = NewArray<TimestampTz>(graph->point_count);
  batch->consumed_count = batch->gone = 0;
  batch->leftover = batch->anything = false;
  batch->waiting = 0;
  batch->deferred_rows = refresh::AnyDeferred();
  SelectRecords(batch, GetActiveSnapshot());
  if (batch->deferred_rows) {
    pg::Waitpoint("batch_before_due");
    refresh::CollectDue(graph, GetCurrentTimestamp(), worker->affected, batch->whole);
  }
  FindDetached(batch);
  CollectTimers(batch);
  Close(batch);
}

void WantTview(LockSet* locks, const IndexedGraph& indexed, int t) {
  const catalog::Tview& tview = indexed.graph->tviews[t];
  for (int r = indexed.reads_first[t]; r < indexed.reads_first[t + 1]; ++r) {
    Want(locks, indexed.graph->reads[indexed.reads_order[r]].relation, LockKind::kRelation, AccessShareLock);
  }
  Want(locks, tview.view, LockKind::kRelation, AccessShareLock);
  Want(locks, tview.table, LockKind::kRelation, RowExclusiveLock);
}

void WantLocks(Batch* batch) {
  const IndexedGraph& indexed = batch->worker->indexed;
  for (int t = 0; t < indexed.graph->tview_count; ++t) {
    if (!batch->reached[t]) {
      continue;
    }
    batch->excluded[t] = WhyExcluded(batch, t);
    if (batch->excluded[t] == nullptr) {
      WantTview(&batch->locks, indexed, t);
    }
    if (batch->detached[t]) {
      Want(&batch->locks, indexed.graph->tviews[t].table, LockKind::kDeferred, ExclusiveLock);
    } else if (batch->excluded[t] == nullptr) {
      Want(&batch->locks, indexed.graph->tviews[t].table, LockKind::kObject, ExclusiveLock);
    }
  }
}

}  // namespace tviews::bgw
