// Comparing a TVIEW with its view without writing.
#pragma once

#include "refresh/refresh.h"

namespace tviews::refresh {

struct Comparison {
  int64 missing, extra, different;
  core::ByteSpan example;  // a key that differs, in the caller's memory context; data null: none
};

// Compares all rows (keys null) or those of set `number`, both sides as the active snapshot sees them.  Ereports.
Comparison Compare(const catalog::Tview* tview, const core::KeySets* keys, uint32 number);

// Adds a random sample of about `rows` keys of table and view to set `number`.  Ereports.
void SampleKeys(const catalog::Tview* tview, int64 rows, core::KeySets* keys, uint32 number);

// Adds some keys of the table, at most `limit`.  Ereports.
void StoredKeys(const catalog::Tview* tview, int64 limit, core::KeySets* keys, uint32 number);

// Adds every key of table and view.  Ereports.
void AllKeys(const catalog::Tview* tview, core::KeySets* keys, uint32 number);

}  // namespace tviews::refresh
