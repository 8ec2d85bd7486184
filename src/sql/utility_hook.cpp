// The hooks on utility commands and object access.
#include "sql/utility_hook.h"

namespace tviews::sql {
void InstallUtilityHook() {}
}  // namespace tviews::sql
