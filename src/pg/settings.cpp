// Defines the settings of pg_tviews.
#include "pg/settings.h"

#include <climits>

#include "pg/pg.h"

namespace tviews::pg {

int graph_cache_size = 1000;
int prepared_stmt_cache_size = 500;
int ring_size_kb = 1024;
int max_databases = 8;
int performance_log_size = 10000;
int batch_size = 10000;
int batch_delay_ms = 0;
int sweep_interval_ms = 1000;
int refresh_timeout_ms = 30000;
int lock_timeout_ms = 500;
bool synchronous = false;
int synchronous_timeout_ms = 10000;
bool intercept_create_table_as = true;
bool enabled = true;
int long_refresh_threshold_ms = 1000;
char* callers_search_path;
bool debug_drop_pushes = false;
int debug_transaction_keys = 65536;
int debug_journal_switch_kb = 4096;
bool debug_waitpoints = false;

namespace {

void DefineInt(const char* name, const char* description, const char* more, int* variable, int boot, int min, int max,
               GucContext context, int flags) {
  DefineCustomIntVariable(name, description, more, variable, boot, min, max, context, flags, nullptr, nullptr, nullptr);
}

void DefineBool(const char* name, const char* description, const char* more, bool* variable, bool boot, GucContext context,
                int flags) {
  DefineCustomBoolVariable(name, description, more, variable, boot, context, flags, nullptr, nullptr, nullptr);
}

// Only while preloading: the server refuses PGC_POSTMASTER settings that arrive later.
void DefinePostmasterSettings() {
  DefineInt("pg_tviews.graph_cache_size", "Sets the number of entries in the shared graph cache.",
            "An entry takes about 100 bytes.", &graph_cache_size, 1000, 100, 100000, PGC_POSTMASTER, 0);
  DefineInt("pg_tviews.ring_size", "Sets the size of each database's ring of changes in shared memory.",
            "A full ring loses nothing: the worker then reads the journal.", &ring_size_kb, 1024, 64, 1024 * 1024, PGC_POSTMASTER,
            GUC_UNIT_KB);
  DefineInt("pg_tviews.max_databases", "Sets the number of databases that can have a ring and a refresh worker.", nullptr,
            &max_databases, 8, 1, 1000, PGC_POSTMASTER, 0);
  DefineInt("pg_tviews.performance_log_size", "Sets the number of refreshes kept in pg_tview_performance_log.", nullptr,
            &performance_log_size, 10000, 100, 1000000, PGC_POSTMASTER, 0);
}

void DefineWorkerSettings() {
  DefineInt("pg_tviews.prepared_stmt_cache_size", "Sets the number of prepared statements that a refresh worker keeps.", nullptr,
            &prepared_stmt_cache_size, 500, 50, 10000, PGC_SUSET, 0);
  DefineInt("pg_tviews.batch_size", "Sets the number of keys applied in one transaction while catching up.", nullptr, &batch_size,
            10000, 1, 10000000, PGC_SIGHUP, 0);
  DefineInt("pg_tviews.batch_delay", "Sets how long a refresh worker waits for more changes before it applies a batch.", nullptr,
            &batch_delay_ms, 0, 0, 60000, PGC_SIGHUP, GUC_UNIT_MS);
  DefineInt("pg_tviews.sweep_interval", "Sets how often a refresh worker looks for changes without having been woken.", nullptr,
            &sweep_interval_ms, 1000, 10, 3600000, PGC_SIGHUP, GUC_UNIT_MS);
  DefineInt("pg_tviews.refresh_timeout", "Sets the maximum duration of one refresh statement.", "A value of 0 turns this off.",
            &refresh_timeout_ms, 30000, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS);
  DefineInt("pg_tviews.lock_timeout", "Sets the maximum duration of one wait of a refresh worker for a lock.",
            "A value of 0 turns this off.", &lock_timeout_ms, 500, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS);
  DefineInt("pg_tviews.long_refresh_threshold", "Sets the duration from which a comparison of a whole TVIEW runs in a second process.",
            "A value of 0 sends all of them there, -1 none.", &long_refresh_threshold_ms, 1000, -1, INT_MAX, PGC_SIGHUP, GUC_UNIT_MS);
  DefineBool("pg_tviews.enabled", "Lets the refresh workers apply changes.",
             "When off, changes are still captured and kept in the journal.", &enabled, true, PGC_SIGHUP, 0);
}

void DefineUserSettings() {
  DefineBool("pg_tviews.synchronous", "Makes COMMIT return only when the change is applied to every TVIEW.", nullptr, &synchronous,
             false, PGC_USERSET, 0);
  DefineInt("pg_tviews.synchronous_timeout", "Sets how long COMMIT waits at most when pg_tviews.synchronous is on.",
            "The transaction stays committed; a warning is given.", &synchronous_timeout_ms, 10000, 0, INT_MAX, PGC_USERSET,
            GUC_UNIT_MS);
  DefineBool("pg_tviews.intercept_create_table_as", "Makes CREATE TABLE tv_... AS SELECT create a TVIEW.", nullptr,
             &intercept_create_table_as, true, PGC_USERSET, 0);
  DefineCustomStringVariable(kCallersSearchPath, "Shows the search_path of the session while pg_tviews runs commands for it.", nullptr, &callers_search_path,
                             "", PGC_INTERNAL, GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE, nullptr, nullptr, nullptr);
}

void DefineDebugSettings() {
  DefineBool("pg_tviews.debug_drop_pushes", "Treats the ring as full, for tests.", nullptr, &debug_drop_pushes, false, PGC_SIGHUP,
             GUC_NOT_IN_SAMPLE);
  DefineInt("pg_tviews.debug_transaction_keys",
            "Sets the number of keys a transaction keeps before it writes to the journal early, for tests.", nullptr,
            &debug_transaction_keys, 65536, 0, 10000000, PGC_USERSET, GUC_NOT_IN_SAMPLE);
  DefineInt("pg_tviews.debug_journal_switch_kb", "Sets the size at which the journal moves to its next table, for tests.", nullptr,
            &debug_journal_switch_kb, 4096, 8, 1024 * 1024, PGC_SIGHUP, GUC_NOT_IN_SAMPLE | GUC_UNIT_KB);
  DefineBool("pg_tviews.debug_waitpoints", "Makes processes stop at named places while a session holds them, for tests.", nullptr,
             &debug_waitpoints, false, PGC_SIGHUP, GUC_NOT_IN_SAMPLE);
}

}  // namespace

void DefineSettings(bool preloading) {
  if (preloading) {
    DefinePostmasterSettings();
  }
  DefineWorkerSettings();
  DefineUserSettings();
  DefineDebugSettings();
  MarkGUCPrefixReserved("pg_tviews");
}

}  // namespace tviews::pg
