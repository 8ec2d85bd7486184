// The shared segment: sized at preload, attached by every process.
#pragma once

#include "pg/pg.h"

namespace tviews::shmem {

// Installs the request and startup hooks.  Called from _PG_init while preloading.
void InstallHooks();

// False when the library was not preloaded: nothing below may be used.
bool Attached();

// Ereports an error that names shared_preload_libraries unless the segment is there.
void RequireAttached();

// The launcher's latch: wakes it when a database appears, disappears or lost its worker.
void SetLauncherLatch(Latch* latch);
void WakeLauncher();

}  // namespace tviews::shmem
