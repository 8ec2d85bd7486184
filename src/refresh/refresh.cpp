// From affected keys to rows.
#include "refresh/refresh.h"

namespace tviews::refresh {
const char* FormName(Form form) { return form == Form::kSet ? "set" : form == Form::kEach ? "each" : "full"; }
void MapKeys(const catalog::Tview* tview, const catalog::CapturePoint* point, const catalog::Mapping* mapping, const core::KeySets* dirty,
             core::KeySets* affected, uint32 out_number) { elog(ERROR, "not built yet"); }
Result RefreshKeys(const catalog::Tview* tview, const core::KeySets* keys, uint32 number, size_t first, size_t count, DeferFunction defer, void* context) { elog(ERROR, "not built yet"); }
Result RefreshWhole(const catalog::Tview* tview, DeferFunction defer, void* context) { elog(ERROR, "not built yet"); }
void ResetStatementCache() {}
}  // namespace tviews::refresh
