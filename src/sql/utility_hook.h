// The hooks on utility commands and object access: CREATE TABLE tv_x AS, DROP, renames, databases, the extension itself.
#pragma once

namespace tviews::sql {

// Called once from _PG_init.
void InstallUtilityHook();

}  // namespace tviews::sql
