// Keys that the refresh of a TVIEW could not apply: noted during the refresh, written after it, outside of its subtransactions.
#pragma once

#include "core/bytes.h"
#include "pg/pg.h"

namespace tviews::bgw {

struct DeferNote {
  core::ByteSpan key;
  const char *reason, *sqlstate, *message;
  DeferNote* next;
};

struct DeferNotes {
  DeferNote* first;
  MemoryContext context;
};

// A refresh::DeferFunction; `context` is the DeferNotes.
void NoteDeferred(void* context, core::ByteSpan key, const char* reason, const char* sqlstate, const char* message);

}  // namespace tviews::bgw
