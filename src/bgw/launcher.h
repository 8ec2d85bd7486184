// The launcher: one static background worker that keeps one refresh worker per database that has the extension.
#pragma once

#include "pg/pg.h"

namespace tviews::bgw {

// Registers the launcher.  Called from _PG_init while preloading.
void RegisterLauncher();

// Stops the worker of `database` and keeps it away until the end of the current transaction; waits at most two seconds.
void HoldWorkerAway(Oid database);

// At the commit of this transaction the launcher looks again which databases there are.
void LookAgainAtCommit();

// Tells the launcher, after commit, that this database has (or no longer has) the extension.
void AnnounceAtCommit();

}  // namespace tviews::bgw
