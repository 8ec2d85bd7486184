// The settings of pg_tviews (docs/reference/configuration.md), defined at load.
#pragma once

namespace tviews::pg {

extern int graph_cache_size;
extern int prepared_stmt_cache_size;
extern int ring_size_kb;
extern int max_databases;
extern int performance_log_size;
extern int batch_size;
extern int batch_delay_ms;
extern int sweep_interval_ms;
extern int refresh_timeout_ms;
extern int lock_timeout_ms;
extern bool synchronous;
extern int synchronous_timeout_ms;
extern bool intercept_create_table_as;
extern bool enabled;
extern int long_refresh_threshold_ms;  // -1: no comparison of a whole TVIEW is long

// Not the user's to set: "=" and the search_path of whom our SQL is run for; "-" while it must not be used; else empty.  A setting, for it ends with
// its (sub)transaction.
constexpr const char* kCallersSearchPath = "pg_tviews.callers_search_path";
extern char* callers_search_path;

// For tests: they force the rare branch.
extern bool debug_drop_pushes;        // every push finds the ring full
extern int debug_transaction_keys;    // keys a transaction keeps before it writes to the journal early
extern int debug_journal_switch_kb;   // size at which the worker moves to the next journal table
extern bool debug_waitpoints;         // see pg/waitpoint.h

// Called once from _PG_init.  `preloading`: settings that need shared memory can only be defined then.
void DefineSettings(bool preloading);

}  // namespace tviews::pg
