// The shared graph cache: a core::BlockCache under (database, relation), guarded by one lock.
#include "shmem/graph_cache.h"

#include "shmem/database.h"
#include "shmem/layout.h"
#include "shmem/lwlock.h"
#include "shmem/segment.h"

namespace tviews::shmem {
namespace {

bool bypass = false;  // this transaction changed the graph

bool MayUse() { return !bypass && MyDatabaseSlot() != nullptr; }

}  // namespace

void BypassGraphCache() { bypass = true; }
void EndBypassOfGraphCache() { bypass = false; }

uint64 GraphGeneration() {
  Database* database = MyDatabaseSlot();
  return database == nullptr ? 0 : pg_atomic_read_u64(&database->graph_generation);
}

bool LookupGraphCache(Oid relation, core::ByteSpan* entry) {
  if (!MayUse()) {
    return false;
  }
  Segment* segment = MySegment();
  size_t room = 1024;
  for (;;) {
    unsigned char* out = static_cast<unsigned char*>(palloc(room));
    size_t size = 0;
    bool found;
    {
      ScopedLock lock(&segment->graph_lock, LW_EXCLUSIVE);
      found = core::CacheLookup(&segment->graph, CacheBlocks(), MyDatabaseId, relation, out, room, &size);
    }
    if (found) {
      *entry = {out, size};
      return true;
    }
    pfree(out);
    if (size <= room) {
      return false;
    }
    room = size;
  }
}

void StoreGraphCache(Oid relation, core::ByteSpan entry, uint64 generation) {
  if (!MayUse()) {
    return;
  }
  Segment* segment = MySegment();
  ScopedLock lock(&segment->graph_lock, LW_EXCLUSIVE);
  if (GraphGeneration() == generation) {
    (void)core::CacheInsert(&segment->graph, CacheBlocks(), MyDatabaseId, relation, entry);
  }
}

void ResetGraphCache(Oid database) {
  if (!Attached()) {
    return;
  }
  Segment* segment = MySegment();
  Database* slot = FindDatabase(database);
  ScopedLock lock(&segment->graph_lock, LW_EXCLUSIVE);
  if (slot != nullptr) {
    pg_atomic_fetch_add_u64(&slot->graph_generation, 1);
  }
  core::CacheForgetAll(&segment->graph, CacheBlocks(), database);
}

CacheCounters GraphCacheCounters() {
  RequireAttached();
  Segment* segment = MySegment();
  ScopedLock lock(&segment->graph_lock, LW_SHARED);
  const core::BlockCacheControl& graph = segment->graph;
  return {graph.entries, graph.capacity, graph.hits, graph.misses, graph.evictions, graph.used * core::kCacheBlockSize};
}

}  // namespace tviews::shmem
