// Not built yet: every function of core's headers, answering with a harmless default.
#include "core/backoff.h"
#include "core/block_cache.h"
#include "core/dirty_set.h"
#include "core/histogram.h"
#include "core/key_sets.h"
#include "core/lineage.h"
#include "core/pending.h"
#include "core/record.h"
#include "core/ring.h"
namespace tviews::core {
size_t BlockCacheMemory(uint32_t c) noexcept { return c * kCacheBlockSize; }
void InitBlockCache(BlockCacheControl* c, unsigned char*, uint32_t) noexcept { *c = {}; }
bool CacheLookup(BlockCacheControl*, unsigned char*, uint32_t, uint32_t, unsigned char*, size_t, size_t*) noexcept { return false; }
bool CacheInsert(BlockCacheControl*, unsigned char*, uint32_t, uint32_t, ByteSpan) noexcept { return false; }
void CacheForget(BlockCacheControl*, unsigned char*, uint32_t, uint32_t) noexcept {}
void CacheForgetAll(BlockCacheControl*, unsigned char*, uint32_t) noexcept {}
DirtySet* NewDirtySet() noexcept { return nullptr; }
void DeleteDirtySet(DirtySet*) noexcept {}
Outcome AddDirtyKey(DirtySet*, int, DirtyKey) noexcept { return Outcome::kOutOfMemory; }
void ReleaseLevel(DirtySet*, int) noexcept {}
void RollbackLevel(DirtySet*, int) noexcept {}
size_t KeysAtLevel(const DirtySet*, int) noexcept { return 0; }
size_t KeysInSet(const DirtySet*) noexcept { return 0; }
size_t TakeKeys(DirtySet*, int, unsigned char*, size_t) noexcept { return 0; }
void ClearDirtySet(DirtySet*) noexcept {}
KeySets* NewKeySets() noexcept { return nullptr; }
void DeleteKeySets(KeySets*) noexcept {}
void ClearKeySets(KeySets*) noexcept {}
Outcome AddKey(KeySets*, uint32_t, ByteSpan, bool*) noexcept { return Outcome::kOutOfMemory; }
size_t KeyCount(const KeySets*, uint32_t) noexcept { return 0; }
size_t TotalKeys(const KeySets*) noexcept { return 0; }
ByteSpan KeyAt(const KeySets*, uint32_t, size_t) noexcept { return {nullptr, 0}; }
bool HasKey(const KeySets*, uint32_t, ByteSpan) noexcept { return false; }
size_t SetNumbers(const KeySets*, uint32_t*, size_t) noexcept { return 0; }
void ClearKeys(KeySets*, uint32_t) noexcept {}
Outcome FindPaths(int32_t, const LineageEdge*, int32_t, const LineageRoot*, int32_t, LineageResult*) noexcept { return Outcome::kOutOfMemory; }
void FreeLineage(LineageResult*) noexcept {}
bool AssignLevels(int32_t, const ReadsEdge*, int32_t, int32_t*) noexcept { return false; }
Pending* NewPending(size_t, size_t) noexcept { return nullptr; }
void DeletePending(Pending*) noexcept {}
AddPending AddPendingRecord(Pending*, const PendingRecord&) noexcept { return AddPending::kOutOfMemory; }
size_t PendingCount(const Pending*) noexcept { return 0; }
PendingRecord PendingAt(const Pending*, size_t) noexcept { return {}; }
void MarkDone(Pending*, size_t) noexcept {}
void UnmarkAll(Pending*) noexcept {}
void RemoveDone(Pending*) noexcept {}
void ClearPending(Pending*) noexcept {}
size_t FieldSize(size_t) noexcept { return 0; }
size_t PutField(unsigned char*, const unsigned char*, size_t) noexcept { return 0; }
Next NextField(ByteSpan, size_t*, ByteSpan*) noexcept { return Next::kEnd; }
size_t DirtyKeySize(DirtyKey) noexcept { return 0; }
size_t PutDirtyKey(unsigned char*, DirtyKey) noexcept { return 0; }
Next NextDirtyKey(ByteSpan, size_t*, DirtyKey*) noexcept { return Next::kEnd; }
void InitRing(RingControl* r, uint64_t size) noexcept { *r = {0, 0, size}; }
Push PushRecord(RingControl*, unsigned char*, const RingRecord&, const unsigned char*) noexcept { return Push::kFull; }
size_t DrainRing(RingControl*, const unsigned char*, unsigned char*, size_t, uint32_t* n) noexcept { *n = 0; return 0; }
bool NextDrained(const unsigned char*, size_t, size_t*, DrainedRecord*) noexcept { return false; }
int64_t BackoffMilliseconds(int, int64_t base, int64_t, uint64_t) noexcept { return base; }
void AddDuration(Histogram*, int64_t) noexcept {}
double Percentile(const Histogram&, double) noexcept { return -1; }
}  // namespace tviews::core
