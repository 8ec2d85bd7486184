// pg_tviews_records_data(): what became of the records of this database, as one row.
#include "pg/pg.h"
#include "shmem/database.h"
#include "shmem/lwlock.h"
#include "shmem/segment.h"

extern "C" {

PG_FUNCTION_INFO_V1(pg_tviews_records_data);
PGDLLEXPORT Datum pg_tviews_records_data(PG_FUNCTION_ARGS) {
  using namespace tviews;
  constexpr int kCounts = 11;
  shmem::RequireAttached();
  ReturnSetInfo* result = BeginRows(fcinfo);
  shmem::Database* slot = shmem::MyDatabaseSlot();
  if (slot == nullptr) {
    return static_cast<Datum>(0);
  }
  uint64 counts[kCounts];
  bool rescan;
  {
    shmem::ScopedLock lock(&slot->lock, LW_SHARED);
    const shmem::RecordTally& tally = slot->tally;
    const uint64 now[kCounts] = {slot->records_pushed, slot->records_overflowed, slot->records_drained, slot->drained_before,
                                 tally.from_ring, tally.scanned, tally.merged, tally.refused, tally.applied, tally.gone, tally.pending};
    memcpy(counts, now, sizeof(counts));
    rescan = slot->rescan;
  }
  Datum values[kCounts + 1];
  bool nulls[kCounts + 1] = {};
  for (int i = 0; i < kCounts; ++i) {
    values[i] = Int64GetDatum(counts[i]);
  }
  values[kCounts] = BoolGetDatum(rescan || pg_atomic_read_u32(&slot->scan_needed) != 0);
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
  return static_cast<Datum>(0);
}
}
