// _PG_init: wires the floors, nothing else.
#include "bgw/launcher.h"
#include "bgw/wait.h"
#include "capture/transaction_set.h"
#include "pg/pg.h"
#include "pg/settings.h"
#include "shmem/segment.h"
#include "sql/event_triggers.h"
#include "sql/publications.h"
#include "sql/utility_hook.h"

extern "C" {
PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void _PG_init(void) {
  const bool preloading = process_shared_preload_libraries_in_progress;
  tviews::pg::DefineSettings(preloading);
  if (!preloading) {
    return;  // without the shared segment there is nothing to wire; every entry point says what is missing
  }
  tviews::shmem::InstallHooks();
  tviews::capture::InstallTransactionCallbacks();
  tviews::bgw::InstallSynchronousWait();
  tviews::sql::InstallUtilityHook();
  tviews::sql::InstallEventTriggerHook();
  tviews::sql::HideFromSubscribers();
  tviews::bgw::RegisterLauncher();
}
}
