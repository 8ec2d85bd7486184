// The block cache: an entry is a chain of blocks; its first block stands in a hash bucket and carries the clock's mark.
#include "core/block_cache.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace tviews::core {

namespace {

enum class Kind : uint8_t { kFree, kHead, kMore };

// Links are block number + 1; 0 ends a chain.
struct Block {
  uint32_t a, b;
  uint32_t size;  // of the whole value, in the head
  uint32_t next;  // block of the same entry, or next free one
  uint32_t same_bucket;
  Kind kind;
  bool referenced;
  unsigned char unused[2];
  unsigned char data[80];
};
static_assert(sizeof(Block) == kCacheBlockSize && alignof(Block) == 4 && std::is_trivially_copyable_v<Block>,
              "the layout in shared memory");
static_assert(std::is_trivially_copyable_v<BlockCacheControl> && sizeof(BlockCacheControl) == 48, "the layout in shared memory");

uint32_t BucketCount(uint32_t capacity) noexcept {
  uint32_t count = 1;
  while (count < capacity && count < 0x80000000u) {
    count *= 2;
  }
  return count;
}

// The control words and the memory behind them as one thing.
struct Cache {
  BlockCacheControl* control;
  Block* blocks;
  uint32_t* buckets;

  Cache(BlockCacheControl* c, unsigned char* memory) noexcept
      : control(c),
        blocks(reinterpret_cast<Block*>(memory)),
        buckets(reinterpret_cast<uint32_t*>(memory + size_t{c->capacity} * sizeof(Block))) {}

  uint32_t* Bucket(uint32_t a, uint32_t b) const noexcept {
    uint64_t mixed = ((uint64_t{a} << 32) | b) * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 32)) * 0xd6e8feb86659fd93u;
    return &buckets[(mixed >> 32) & (BucketCount(control->capacity) - 1)];
  }

  Block* Find(uint32_t a, uint32_t b) const noexcept {
    for (uint32_t link = *Bucket(a, b); link != 0; link = blocks[link - 1].same_bucket) {
      Block* head = &blocks[link - 1];
      if (head->a == a && head->b == b) {
        return head;
      }
    }
    return nullptr;
  }

  uint32_t LinkTo(const Block* block) const noexcept { return static_cast<uint32_t>(block - blocks) + 1; }

  void Free(uint32_t link) noexcept {
    Block* block = &blocks[link - 1];
    block->kind = Kind::kFree;
    block->next = control->free;
    control->free = link;
    --control->used;
  }

  uint32_t Take() noexcept {
    const uint32_t link = control->free;
    control->free = blocks[link - 1].next;
    blocks[link - 1].next = 0;
    ++control->used;
    return link;
  }

  void Remove(Block* head) noexcept {
    uint32_t* place = Bucket(head->a, head->b);
    const uint32_t link = LinkTo(head);
    while (*place != link) {
      place = &blocks[*place - 1].same_bucket;
    }
    *place = head->same_bucket;
    for (uint32_t at = link; at != 0;) {
      const uint32_t next = blocks[at - 1].next;
      Free(at);
      at = next;
    }
    --control->entries;
  }

  // The clock: an entry used since the hand's last visit gets another round.
  void EvictOne() noexcept {
    for (;;) {
      Block* block = &blocks[control->hand];
      control->hand = control->hand + 1 == control->capacity ? 0 : control->hand + 1;
      if (block->kind != Kind::kHead) {
        continue;
      }
      if (!block->referenced) {
        Remove(block);
        ++control->evictions;
        return;
      }
      block->referenced = false;
    }
  }
};

}  // namespace

size_t BlockCacheMemory(uint32_t capacity) noexcept {
  return size_t{capacity} * sizeof(Block) + size_t{BucketCount(capacity)} * sizeof(uint32_t);
}

void InitBlockCache(BlockCacheControl* control, unsigned char* memory, uint32_t capacity) noexcept {
  *control = {};
  control->capacity = capacity;
  control->used = capacity;
  memset(memory, 0, BlockCacheMemory(capacity));
  Cache cache(control, memory);
  for (uint32_t link = capacity; link > 0; --link) {
    cache.Free(link);
  }
}

bool CacheLookup(BlockCacheControl* control, unsigned char* memory, uint32_t a, uint32_t b, unsigned char* out, size_t room,
                 size_t* size) noexcept {
  Cache cache(control, memory);
  Block* head = cache.Find(a, b);
  *size = 0;
  if (head == nullptr) {
    ++control->misses;
    return false;
  }
  *size = head->size;
  head->referenced = true;
  if (head->size > room) {
    return false;
  }
  ++control->hits;
  size_t done = 0;
  for (const Block* block = head; done < head->size; block = &cache.blocks[block->next - 1]) {
    const size_t piece = std::min(sizeof(block->data), head->size - done);
    memcpy(out + done, block->data, piece);
    done += piece;
    if (block->next == 0) {
      break;
    }
  }
  return true;
}

bool CacheInsert(BlockCacheControl* control, unsigned char* memory, uint32_t a, uint32_t b, ByteSpan value) noexcept {
  CacheForget(control, memory, a, b);
  const size_t needed = std::max<size_t>(1, (value.size + sizeof(Block::data) - 1) / sizeof(Block::data));
  if (value.size > UINT32_MAX || needed > control->capacity / 2) {
    return false;
  }
  Cache cache(control, memory);
  while (control->capacity - control->used < needed) {
    cache.EvictOne();
  }
  Block* head = nullptr;
  Block* last = nullptr;
  size_t done = 0;
  for (size_t i = 0; i < needed; ++i) {
    const uint32_t link = cache.Take();
    Block* block = &cache.blocks[link - 1];
    block->kind = head == nullptr ? Kind::kHead : Kind::kMore;
    if (head == nullptr) {
      head = block;
    } else {
      last->next = link;
    }
    last = block;
    const size_t piece = std::min(sizeof(block->data), value.size - done);
    if (piece > 0) {
      memcpy(block->data, value.data + done, piece);
    }
    done += piece;
  }
  uint32_t* bucket = cache.Bucket(a, b);
  head->a = a;
  head->b = b;
  head->size = static_cast<uint32_t>(value.size);
  head->referenced = true;
  head->same_bucket = *bucket;
  *bucket = cache.LinkTo(head);
  ++control->entries;
  return true;
}

void CacheForget(BlockCacheControl* control, unsigned char* memory, uint32_t a, uint32_t b) noexcept {
  Cache cache(control, memory);
  if (Block* head = cache.Find(a, b)) {
    cache.Remove(head);
  }
}

void CacheForgetAll(BlockCacheControl* control, unsigned char* memory, uint32_t a) noexcept {
  Cache cache(control, memory);
  for (uint32_t i = 0; i < control->capacity; ++i) {
    Block* block = &cache.blocks[i];
    if (block->kind == Kind::kHead && block->a == a) {
      cache.Remove(block);
    }
  }
}

}  // namespace tviews::core
