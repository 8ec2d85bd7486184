// Level by level: dirty keys to affected keys, refresh, and what the refresh itself changed for the levels above.
#include "bgw/batch.h"
#include "bgw/defer_notes.h"
#include "capture/transaction_set.h"
#include "catalog/triggers.h"
#include "core/record.h"
#include "pg/extension.h"
#include "pg/settings.h"
#include "pg/waitpoint.h"
#include "refresh/deferred.h"
#include "refresh/detached.h"
#include "refresh/isolate.h"
#include "refresh/map_keys.h"

namespace tviews::bgw {
namespace {

using Failure = MapFailure;

void SetState(Batch* batch, int t, catalog::State state) {
  catalog::Tview* tview = &batch->worker->indexed.graph->tviews[t];
  WriteState(tview, state);
  tview->state = state;
}

void DeferWhole(Batch* batch, int t, const char* reason, const Failure* failure) {
  refresh::DeferKey(&batch->worker->indexed.graph->tviews[t], {nullptr, 0}, reason, failure == nullptr ? nullptr : failure->sqlstate,
                    failure == nullptr ? nullptr : failure->message);
  batch->deferred_rows = true;
}

// Mapping faster than this is not worth a figure.
constexpr double kSlowMappingMs = 1.0;

void PublishSlowest(const catalog::Tview& tview, Oid relation, double ms) {
  const char* name = get_rel_name(relation);
  if (name != nullptr) {
    shmem::PublishSlowestInput(tview.table, psprintf("%s (%.1f ms)", quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), name), ms));
  }
}

}  // namespace

bool MapAll(Batch* batch, int t, Failure* failure) {
  Worker* worker = batch->worker;
  const IndexedGraph& indexed = worker->indexed;
  double slowest_ms = 0;
  Oid slowest = InvalidOid;
  for (int i = indexed.mapping_first[t]; i < indexed.mapping_first[t + 1] && !batch->whole[t]; ++i) {
    const catalog::Mapping* mapping = &indexed.graph->mappings[indexed.mapping_order[i]];
    if (core::KeyCount(worker->dirty, mapping->point) == 0) {
      continue;
    }
    if (mapping->kind == catalog::MappingKind::kFull) {
      batch->whole[t] = true;
      continue;
    }
    const catalog::CapturePoint* point = catalog::FindPoint(indexed.graph, mapping->point);
    instr_time start, duration;
    INSTR_TIME_SET_CURRENT(start);
    const refresh::MapResult mapped =
        refresh::MapIsolated({&indexed.graph->tviews[t], point, mapping, worker->dirty, worker->affected, static_cast<uint32>(t)});
    if (mapped.failed > 0) {
      strlcpy(failure->sqlstate, mapped.sqlstate, sizeof(failure->sqlstate));
      strlcpy(failure->message, mapped.message, sizeof(failure->message));
    }
    if (mapped.hopeless) {
      return false;
    }
    INSTR_TIME_SET_CURRENT(duration);
    INSTR_TIME_SUBTRACT(duration, start);
    if (INSTR_TIME_GET_MILLISEC(duration) > Max(slowest_ms, kSlowMappingMs)) {
      slowest_ms = INSTR_TIME_GET_MILLISEC(duration);
      slowest = point->relation;
    }
  }
  if (OidIsValid(slowest)) {
    PublishSlowest(indexed.graph->tviews[t], slowest, slowest_ms);
  }
  return true;
}

