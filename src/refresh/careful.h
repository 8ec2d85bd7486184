// Keys and values that crashed a process: set apart from the others, refused while they are parked.
#pragma once

#include "refresh/map_keys.h"

namespace tviews::refresh {

inline constexpr char kCrashSqlstate[] = "57P02";  // crash_shutdown

// The keys of a refresh by how they are to be tried: three sets of `keys`.
inline constexpr uint32 kTogether = 0, kAlone = 1, kUntried = 2;
struct Apart {
  core::KeySets* keys;
  bool one_by_one;  // those of kTogether, too
};
// In the current memory context.  Ereports.
Apart SetApart(const catalog::Tview* tview, const core::KeySets* keys, uint32 number);

// May this value of a mapping be tried?  False: it crashed too often, and not long enough ago.
bool MayMap(const Mapped& mapped, core::ByteSpan value);

// What is said of a refused key, value or (`whole`) TVIEW, in the current context.
const char* DescribeCrashes(uint32 crashes, bool whole);

// Lists keys of table and view (`stored` > 0: at most so many of the table) into set 0 of `keys`, in a subtransaction.  False: that
// raised, `*error` tells.
bool ListKeys(const catalog::Tview* tview, int64 stored, core::KeySets* keys, ErrorData** error);

}  // namespace tviews::refresh
