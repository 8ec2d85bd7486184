// What the monitoring views read: shared memory as rows, each user seeing what is his to see.
#include "capture/journal.h"
#include "catalog/graph.h"
#include "catalog/graph_timer.h"
#include "pg/extension.h"
#include "pg/owner_context.h"
#include "shmem/database.h"
#include "shmem/graph_cache.h"
#include "shmem/lwlock.h"
#include "shmem/segment.h"
#include "shmem/statistics.h"

namespace tviews::sql {
namespace {

bool SeesAll() { return has_privs_of_role(GetUserId(), ROLE_PG_MONITOR); }

bool MaySee(Oid tview) {
  bool missing = false;
  return SeesAll() || (pg_class_aclcheck_ext(tview, GetUserId(), ACL_SELECT, &missing) == ACLCHECK_OK && !missing);
}

// An error's text may hold values of rows that readers of the TVIEW may not see.
bool MaySeeErrors(Oid tview) { return SeesAll() || has_privs_of_role(GetUserId(), pg::OwnerOf(tview)); }

// The values of one row, filled from left to right.
struct Row {
  Datum values[24];
  bool nulls[24];
  int count;
};

void Put(Row* row, Datum value, bool null = false) {
  row->values[row->count] = value;
  row->nulls[row->count++] = null;
}
void PutInt(Row* row, int64 value) { Put(row, Int64GetDatum(value)); }
void PutMs(Row* row, double value) { Put(row, Float8GetDatum(value), value < 0); }
void PutTime(Row* row, TimestampTz value) { Put(row, TimestampTzGetDatum(value), value == 0); }
void PutText(Row* row, const char* value) { Put(row, value[0] == '\0' ? 0 : CStringGetTextDatum(value), value[0] == '\0'); }

void Emit(ReturnSetInfo* result, Row* row) {
  tuplestore_putvalues(result->setResult, result->setDesc, row->values, row->nulls);
  row->count = 0;
}

void EmitLogEntry(ReturnSetInfo* result, const shmem::RefreshEntry& entry) {
  Row row = {};
  PutInt(&row, entry.log_id);
  PutTime(&row, entry.at);
  Put(&row, ObjectIdGetDatum(entry.tview));
  PutText(&row, entry.entity);
  PutMs(&row, entry.duration_ms);
  PutInt(&row, entry.batch_id);
  PutInt(&row, entry.keys);
  PutInt(&row, entry.inserted);
  PutInt(&row, entry.updated);
  PutInt(&row, entry.deleted);
  PutInt(&row, entry.unchanged);
  PutText(&row, entry.form);
  PutMs(&row, entry.lag_ms);
  PutText(&row, entry.sqlstate);
  Emit(result, &row);
}

// The parts of a slot that need its lock.
struct SlotCopy {
  uint64 ring_used, ring_size, pushed, overflowed, batches, keys, restarts, xmin, xmax;
  TimestampTz started_at, last_batch_at, oldest_unapplied, applied_at;
  pid_t pid;
  char waiting_for[128], last_error[256];
};

SlotCopy CopySlot(shmem::Database* slot) {
  SlotCopy copy;
  shmem::ScopedLock lock(&slot->lock, LW_SHARED);
  copy.ring_used = core::RingBytesUsed(slot->ring);
  copy.ring_size = slot->ring.size;
  copy.pushed = slot->records_pushed;
  copy.overflowed = slot->records_overflowed;
  copy.batches = slot->batches;
  copy.keys = slot->keys;
  copy.restarts = slot->restarts;
  copy.xmin = slot->applied_xmin;
  copy.xmax = slot->applied_xmax;
  copy.started_at = slot->started_at;
  copy.last_batch_at = slot->last_batch_at;
  copy.oldest_unapplied = slot->oldest_unapplied;
  copy.applied_at = slot->applied_at;
  copy.pid = slot->worker_pid;
  strlcpy(copy.waiting_for, slot->waiting_for, sizeof(copy.waiting_for));
  strlcpy(copy.last_error, slot->last_error, sizeof(copy.last_error));
  return copy;
}

void EmitSlot(ReturnSetInfo* result, shmem::Database* slot) {
  const SlotCopy copy = CopySlot(slot);
  const bool sees_all = SeesAll();
  Row row = {};
  Put(&row, ObjectIdGetDatum(pg_atomic_read_u32(&slot->oid)));
  Put(&row, Int32GetDatum(copy.pid), copy.pid == 0);
  PutText(&row, shmem::WorkerStateName(static_cast<shmem::WorkerState>(pg_atomic_read_u32(&slot->worker_state))));
  PutInt(&row, copy.batches);
  PutInt(&row, copy.keys);
  PutInt(&row, copy.restarts);
  PutTime(&row, copy.started_at);
  PutTime(&row, copy.last_batch_at);
  PutText(&row, sees_all ? copy.waiting_for : "");
  PutText(&row, sees_all ? copy.last_error : "");
  PutInt(&row, copy.ring_used);
  PutInt(&row, copy.ring_size);
  PutInt(&row, copy.pushed);
  PutInt(&row, copy.overflowed);
  PutInt(&row, pg_atomic_read_u32(&slot->waiting_records));
  PutInt(&row, pg_atomic_read_u32(&slot->parked_keys));
  PutTime(&row, copy.oldest_unapplied);
  PutTime(&row, copy.applied_at);
  PutText(&row, copy.applied_at == 0 ? "" : psprintf("%llu:%llu:", static_cast<unsigned long long>(copy.xmin), static_cast<unsigned long long>(copy.xmax)));
  Emit(result, &row);
}

void EmitLong(ReturnSetInfo* result, shmem::Database* slot) {
  shmem::LongProcess* process = &slot->long_process;
  const bool sees_all = SeesAll();
  char waiting_for[sizeof(process->waiting_for)], last_error[sizeof(process->last_error)];
  Row row = {};
  Put(&row, ObjectIdGetDatum(pg_atomic_read_u32(&slot->oid)));
  {
    shmem::ScopedLock lock(&slot->lock, LW_SHARED);
    strlcpy(waiting_for, process->waiting_for, sizeof(waiting_for));
    strlcpy(last_error, process->last_error, sizeof(last_error));
  }
  Put(&row, Int32GetDatum(process->pid), process->pid == 0);
  PutText(&row, shmem::WorkerStateName(static_cast<shmem::WorkerState>(pg_atomic_read_u32(&process->state))));
  const Oid tview = pg_atomic_read_u32(&process->tview);
  Put(&row, ObjectIdGetDatum(tview), !OidIsValid(tview));
  PutInt(&row, process->refreshes);
  PutInt(&row, process->keys);
  PutInt(&row, process->restarts);
  PutTime(&row, process->started_at);
  PutTime(&row, process->last_refresh_at);
  PutText(&row, sees_all ? waiting_for : "");
  PutText(&row, sees_all ? last_error : "");
  Emit(result, &row);
}

void EmitCache(ReturnSetInfo* result, const char* type, uint64 entries, uint64 capacity, uint64 hits, uint64 misses, uint64 evictions, uint64 bytes) {
  Row row = {};
  PutText(&row, type);
  PutInt(&row, entries);
  PutInt(&row, capacity);
  PutInt(&row, hits);
  PutInt(&row, misses);
  PutInt(&row, evictions);
  Put(&row, Float8GetDatum(hits + misses == 0 ? 0 : static_cast<double>(hits) / (hits + misses)), hits + misses == 0);
  PutInt(&row, bytes);
  Emit(result, &row);
}

double PercentileMs(const core::Histogram& lag, double p) {
  const double microseconds = core::Percentile(lag, p);
  return microseconds < 0 ? -1 : microseconds / 1000.0;
}

void EmitCounters(ReturnSetInfo* result, const shmem::TviewCounters& counters, bool error_too) {
  Row row = {};
  PutInt(&row, counters.refreshes);
  PutInt(&row, counters.keys);
  PutInt(&row, counters.inserted);
  PutInt(&row, counters.updated);
  PutInt(&row, counters.deleted);
  PutInt(&row, counters.unchanged);
  PutInt(&row, counters.errors);
  PutMs(&row, counters.total_ms);
  PutMs(&row, counters.max_ms);
  PutTime(&row, counters.last_refresh);
  PutTime(&row, counters.applied_at);
  PutText(&row, counters.applied_at == 0 ? "" : psprintf("%llu:%llu:", static_cast<unsigned long long>(counters.applied_xmin),
                                                          static_cast<unsigned long long>(counters.applied_xmax)));
  PutMs(&row, PercentileMs(counters.lag, 0.50));
  PutMs(&row, PercentileMs(counters.lag, 0.95));
  PutMs(&row, PercentileMs(counters.lag, 0.99));
  PutText(&row, error_too ? counters.last_error : "");
  PutText(&row, counters.slowest_input);
  Emit(result, &row);
}

}  // namespace
}  // namespace tviews::sql

