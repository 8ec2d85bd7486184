// Where everything lies in the shared segment; private to this folder.
//
// One allocation: Segment, the databases, their rings, the blocks of the graph cache, the counters, the performance log.
// Sizes come from postmaster settings and do not change while the server runs.  Offsets, not pointers: the segment may lie
// elsewhere in another process.
#pragma once

#include "core/block_cache.h"
#include "shmem/database.h"
#include "shmem/statistics.h"

namespace tviews::shmem {

inline constexpr int kTviewCounterSlots = 2048;

// Offsets from the start of the segment, and the whole size.
struct Layout {
  Size databases, statements, rings, ring_bytes, cache_blocks, counters, log, total;
};
Layout ComputeLayout();

struct Segment {
  int tranche;

  // Guards which slot belongs to which database, and the launcher's latch.
  LWLock registry_lock;
  Latch* volatile launcher_latch;

  // Guards graph and the cache's blocks.
  LWLock graph_lock;
  core::BlockCacheControl graph;

  // Guards everything below, the counters, the statement counters and the performance log.
  LWLock statistics_lock;
  int64 last_log_id;  // entry i lies at i % performance_log_size

  Layout layout;
};

Segment* MySegment();  // nullptr when not attached
unsigned char* SegmentBytes(Size offset);

unsigned char* RingBytes(const Database* database);
unsigned char* CacheBlocks();
TviewCounters* CounterSlots();
RefreshEntry* LogEntries();
StatementCounters* StatementSlots();

// Index of a database's slot.
int SlotIndex(const Database* database);

// Forgets the counters of one database; the caller holds no lock.
void ForgetStatistics(Oid database, int slot_index);

}  // namespace tviews::shmem
