// The shared graph cache: the capture points of relations, as bytes under (database, relation).
#pragma once

#include "core/bytes.h"
#include "pg/pg.h"

namespace tviews::shmem {

// Copies the entry of `relation` in this database into palloc'd memory; false on a miss (which is counted).
bool LookupGraphCache(Oid relation, core::ByteSpan* entry);

// Stores an entry read from the catalog, unless the graph changed since `generation` was read (Database::graph_generation).
void StoreGraphCache(Oid relation, core::ByteSpan entry, uint64 generation);

// Forgets this database's entries and bumps graph_generation.  Called after the commit of a graph change.
void ResetGraphCache(Oid database);

// The generation to hand to StoreGraphCache; read it before the catalog.
uint64 GraphGeneration();

// This transaction changed the graph (catalog::GraphChanged calls it at once): until it ends, this backend neither reads nor fills
// the shared cache, for what it sees in the catalog is not committed.
void BypassGraphCache();
void EndBypassOfGraphCache();  // at the end of a transaction, committed or not

struct CacheCounters {
  uint64 entries, capacity, hits, misses, evictions, bytes;
};
CacheCounters GraphCacheCounters();

}  // namespace tviews::shmem