extern "C" {

PG_FUNCTION_INFO_V1(pg_tviews_performance_log_data);
PG_FUNCTION_INFO_V1(pg_tviews_databases_data);
PG_FUNCTION_INFO_V1(pg_tviews_long_data);
PG_FUNCTION_INFO_V1(pg_tviews_cache_data);
PG_FUNCTION_INFO_V1(pg_tviews_counters_data);
PG_FUNCTION_INFO_V1(pg_tviews_journal_data);
PG_FUNCTION_INFO_V1(pg_tviews_timer_due);
PG_FUNCTION_INFO_V1(pg_tviews_stats_reset);

PGDLLEXPORT Datum pg_tviews_performance_log_data(PG_FUNCTION_ARGS) {
  using namespace tviews;
  shmem::RequireAttached();
  ReturnSetInfo* result = BeginRows(fcinfo);
  shmem::RefreshEntry* entries = nullptr;
  const int count = shmem::CopyPerformanceLog(&entries);
  const bool sees_all = sql::SeesAll();
  for (int i = 0; i < count; ++i) {
    if (sees_all || sql::MaySee(entries[i].tview)) {
      sql::EmitLogEntry(result, entries[i]);
    }
  }
  return static_cast<Datum>(0);
}

PGDLLEXPORT Datum pg_tviews_databases_data(PG_FUNCTION_ARGS) {
  using namespace tviews;
  shmem::RequireAttached();
  ReturnSetInfo* result = BeginRows(fcinfo);
  for (int i = 0; i < shmem::DatabaseCount(); ++i) {
    shmem::Database* slot = shmem::DatabaseAt(i);
    if (OidIsValid(pg_atomic_read_u32(&slot->oid))) {
      sql::EmitSlot(result, slot);
    }
  }
  return static_cast<Datum>(0);
}

PGDLLEXPORT Datum pg_tviews_long_data(PG_FUNCTION_ARGS) {
  using namespace tviews;
  shmem::RequireAttached();
  ReturnSetInfo* result = BeginRows(fcinfo);
  for (int i = 0; i < shmem::DatabaseCount(); ++i) {
    shmem::Database* slot = shmem::DatabaseAt(i);
    if (OidIsValid(pg_atomic_read_u32(&slot->oid)) && slot->long_process.started_at != 0) {
      sql::EmitLong(result, slot);
    }
  }
  return static_cast<Datum>(0);
}

PGDLLEXPORT Datum pg_tviews_cache_data(PG_FUNCTION_ARGS) {
  using namespace tviews;
  shmem::RequireAttached();
  ReturnSetInfo* result = BeginRows(fcinfo);
  const shmem::CacheCounters graph = shmem::GraphCacheCounters();
  sql::EmitCache(result, "graph", graph.entries, graph.capacity, graph.hits, graph.misses, graph.evictions, graph.bytes);
  const shmem::StatementCounters statement = shmem::ReadStatementCounters();
  sql::EmitCache(result, "statement", statement.entries, statement.capacity, statement.hits, statement.misses, statement.evictions, statement.bytes);
  return static_cast<Datum>(0);
}

PGDLLEXPORT Datum pg_tviews_counters_data(PG_FUNCTION_ARGS) {
  using namespace tviews;
  const Oid tview = PG_GETARG_OID(0);
  shmem::RequireAttached();
  ReturnSetInfo* result = BeginRows(fcinfo);
  shmem::TviewCounters* counters = static_cast<shmem::TviewCounters*>(palloc(sizeof(*counters)));
  if (sql::MaySee(tview) && shmem::CopyTviewCounters(tview, counters)) {
    sql::EmitCounters(result, *counters, sql::MaySeeErrors(tview));
  }
  return static_cast<Datum>(0);
}

PGDLLEXPORT Datum pg_tviews_journal_data(PG_FUNCTION_ARGS) {
  using namespace tviews;
  shmem::RequireAttached();
  ReturnSetInfo* result = BeginRows(fcinfo);
  const capture::JournalSize size = capture::MeasureJournal();
  sql::Row row = {};
  sql::PutInt(&row, size.rows);
  sql::PutInt(&row, size.bytes);
  sql::Emit(result, &row);
  return static_cast<Datum>(0);
}

PGDLLEXPORT Datum pg_tviews_timer_due(PG_FUNCTION_ARGS) {
  using namespace tviews;
  const Oid tview = PG_GETARG_OID(0);
  const TimestampTz due = sql::MaySee(tview) ? catalog::TimerDue(tview) : DT_NOEND;
  if (due == DT_NOEND) {
    PG_RETURN_NULL();
  }
  PG_RETURN_TIMESTAMPTZ(due);
}

PGDLLEXPORT Datum pg_tviews_stats_reset(PG_FUNCTION_ARGS) {
  using namespace tviews;
  shmem::ResetStatistics(PG_ARGISNULL(0) ? InvalidOid : catalog::ResolveTview(text_to_cstring(PG_GETARG_TEXT_PP(0))));
  PG_RETURN_VOID();
}
}
