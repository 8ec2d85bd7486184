// From affected keys to rows: recompute from the view, compare with the table, write only what differs.
#pragma once

#include "catalog/graph.h"
#include "core/key_sets.h"
#include "pg/pg.h"

namespace tviews::refresh {

enum class Form : uint8 { kSet, kEach, kFull };
const char* FormName(Form form);

struct Result {
  int64 keys, inserted, updated, deleted, unchanged;
  int64 locked;  // keys left alone because a user holds the row
  Form form;
};

// A key that could not be applied, reported through `defer` (the caller writes pg_tview_deferred).
using DeferFunction = void (*)(void* context, core::ByteSpan key, const char* reason, const char* sqlstate, const char* message);

// Refreshes the keys of set `number`.  Requires: the caller holds the TVIEW's object lock and ROW EXCLUSIVE on its table; the
// active snapshot is S.  `strays`: a user may have stored a key more than once.  `only_keys`: the view is not asked for all its
// rows, even if that were cheaper, for others may fail.  Advances the active snapshot's command id.  Ereports; the caller isolates failures.
Result RefreshKeys(const catalog::Tview* tview, const core::KeySets* keys, uint32 number, size_t first, size_t count, bool strays,
                   bool only_keys, DeferFunction defer, void* context);

// Refreshes the whole TVIEW by difference.
Result RefreshWhole(const catalog::Tview* tview, DeferFunction defer, void* context);

// Forgets cached plans (the graph changed).  Worker-local statement cache, least recently used, pg_tviews.prepared_stmt_cache_size.
void ResetStatementCache();

}  // namespace tviews::refresh
