// The crashes that the last life of the server ended with: told to the log and the monitoring views; the next attempt may have to wait.
#include "bgw/worker.h"
#include "core/backoff.h"
#include "shmem/crashes.h"
#include "shmem/lwlock.h"

namespace tviews::bgw {
namespace {

constexpr uint32 kAtOnce = 3;  // crashes in a row, each of which takes the whole server down, before the next attempt waits
constexpr int64 kDelayMs = 1000, kLongestDelayMs = 60000;

const char* Describe(const core::CrashNote& crash) {
  StartTransactionCommand();
  const MemoryContext transaction = MemoryContextSwitchTo(TopMemoryContext);
  const char* name = get_rel_name(crash.tview);
  const char* tview = name == nullptr ? psprintf("TVIEW %u", crash.tview) : name;
  const char* what = "running nothing of a user's";
  switch (crash.kind) {
    case core::Attempt::kNone:
    case core::Attempt::kRunning:
    case core::Attempt::kStopped:
      break;
    case core::Attempt::kOne:
    case core::Attempt::kSeveral:
      what = crash.point == 0 ? psprintf("refreshing %llu keys of %s", static_cast<unsigned long long>(crash.count), tview)
                              : psprintf("looking for the keys of %s by %llu changed values", tview, static_cast<unsigned long long>(crash.count));
      break;
    case core::Attempt::kWhole:
      what = psprintf("comparing the whole of %s", tview);
      break;
    case core::Attempt::kList:
      what = psprintf("listing the keys of %s", tview);
      break;
  }
  MemoryContextSwitchTo(transaction);
  CommitTransactionCommand();
  return what;
}

}  // namespace

void StartCrashAccounting(Worker* worker, shmem::CrashProcess process) {
  const shmem::CrashReport report = shmem::OpenCrashFile(worker->slot, process);
  if (report.crash.kind != core::Attempt::kNone) {
    const char* what = Describe(report.crash);
    ereport(LOG, (errmsg("pg_tviews: a process of database %u was killed or crashed while it was %s", MyDatabaseId, what)));
    shmem::ScopedLock lock(&worker->slot->lock, LW_EXCLUSIVE);
    snprintf(worker->slot->last_error, sizeof(worker->slot->last_error), "57P02: killed or crashed while %s", what);
    worker->slot->last_crash_at = GetCurrentTimestamp();
  }
  if (report.consecutive > kAtOnce) {
    const int64 ms = core::BackoffMilliseconds(static_cast<int>(report.consecutive - kAtOnce), kDelayMs, kLongestDelayMs, MyProcPid);
    worker->failures = 1;
    worker->retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
  }
}

}  // namespace tviews::bgw
