// A receiver that adds the key columns of each row to a set of keys.
#pragma once

#include "refresh/refresh.h"

namespace tviews::refresh {

// Rows must be the key columns of `tview`, in order.
DestReceiver* NewKeyCollector(const catalog::Tview* tview, core::KeySets* out, uint32 number);

// Key sets that go with the current memory context.  Ereports.
core::KeySets* NewKeySetsHere();

}  // namespace tviews::refresh
