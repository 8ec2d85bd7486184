// Starting a process for a database, and how long to wait before it starts again.
#include "bgw/managed.h"

#include "core/backoff.h"

namespace tviews::bgw {
namespace {

constexpr int64 kHealthyMs = 60 * 1000;  // a process that lived this long starts again at the shortest delay
constexpr int64 kFirstDelayMs = 100, kLongestDelayMs = 30 * 1000, kNoSlotDelayMs = 1000;

}  // namespace

bool Launch(Managed* process, const char* type, const char* function, TimestampTz now) {
  BackgroundWorker definition = {};
  snprintf(definition.bgw_name, BGW_MAXLEN, "%s for database %u", type, process->database);
  strlcpy(definition.bgw_type, type, BGW_MAXLEN);
  definition.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  definition.bgw_start_time = BgWorkerStart_RecoveryFinished;
  definition.bgw_restart_time = BGW_NEVER_RESTART;  // the launcher restarts it, with backoff
  strlcpy(definition.bgw_library_name, "pg_tviews", BGW_MAXLEN);
  strlcpy(definition.bgw_function_name, function, BGW_MAXLEN);
  definition.bgw_main_arg = ObjectIdGetDatum(process->database);
  definition.bgw_notify_pid = MyProcPid;
  const MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
  const bool registered = RegisterDynamicBackgroundWorker(&definition, &process->handle);
  MemoryContextSwitchTo(caller);
  if (registered) {
    process->started_at = now;
    return true;
  }
  process->handle = nullptr;
  process->next_attempt =
      TimestampTzPlusMilliseconds(now, core::BackoffMilliseconds(++process->failures, kNoSlotDelayMs, kLongestDelayMs, process->database));
  return false;
}

void NoteExit(Managed* process, bool asked, TimestampTz now) {
  if (asked) {
    process->failures = 0;
    process->next_attempt = now;
    return;
  }
  process->failures = TimestampDifferenceExceeds(process->started_at, now, kHealthyMs) ? 1 : process->failures + 1;
  process->next_attempt =
      TimestampTzPlusMilliseconds(now, core::BackoffMilliseconds(process->failures, kFirstDelayMs, kLongestDelayMs, process->database + process->failures));
}

}  // namespace tviews::bgw
