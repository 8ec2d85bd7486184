// Keys that the refresh of a TVIEW could not apply: noted during the refresh, written after it.
#include "bgw/defer_notes.h"

namespace tviews::bgw {
namespace {

core::ByteSpan CopySpan(core::ByteSpan span) {
  unsigned char* data = static_cast<unsigned char*>(palloc(span.size + 1));
  if (span.size > 0) {
    memcpy(data, span.data, span.size);
  }
  return {data, span.size};
}

}  // namespace

void NoteDeferred(void* context, core::ByteSpan key, const char* reason, const char* sqlstate, const char* message) {
  auto* notes = static_cast<DeferNotes*>(context);
  const MemoryContext caller = MemoryContextSwitchTo(notes->context);
  auto* note = static_cast<DeferNote*>(palloc(sizeof(DeferNote)));
  *note = {CopySpan(key), pstrdup(reason), sqlstate == nullptr ? nullptr : pstrdup(sqlstate), message == nullptr ? nullptr : pstrdup(message),
           notes->first};
  notes->first = note;
  MemoryContextSwitchTo(caller);
}

}  // namespace tviews::bgw
