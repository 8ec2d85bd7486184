// The two plain types in which core and the shell exchange data: a span of bytes and the outcome of a call.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tviews::core {

// Bytes owned by somebody else.  `data` may be null when `size` is 0.
struct ByteSpan {
  const unsigned char* data;
  size_t size;
};

// What a core function answers when it can fail for want of memory.  The shell raises after every destructor has run.
enum class Outcome : uint8_t { kOk, kOutOfMemory };

// Number of a capture point (pg_tview_capture_point.point); 0 stands for "the whole relation", see record.h.
using PointId = uint32_t;
inline constexpr PointId kWholeRelation = 0;

}  // namespace tviews::core
