// What a change of the graph entails: invalidation while the transaction runs, the shared cache and the worker at its commit.
#pragma once

#include "pg/pg.h"

namespace tviews::catalog {

// Makes every backend read the capture points of these relations (and of their partitions and children) again.
void InvalidateRelations(const List* relations);

// Installs the transaction callback.  Called from InstallUtilityHook.
void InstallGraphCallback();

}  // namespace tviews::catalog
