// A cache of small byte strings under a pair of numbers, in a fixed array of blocks, with clock eviction.
// The shared-memory graph cache is one of these; the caller holds the lock that guards it.
#pragma once

#include "core/bytes.h"

namespace tviews::core {

// Plain data at any mapping address; the blocks follow elsewhere.
struct BlockCacheControl {
  uint32_t capacity;  // blocks
  uint32_t used;      // blocks in use
  uint32_t entries;
  uint32_t hand;  // the clock's
  uint32_t free;  // first free block + 1
  uint64_t hits, misses, evictions;
};

// One block of about 100 bytes: key, links and a piece of the value.
inline constexpr size_t kCacheBlockSize = 104;

// Bytes behind the control words, buckets included.  `memory` is to be aligned to 4.
size_t BlockCacheMemory(uint32_t capacity) noexcept;
void InitBlockCache(BlockCacheControl* cache, unsigned char* memory, uint32_t capacity) noexcept;

// Copies the value under (a, b) into `out` when it is there and fits; `*size` is its size.  Counts a hit or a miss.
// When it is there and does not fit: false, `*size` > `room`, nothing counted.  When it is not there: false, `*size` == 0.
// Needs the exclusive lock (counters, reference bits).  Lock-safe.
bool CacheLookup(BlockCacheControl* cache, unsigned char* memory, uint32_t a, uint32_t b, unsigned char* out, size_t room,
                 size_t* size) noexcept;

// Stores a value, evicting others as needed; false when it is larger than half of the cache.  Lock-safe.
bool CacheInsert(BlockCacheControl* cache, unsigned char* memory, uint32_t a, uint32_t b, ByteSpan value) noexcept;

// Forgets (a, b), or every entry under `a`.  Lock-safe.
void CacheForget(BlockCacheControl* cache, unsigned char* memory, uint32_t a, uint32_t b) noexcept;
void CacheForgetAll(BlockCacheControl* cache, unsigned char* memory, uint32_t a) noexcept;

}  // namespace tviews::core
