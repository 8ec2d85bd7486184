// The one place that compiles xxHash.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/hash.h"

namespace tviews::core {

uint64_t HashBytes(uint64_t seed, ByteSpan bytes) noexcept {
  // A null pointer is undefined even for no bytes.
  return XXH3_64bits_withSeed(bytes.size == 0 ? "" : static_cast<const void*>(bytes.data), bytes.size, seed);
}

}  // namespace tviews::core
