// Failure isolation.
#include "refresh/isolate.h"

namespace tviews::refresh {
IsolatedResult RefreshIsolated(const catalog::Tview* tview, const core::KeySets* keys, uint32 number, bool whole, DeferFunction defer, void* context) { elog(ERROR, "not built yet"); }
}  // namespace tviews::refresh
