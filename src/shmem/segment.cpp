// The shared segment: its size, its start-up, its hooks.
#include "shmem/segment.h"

#include "pg/settings.h"
#include "shmem/layout.h"
#include "shmem/lwlock.h"

namespace tviews::shmem {
namespace {

Segment* segment = nullptr;
shmem_startup_hook_type previous_startup_hook = nullptr;
#if PG_VERSION_NUM >= 150000
shmem_request_hook_type previous_request_hook = nullptr;
#endif

Size Append(Layout* layout, Size bytes) {
  const Size offset = layout->total;
  layout->total = CACHELINEALIGN(add_size(layout->total, bytes));
  return offset;
}

void RequestMemory() {
#if PG_VERSION_NUM >= 150000
  if (previous_request_hook != nullptr) {
    previous_request_hook();
  }
#endif
  RequestAddinShmemSpace(ComputeLayout().total);
}

void InitDatabase(Database* database) {
  pg_atomic_init_u32(&database->oid, InvalidOid);
  LWLockInitialize(&database->lock, segment->tranche);
  core::InitRing(&database->ring, segment->layout.ring_bytes);
  pg_atomic_init_u32(&database->scan_needed, 0);
  pg_atomic_init_u32(&database->current_journal, 0);
  pg_atomic_init_u32(&database->waiting_records, 0);
  pg_atomic_init_u32(&database->parked_keys, 0);
  pg_atomic_init_u64(&database->graph_generation, 0);
  pg_atomic_init_u64(&database->wait_requested, 0);
  pg_atomic_init_u64(&database->wait_completed, 0);
  pg_atomic_init_u64(&database->batch_completed, 0);
  pg_atomic_init_u32(&database->long_process.wanted, 0);
  pg_atomic_init_u32(&database->long_process.unavailable, 0);
  pg_atomic_init_u32(&database->long_process.tview, InvalidOid);
  pg_atomic_init_u32(&database->long_process.state, static_cast<uint32>(WorkerState::kNone));
  ConditionVariableInit(&database->applied);
  pg_atomic_init_u32(&database->worker_state, static_cast<uint32>(WorkerState::kNone));
  pg_atomic_init_u32(&database->resting, 0);
  pg_atomic_init_u32(&database->stop_holders, 0);
  pg_atomic_init_u32(&database->check_extension, 0);
  core::InitBook(&database->crashes);
  pg_atomic_init_u32(&database->crashes_read, 0);
}

void InitSegment() {
  const Layout layout = ComputeLayout();
  memset(segment, 0, layout.total);
  segment->layout = layout;
  segment->tranche = LWLockNewTrancheId();
  LWLockInitialize(&segment->registry_lock, segment->tranche);
  LWLockInitialize(&segment->graph_lock, segment->tranche);
  LWLockInitialize(&segment->statistics_lock, segment->tranche);
  core::InitBlockCache(&segment->graph, CacheBlocks(), static_cast<uint32>(pg::graph_cache_size));
  for (int i = 0; i < DatabaseCount(); ++i) {
    InitDatabase(DatabaseAt(i));
  }
}

void StartUp() {
  if (previous_startup_hook != nullptr) {
    previous_startup_hook();
  }
  bool found = false;
  segment = nullptr;
  LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
  segment = static_cast<Segment*>(ShmemInitStruct("pg_tviews", ComputeLayout().total, &found));
  if (!found) {
    InitSegment();
  }
  LWLockRelease(AddinShmemInitLock);
  LWLockRegisterTranche(segment->tranche, "pg_tviews");
}

}  // namespace

Layout ComputeLayout() {
  Layout layout = {};
  layout.total = CACHELINEALIGN(sizeof(Segment));
  layout.ring_bytes = MAXALIGN(mul_size(pg::ring_size_kb, 1024));
  layout.databases = Append(&layout, mul_size(pg::max_databases, sizeof(Database)));
  layout.statements = Append(&layout, mul_size(pg::max_databases, sizeof(StatementCounters)));
  layout.rings = Append(&layout, mul_size(pg::max_databases, layout.ring_bytes));
  layout.cache_blocks = Append(&layout, core::BlockCacheMemory(static_cast<uint32>(pg::graph_cache_size)));
  layout.counters = Append(&layout, mul_size(kTviewCounterSlots, sizeof(TviewCounters)));
  layout.log = Append(&layout, mul_size(pg::performance_log_size, sizeof(RefreshEntry)));
  return layout;
}

void InstallHooks() {
#if PG_VERSION_NUM >= 150000
  previous_request_hook = shmem_request_hook;
  shmem_request_hook = RequestMemory;
#else
  RequestMemory();
#endif
  previous_startup_hook = shmem_startup_hook;
  shmem_startup_hook = StartUp;
}

bool Attached() { return segment != nullptr; }

void RequireAttached() {
  if (segment == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("pg_tviews must be loaded when the server starts"),
                    errhint("Add pg_tviews to shared_preload_libraries in postgresql.conf and restart the server.")));
  }
}

Segment* MySegment() { return segment; }
unsigned char* SegmentBytes(Size offset) { return reinterpret_cast<unsigned char*>(segment) + offset; }
unsigned char* CacheBlocks() { return SegmentBytes(segment->layout.cache_blocks); }
TviewCounters* CounterSlots() { return reinterpret_cast<TviewCounters*>(SegmentBytes(segment->layout.counters)); }
RefreshEntry* LogEntries() { return reinterpret_cast<RefreshEntry*>(SegmentBytes(segment->layout.log)); }
StatementCounters* StatementSlots() { return reinterpret_cast<StatementCounters*>(SegmentBytes(segment->layout.statements)); }

void SetLauncherLatch(Latch* latch) {
  if (segment != nullptr) {
    ScopedLock lock(&segment->registry_lock, LW_EXCLUSIVE);
    segment->launcher_latch = latch;
  }
}

void WakeLauncher() {
  // Read without the lock: a latch lies in shared memory for ever, setting a stale one wakes somebody in vain.
  Latch* latch = segment == nullptr ? nullptr : segment->launcher_latch;
  if (latch != nullptr) {
    SetLatch(latch);
  }
}

}  // namespace tviews::shmem
