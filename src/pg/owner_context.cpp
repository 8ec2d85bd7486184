// Running as a TVIEW's owner: security-restricted, with the settings that were pinned when the TVIEW was made.
#include "pg/owner_context.h"

namespace tviews::pg {
OwnerContext EnterOwner(Oid owner, ArrayType* settings) { elog(ERROR, "not built yet"); }
void LeaveOwner(const OwnerContext& context) {}
ArrayType* CurrentPinnedSettings() { return construct_empty_array(TEXTOID); }
}  // namespace tviews::pg
