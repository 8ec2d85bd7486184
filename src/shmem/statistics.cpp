// Counters per TVIEW and the performance log.
#include "shmem/statistics.h"

#include "shmem/database.h"
#include "pg/settings.h"
#include "shmem/layout.h"
#include "shmem/lwlock.h"
#include "shmem/segment.h"

namespace tviews::shmem {
namespace {

uint32 SlotOf(Oid database, Oid tview) { return (database * 2654435761u ^ tview * 2246822519u) % kTviewCounterSlots; }

// The slot of a TVIEW by linear probing, or a free one when `claim`; nullptr when there is none.  The lock is held.
// A slot once used stays used (tview 0, database set: a tombstone), so that probing need not move entries.
TviewCounters* FindCounters(Oid database, Oid tview, bool claim) {
  TviewCounters* slots = CounterSlots();
  TviewCounters* reusable = nullptr;
  uint32 at = SlotOf(database, tview);
  for (int i = 0; i < kTviewCounterSlots; ++i, at = (at + 1) % kTviewCounterSlots) {
    TviewCounters* slot = &slots[at];
    if (slot->database == database && slot->tview == tview) {
      return slot;
    }
    if (!OidIsValid(slot->tview) && reusable == nullptr) {
      reusable = slot;
    }
    if (!OidIsValid(slot->database)) {
      break;
    }
  }
  if (!claim || reusable == nullptr) {
    return nullptr;
  }
  memset(reusable, 0, sizeof(*reusable));
  reusable->database = database;
  reusable->tview = tview;
  return reusable;
}

void ForgetCounters(TviewCounters* slot) {
  const Oid database = slot->database;
  memset(slot, 0, sizeof(*slot));
  slot->database = database;  // a tombstone
}

void CountRefresh(TviewCounters* counters, const RefreshEntry& entry, const char* error_message) {
  ++counters->refreshes;
  counters->keys += entry.keys;
  counters->inserted += entry.inserted;
  counters->updated += entry.updated;
  counters->deleted += entry.deleted;
  counters->unchanged += entry.unchanged;
  counters->total_ms += entry.duration_ms;
  counters->max_ms = Max(counters->max_ms, entry.duration_ms);
  counters->last_refresh = entry.at;
  if (entry.lag_ms >= 0) {
    core::AddDuration(&counters->lag, static_cast<int64_t>(entry.lag_ms * 1000));
  }
  if (entry.sqlstate[0] != '\0') {
    ++counters->errors;
    strlcpy(counters->last_error, error_message == nullptr ? entry.sqlstate : error_message, sizeof(counters->last_error));
  }
}

}  // namespace

void LogRefresh(const RefreshEntry& entry, const char* error_message) {
  if (!Attached()) {
    return;
  }
  Segment* segment = MySegment();
  ScopedLock lock(&segment->statistics_lock, LW_EXCLUSIVE);
  RefreshEntry* logged = &LogEntries()[++segment->last_log_id % pg::performance_log_size];
  *logged = entry;
  logged->log_id = segment->last_log_id;
  TviewCounters* counters = FindCounters(entry.database, entry.tview, true);
  if (counters != nullptr) {
    CountRefresh(counters, entry, error_message);
  }
}

int CopyPerformanceLog(RefreshEntry** entries) {
  RequireAttached();
  Segment* segment = MySegment();
  const Size bytes = mul_size(pg::performance_log_size, sizeof(RefreshEntry));
  RefreshEntry* copy = static_cast<RefreshEntry*>(MemoryContextAllocHuge(CurrentMemoryContext, bytes));
  int count = 0;
  ScopedLock lock(&segment->statistics_lock, LW_SHARED);
  const int64 kept = Min(segment->last_log_id, static_cast<int64>(pg::performance_log_size));
  for (int64 i = 0; i < kept; ++i) {
    const RefreshEntry& entry = LogEntries()[(segment->last_log_id - i) % pg::performance_log_size];
    if (entry.database == MyDatabaseId) {
      copy[count++] = entry;
    }
  }
  *entries = copy;
  return count;
}

bool CopyTviewCounters(Oid tview, TviewCounters* counters) {
  RequireAttached();
  ScopedLock lock(&MySegment()->statistics_lock, LW_SHARED);
  const TviewCounters* found = FindCounters(MyDatabaseId, tview, false);
  if (found != nullptr) {
    *counters = *found;
  }
  return found != nullptr;
}

void PublishFresh(Oid tview, TimestampTz at, uint64 xmin, uint64 xmax) {
  if (!Attached()) {
    return;
  }
  ScopedLock lock(&MySegment()->statistics_lock, LW_EXCLUSIVE);
  TviewCounters* counters = FindCounters(MyDatabaseId, tview, true);
  if (counters != nullptr) {
    counters->applied_at = at;
    counters->applied_xmin = xmin;
    counters->applied_xmax = xmax;
  }
}

void PublishSlowestInput(Oid tview, const char* input) {
  if (!Attached()) {
    return;
  }
  ScopedLock lock(&MySegment()->statistics_lock, LW_EXCLUSIVE);
  TviewCounters* counters = FindCounters(MyDatabaseId, tview, true);
  if (counters != nullptr) {
    strlcpy(counters->slowest_input, input, sizeof(counters->slowest_input));
  }
}

void PublishWholeTime(Oid tview, double ms) {
  if (!Attached()) {
    return;
  }
  ScopedLock lock(&MySegment()->statistics_lock, LW_EXCLUSIVE);
  TviewCounters* counters = FindCounters(MyDatabaseId, tview, true);
  if (counters != nullptr) {
    counters->whole_ms = ms;
    counters->whole_at = GetCurrentTimestamp();
  }
}

double WholeTime(Oid tview) {
  if (!Attached()) {
    return 0;
  }
  ScopedLock lock(&MySegment()->statistics_lock, LW_SHARED);
  const TviewCounters* counters = FindCounters(MyDatabaseId, tview, false);
  return counters == nullptr ? 0 : counters->whole_ms;
}

TimestampTz RestedAt(Oid tview) {
  if (!Attached()) {
    return 0;
  }
  ScopedLock lock(&MySegment()->statistics_lock, LW_SHARED);
  const TviewCounters* counters = FindCounters(MyDatabaseId, tview, false);
  return counters == nullptr || counters->whole_at == 0 ? 0 : TimestampTzPlusMilliseconds(counters->whole_at, static_cast<int64>(counters->whole_ms));
}

void ResetStatistics(Oid tview) {
  RequireAttached();
  ScopedLock lock(&MySegment()->statistics_lock, LW_EXCLUSIVE);
  TviewCounters* slots = CounterSlots();
  for (int i = 0; i < kTviewCounterSlots; ++i) {
    if (slots[i].database == MyDatabaseId && OidIsValid(slots[i].tview) && (!OidIsValid(tview) || slots[i].tview == tview)) {
      ForgetCounters(&slots[i]);
    }
  }
}

void ForgetStatistics(Oid database, int slot_index) {
  ScopedLock lock(&MySegment()->statistics_lock, LW_EXCLUSIVE);
  TviewCounters* slots = CounterSlots();
  for (int i = 0; i < kTviewCounterSlots; ++i) {
    if (slots[i].database == database && OidIsValid(slots[i].tview)) {
      ForgetCounters(&slots[i]);
    }
  }
  memset(&StatementSlots()[slot_index], 0, sizeof(StatementCounters));
}

void PublishStatementCounters(const StatementCounters& counters) {
  Database* database = MyDatabaseSlot();
  if (database != nullptr) {
    ScopedLock lock(&MySegment()->statistics_lock, LW_EXCLUSIVE);
    StatementSlots()[SlotIndex(database)] = counters;
  }
}

StatementCounters ReadStatementCounters() {
  RequireAttached();
  Database* database = MyDatabaseSlot();
  StatementCounters counters = {};
  if (database != nullptr) {
    ScopedLock lock(&MySegment()->statistics_lock, LW_SHARED);
    counters = StatementSlots()[SlotIndex(database)];
  }
  return counters;
}

}  // namespace tviews::shmem