namespace {

shmem::RefreshEntry* NewEntry(Batch* batch, int t) {
  const catalog::Tview& tview = batch->worker->indexed.graph->tviews[t];
  if (batch->entry_count == batch->entry_room) {
    batch->entry_room = Max(16, batch->entry_room * 2);
    const Size bytes = sizeof(shmem::RefreshEntry) * batch->entry_room;
    const Size message_bytes = sizeof(batch->messages[0]) * batch->entry_room;
    const Size since_bytes = sizeof(TimestampTz) * batch->entry_room;
    const bool fresh = batch->entries == nullptr;
    batch->entries = static_cast<shmem::RefreshEntry*>(fresh ? palloc(bytes) : repalloc(batch->entries, bytes));
    batch->messages = static_cast<char(*)[256]>(fresh ? palloc(message_bytes) : repalloc(batch->messages, message_bytes));
    batch->entry_since = static_cast<TimestampTz*>(fresh ? palloc(since_bytes) : repalloc(batch->entry_since, since_bytes));
  }
  batch->messages[batch->entry_count][0] = '\0';
  batch->entry_since[batch->entry_count] = batch->since[t];
  shmem::RefreshEntry* entry = &batch->entries[batch->entry_count++];
  memset(entry, 0, sizeof(*entry));
  entry->database = MyDatabaseId;
  entry->tview = tview.table;
  strlcpy(entry->entity, tview.entity, sizeof(entry->entity));
  entry->batch_id = batch->id;
  return entry;
}

void Degrade(Batch* batch, int t, const Failure& failure) {
  const catalog::Tview& tview = batch->worker->indexed.graph->tviews[t];
  if (tview.state != catalog::State::kDegraded) {
    ereport(LOG, (errmsg("pg_tviews: TVIEW %s is degraded: %s", quote_qualified_identifier(tview.schema, tview.entity), failure.message),
                  errdetail("SQLSTATE %s; it is tried again as a whole.", failure.sqlstate)));
    SetState(batch, t, catalog::State::kDegraded);
  }
  DeferWhole(batch, t, "failed", &failure);
}

// After a refresh: writes the deferred rows of what is not applied, forgets those of what is.  A key that failed again keeps its row and
// its number of attempts.
void SettleDeferred(Batch* batch, int t, const DeferNotes& notes) {
  const core::KeySets* affected = batch->worker->affected;
  const catalog::Tview* tview = &batch->worker->indexed.graph->tviews[t];
  const bool any = batch->deferred_rows;
  for (const DeferNote* note = notes.first; note != nullptr; note = note->next) {
    refresh::DeferKey(tview, note->key, note->reason, note->sqlstate, note->message);
    batch->deferred_rows = true;
  }
  if (any) {
    refresh::ForgetDeferred(tview, affected, t, batch->whole[t]);
  }
}

// True when users wrote to the TVIEW's table: then a key may be stored more than once.
bool HasDirectWrites(const Batch* batch, int t) {
  const IndexedGraph& indexed = batch->worker->indexed;
  for (int i = indexed.mapping_first[t]; i < indexed.mapping_first[t + 1]; ++i) {
    const catalog::Mapping& mapping = indexed.graph->mappings[indexed.mapping_order[i]];
    if (mapping.kind == catalog::MappingKind::kSelf && core::KeyCount(batch->worker->dirty, mapping.point) > 0) {
      return true;
    }
  }
  return batch->due[t];  // a deferred key may be such a one
}

void RefreshOne(Batch* batch, int t) {
  Worker* worker = batch->worker;
  catalog::Tview* tview = &worker->indexed.graph->tviews[t];
  shmem::RefreshEntry* entry = NewEntry(batch, t);
  DeferNotes notes{nullptr, CurrentMemoryContext};
  instr_time start, duration;
  INSTR_TIME_SET_CURRENT(start);
  const int limit_ms = MayLeaveToLongProcess(batch) ? pg::refresh_timeout_ms : 0;
  const refresh::IsolatedResult isolated = refresh::RefreshIsolated(tview, worker->affected, t, batch->whole[t], limit_ms, HasDirectWrites(batch, t), NoteDeferred, &notes);
  INSTR_TIME_SET_CURRENT(duration);
  INSTR_TIME_SUBTRACT(duration, start);
  DescribeRefresh(isolated, INSTR_TIME_GET_MILLISEC(duration), entry);
  if (batch->whole[t]) {
    // One that was stopped is long, whatever the threshold says.
    shmem::PublishWholeTime(tview->table, isolated.verdict == refresh::Verdict::kTooLong ? Max(entry->duration_ms, pg::long_refresh_threshold_ms) : entry->duration_ms);
  }
  strlcpy(batch->messages[batch->entry_count - 1], isolated.message, sizeof(batch->messages[0]));
  switch (isolated.verdict) {
    case refresh::Verdict::kApplied:
      SettleDeferred(batch, t, notes);
      if (batch->whole[t] && tview->state != catalog::State::kFresh) {
        SetState(batch, t, catalog::IsCaptureOff(tview->table) ? catalog::State::kDegraded : catalog::State::kFresh);
      }
      return;
    case refresh::Verdict::kDegraded:
    case refresh::Verdict::kExhausted: {
      Failure failure;
      strlcpy(failure.sqlstate, isolated.sqlstate, sizeof(failure.sqlstate));
      strlcpy(failure.message, isolated.message, sizeof(failure.message));
      if (isolated.verdict == refresh::Verdict::kDegraded) {
        Degrade(batch, t, failure);
      } else {
        DeferAll(batch, t, "resource", 0, failure.sqlstate, failure.message);
      }
      return;
    }
    case refresh::Verdict::kTooLong:
      LeaveToLongProcess(batch, t);
      return;
    case refresh::Verdict::kRetry:
      ereport(ERROR, (errcode(MAKE_SQLSTATE(isolated.sqlstate[0], isolated.sqlstate[1], isolated.sqlstate[2], isolated.sqlstate[3], isolated.sqlstate[4])),
                      errmsg("%s", isolated.message), errcontext("refresh of TVIEW \"%s\"", tview->entity)));
  }
}

// Keys of a TVIEW that is neither fresh nor paused: its whole-TVIEW row covers them.
void KeepForLater(Batch* batch, int t) {
  const catalog::Tview& tview = batch->worker->indexed.graph->tviews[t];
  if (!batch->deferred_rows || !refresh::IsDeferredWhole(tview.table)) {
    DeferWhole(batch, t, "refreshing", nullptr);
  } else if (!batch->due[t]) {  // a change, not another attempt
    refresh::HastenWhole(&tview);
  }
  if (batch->due[t]) {
    refresh::ForgetDeferred(&tview, batch->worker->affected, t, false);  // they would hold back who waits
  }
}

// Values whose keys cannot be found may concern any row: what can be mapped goes on, the TVIEW is compared as a whole later.
void ParkUnmapped(Batch* batch, int t, const Failure& failure) {
  shmem::RefreshEntry* entry = NewEntry(batch, t);
  strlcpy(entry->sqlstate, failure.sqlstate, sizeof(entry->sqlstate));
  strlcpy(batch->messages[batch->entry_count - 1], failure.message, sizeof(batch->messages[0]));
  DeferWhole(batch, t, "failed", &failure);
}

void RefreshTview(Batch* batch, int t) {
  Worker* worker = batch->worker;
  const catalog::Tview& tview = worker->indexed.graph->tviews[t];
  if (batch->excluded[t] != nullptr && batch->detached[t]) {
    refresh::Detach(&tview);
    return;
  }
  if (batch->excluded[t] != nullptr) {
    if (batch->whole[t] || !batch->deferred_rows || !refresh::IsDeferredWhole(tview.table)) {
      DeferWhole(batch, t, batch->excluded[t], nullptr);
    }
    return;
  }
  if (batch->detached[t]) {
    DeferWhileDetached(batch, t);
    return;
  }
  Failure failure = {};
  const bool asked = batch->whole[t] || batch->due[t];  // by a deferred row, a timer or DDL, not by a mapping
  TimestampTz coalesce_until = 0;
  // A row that is due came between the pause and its commit: it becomes a paused one.
  if (tview.state == catalog::State::kPaused && !batch->whole[t] && batch->deferred_rows && refresh::IsDeferredWhole(tview.table)) {
    return;
  }
  if (tview.state != catalog::State::kFresh && tview.state != catalog::State::kPaused && !batch->whole[t]) {
    // The mapping may be what fails.
    KeepForLater(batch, t);
    return;
  }
  if (!MapAll(batch, t, &failure)) {
    shmem::RefreshEntry* entry = NewEntry(batch, t);
    strlcpy(entry->sqlstate, failure.sqlstate, sizeof(entry->sqlstate));
    strlcpy(batch->messages[batch->entry_count - 1], failure.message, sizeof(batch->messages[0]));
    Degrade(batch, t, failure);
    return;
  }
  if (failure.sqlstate[0] != '\0' && !batch->whole[t]) {
    ParkUnmapped(batch, t, failure);
  }
  if (!batch->whole[t] && core::KeyCount(worker->affected, t) == 0) {
    return;
  }
  if (tview.state == catalog::State::kPaused) {
    DeferPaused(batch, t);
  } else if (!asked && (coalesce_until = CoalesceUntil(batch, tview)) != 0) {
    DeferAll(batch, t, "coalesced", coalesce_until);
  } else if (batch->whole[t] && IsLong(batch, t)) {
    LeaveToLongProcess(batch, t);
    NoteRefreshed(batch, tview);
  } else {
    RefreshOne(batch, t);
    NoteRefreshed(batch, tview);
  }
}

// Hands a key that this batch's own writes captured to the TVIEWs still to come, else to the journal.
void Distribute(Batch* batch, int t, core::DirtyKey key) {
  Worker* worker = batch->worker;
  const catalog::Graph* graph = worker->indexed.graph;
  if (key.point == core::kWholeRelation) {
    CheckMemory(core::AddKey(worker->late, key.point, key.value, nullptr));
    return;
  }
  const catalog::CapturePoint* point = catalog::FindPoint(graph, key.point);
  if (point == nullptr) {
    return;
  }
  bool joins = false, late = false;
  for (int m = FirstMapping(graph, key.point); m < graph->mapping_count && graph->mappings[m].point == key.point; ++m) {
    const catalog::Mapping& mapping = graph->mappings[m];
    if (mapping.tview > t && batch->reached[mapping.tview]) {
      joins = true;
      if (batch->since[t] != 0 && (batch->since[mapping.tview] == 0 || batch->since[t] < batch->since[mapping.tview])) {
        batch->since[mapping.tview] = batch->since[t];
      }
    } else if (mapping.tview != t || mapping.kind != catalog::MappingKind::kSelf) {
      late = true;
    }
  }
  if (joins) {
    CheckMemory(core::AddKey(worker->dirty, key.point, key.value, nullptr));
  }
  if (late) {
    CheckMemory(core::AddKey(worker->late, key.point, key.value, nullptr));
  }
}

void TakeOwnChanges(Batch* batch, int t) {
  if (!capture::CapturedAnything()) {
    return;
  }
  const core::ByteSpan payload = capture::TakeCaptured();
  size_t offset = 0;
  core::DirtyKey key;
  while (core::NextDirtyKey(payload, &offset, &key) == core::Next::kItem) {
    Distribute(batch, t, key);
  }
  if (payload.data != nullptr) {
    pfree(const_cast<unsigned char*>(payload.data));
  }
}

void NoteLateKeys(Worker* worker) {
  const size_t count = core::SetNumbers(worker->late, nullptr, 0);
  if (count == 0) {
    return;
  }
  uint32* numbers = static_cast<uint32*>(palloc(sizeof(uint32) * count));
  core::SetNumbers(worker->late, numbers, count);
  for (size_t n = 0; n < count; ++n) {
    for (size_t i = 0; i < core::KeyCount(worker->late, numbers[n]); ++i) {
      capture::NoteKey({numbers[n], core::KeyAt(worker->late, numbers[n], i)});
    }
  }
}

}  // namespace

void ApplyLevels(Batch* batch) {
  const int count = batch->worker->indexed.graph->tview_count;
  for (int t = 0; t < count; ++t) {
    CHECK_FOR_INTERRUPTS();
    if (batch->reached[t]) {
      RefreshTview(batch, t);
      NoteTimed(batch, t);
      TakeOwnChanges(batch, t);
      pg::Waitpoint("batch_tview_applied");
    }
  }
  NoteLateKeys(batch->worker);
}

}  // namespace tviews::bgw
