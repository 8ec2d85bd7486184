// What one refresh or comparison of a TVIEW holds open: owner's context, SPI, table, memory.
#pragma once

#include "pg/owner_context.h"
#include "refresh/recompute.h"

namespace tviews::refresh {

// One refresh: what is open from Begin to End.
struct Session {
  MemoryContext outer, own;
  pg::OwnerContext owner;
  Target* target;
  Wanted* wanted;
  bool strays, only_keys;
  Changes changes;
  Result result;
};

// Switches to memory of its own; an error leaves everything to the (sub)transaction's abort.  Ereports.
void BeginSession(Session* session, const catalog::Tview* tview, bool writes);

// Leaves the owner's context, then reports the refused keys to `defer` (the caller writes catalogs).
void EndSession(Session* session, DeferFunction defer, void* context);

}  // namespace tviews::refresh
