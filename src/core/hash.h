// Hashing of byte strings.  Private to core.
#pragma once

#include "core/bytes.h"

namespace tviews::core {

// XXH3 of `bytes`, seeded with a number; the same in every process.
uint64_t HashBytes(uint64_t seed, ByteSpan bytes) noexcept;

}  // namespace tviews::core
