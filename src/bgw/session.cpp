// What the worker's session pins, whatever ALTER ROLE, ALTER DATABASE or the configuration file say.
#include "bgw/worker.h"
#include "pg/extension.h"
#include "pg/settings.h"

namespace tviews::bgw {
namespace {

int cluster_limit_ms = 500;  // half of what the cluster would let its own sessions wait

void Pin(const char* name, const char* value) { SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE); }

}  // namespace

void PinSession() {
  cluster_limit_ms = DeadlockTimeout / 2;
  if (LockTimeout > 0) {
    cluster_limit_ms = Min(cluster_limit_ms, LockTimeout / 2);
  }
  Pin("default_transaction_isolation", "read committed");
  Pin("default_transaction_read_only", "off");
  Pin("default_transaction_deferrable", "off");
  Pin("session_replication_role", "origin");
  Pin("row_security", "on");
  Pin("statement_timeout", "0");
  Pin("idle_in_transaction_session_timeout", "0");
  Pin("idle_session_timeout", "0");
#if PG_VERSION_NUM >= 170000
  Pin("transaction_timeout", "0");
#endif
  Pin("synchronous_commit", "off");  // losing a batch's commit only repeats it
  Pin("jit", "off");
  Pin("search_path", "pg_catalog, pg_temp");
  Pin("client_min_messages", "error");
  Pin("check_function_bodies", "off");
  Pin("exit_on_error", "off");  // a failing row must not end the worker
  Pin("standard_conforming_strings", "on");
  Pin("backslash_quote", "safe_encoding");
  Pin("transform_null_equals", "off");
  Pin("quote_all_identifiers", "off");
  Pin("plan_cache_mode", "auto");
  Pin("deadlock_timeout", "10");  // the worker is the deadlock victim, not the user
  Pin("pg_tviews.synchronous", "off");
  PinLockTimeout();
}

void PinLockTimeout() {
  char value[16];
  snprintf(value, sizeof(value), "%d", Max(1, Min(pg::lock_timeout_ms, cluster_limit_ms)));
  Pin("lock_timeout", value);
}

bool ExtensionIsHere() {
  StartTransactionCommand();
  const bool here = OidIsValid(pg::ExtensionOid());
  CommitTransactionCommand();
  return here;
}

}  // namespace tviews::bgw
