// From dirty keys to affected keys: the mapping queries of lineage, run as the TVIEW's owner.
#pragma once

#include "refresh/refresh.h"

namespace tviews::refresh {

// One mapping of a TVIEW, the dirty keys (set `point->id` of `dirty`) and where the keys go (set `number` of `affected`, one field
// per key column, see core/record.h).
struct Mapped {
  const catalog::Tview* tview;
  const catalog::CapturePoint* point;
  const catalog::Mapping* mapping;
  const core::KeySets* dirty;
  core::KeySets* affected;
  uint32 number;
};

// Maps dirty keys [first, first + count); with a count of 0 the mapping query runs with empty arrays.  Active snapshot: S, current
// command id.  REQUIRES: the mapping is not kFull.  Ereports what the query raises.
void MapKeys(const Mapped& mapped, size_t first, size_t count);

struct MapResult {
  size_t failed;  // dirty keys whose keys are not known, because the query raises for them
  bool hopeless;  // the query raises for whatever value
  bool too_long;  // it took longer than pg_tviews.refresh_timeout
  char sqlstate[6];
  char message[256];
};

// MapKeys for all dirty keys, in subtransactions: values for which the query raises are found by bisection, the others are mapped.
// Ereports only what asks for the batch to be run again or given up.
MapResult MapIsolated(const Mapped& mapped);

}  // namespace tviews::refresh
