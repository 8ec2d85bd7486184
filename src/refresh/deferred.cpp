// pg_tview_deferred: keys that could not be applied in their batch, with reason and next attempt.
#include "refresh/deferred.h"

namespace tviews::refresh {
void DeferKey(const catalog::Tview* tview, core::ByteSpan key, const char* reason, const char* sqlstate, const char* message) { elog(ERROR, "not built yet"); }
void ForgetDeferred(const catalog::Tview* tview, const core::KeySets* keys, uint32 number, bool whole) {}
void CollectDue(const catalog::Graph* graph, TimestampTz now, core::KeySets* affected, bool* whole) {}
TimestampTz NextDue() { return DT_NOEND; }
void CountDeferred(int64* blocking, int64* parked) { *blocking = *parked = 0; }
}  // namespace tviews::refresh
