// Counters per TVIEW and the performance log: fixed size, written by workers, read by monitoring views.
#pragma once

#include "core/histogram.h"
#include "pg/pg.h"

namespace tviews::shmem {

// One line of pg_tview_performance_log.
struct RefreshEntry {
  int64 log_id;  // filled by LogRefresh
  TimestampTz at;
  Oid database, tview;
  char entity[NAMEDATALEN];
  double duration_ms;
  int64 batch_id, keys, inserted, updated, deleted, unchanged;
  char form[8];  // set, each, full
  double lag_ms;
  char sqlstate[6];  // empty: no error
};

// What is kept per TVIEW.  Slots are found by (database, tview); when all are taken the counters of further TVIEWs are lost
// and the health check says so.
struct TviewCounters {
  Oid database, tview;
  int64 refreshes, keys, inserted, updated, deleted, unchanged, errors;
  double total_ms, max_ms;
  double whole_ms;  // how long the last comparison of the whole TVIEW took; 0: none is known
  TimestampTz last_refresh, applied_at, whole_at;  // whole_at: when that comparison ended
  uint64 applied_xmin, applied_xmax;
  core::Histogram lag;
  char last_error[256];
  char slowest_input[2 * NAMEDATALEN];
};

// Appends to the log and adds to the TVIEW's counters.  Never raises.
void LogRefresh(const RefreshEntry& entry, const char* error_message);

// Copies the newest entries of this database, newest first, into a palloc'd array; returns how many.
int CopyPerformanceLog(RefreshEntry** entries);
bool CopyTviewCounters(Oid tview, TviewCounters* counters);

// What a batch publishes per TVIEW besides the log: the snapshot S it is fresh at.  Never raises.
void PublishFresh(Oid tview, TimestampTz at, uint64 xmin, uint64 xmax);

// Which input makes a TVIEW slow, by the worker's own measurement.  Never raises.
void PublishSlowestInput(Oid tview, const char* input);

// How long a comparison of the whole TVIEW took, whatever came of it; 0: unknown.  Never raise.
void PublishWholeTime(Oid tview, double ms);
double WholeTime(Oid tview);
// When as much time has passed since it ended as it took; 0: unknown.  Never raises.
TimestampTz RestedAt(Oid tview);

// Forgets the counters of one TVIEW of this database (InvalidOid: of all).
void ResetStatistics(Oid tview);

// Statement cache of this database's worker, published by the worker.
struct StatementCounters {
  uint64 entries, capacity, hits, misses, evictions, bytes;
};
void PublishStatementCounters(const StatementCounters& counters);
StatementCounters ReadStatementCounters();

}  // namespace tviews::shmem
