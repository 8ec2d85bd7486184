// When the TVIEWs with the option refresh_every are due.
#pragma once

#include "pg/pg.h"

namespace tviews::catalog {

// The interval option `name` in milliseconds, months as 30 days; 0 without it.
int64 IntervalOption(Datum options, const char* name);

// The refresh that follows `after` for a TVIEW that is refreshed every `every_ms`.  The times are whole numbers of periods apart from
// midnight in the pinned TimeZone where the period is made of whole days (a week begins on Monday), else from midnight UTC: two
// TVIEWs with equal periods are due together, and a pause is followed by one refresh.
TimestampTz NextRefresh(int64 every_ms, TimestampTz after, ArrayType* settings);

// When the TVIEW is due next by its timer, DT_NOEND without the option or when it is no TVIEW.  For monitoring; assigns no xid.
TimestampTz TimerDue(Oid table);

}  // namespace tviews::catalog
