// The byte ring.  A record is copied in two pieces where it wraps; every record starts at a multiple of 8.
#include "core/ring.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace tviews::core {

static_assert(std::is_trivially_copyable_v<RingRecord> && sizeof(RingRecord) == 32, "the layout in shared memory");
static_assert(std::is_trivially_copyable_v<RingControl> && sizeof(RingControl) == 24, "the layout in shared memory");

namespace {

constexpr uint64_t Align(uint64_t size) { return (size + 7) & ~uint64_t{7}; }

void CopyIn(const RingControl& ring, unsigned char* bytes, uint64_t position, const void* from, uint64_t size) noexcept {
  const uint64_t at = position % ring.size;
  const uint64_t first = std::min(size, ring.size - at);
  memcpy(bytes + at, from, first);
  if (size > first) {
    memcpy(bytes, static_cast<const unsigned char*>(from) + first, size - first);
  }
}

void CopyOut(const RingControl& ring, const unsigned char* bytes, uint64_t position, void* to, uint64_t size) noexcept {
  const uint64_t at = position % ring.size;
  const uint64_t first = std::min(size, ring.size - at);
  memcpy(to, bytes + at, first);
  if (size > first) {
    memcpy(static_cast<unsigned char*>(to) + first, bytes, size - first);
  }
}

}  // namespace

void InitRing(RingControl* ring, uint64_t size) noexcept { *ring = {0, 0, size & ~uint64_t{7}}; }

Push PushRecord(RingControl* ring, unsigned char* bytes, const RingRecord& record, const unsigned char* payload) noexcept {
  const uint64_t needed = Align(sizeof(RingRecord) + uint64_t{record.payload_size});
  if (record.payload_size > kMaxPayload || needed > ring->size - RingBytesUsed(*ring)) {
    return Push::kFull;
  }
  CopyIn(*ring, bytes, ring->head, &record, sizeof(record));
  if (record.payload_size > 0) {
    CopyIn(*ring, bytes, ring->head + sizeof(record), payload, record.payload_size);
  }
  ring->head += needed;
  return Push::kPushed;
}

size_t DrainRing(RingControl* ring, const unsigned char* bytes, unsigned char* out, size_t room, uint32_t* records) noexcept {
  size_t written = 0;
  *records = 0;
  while (ring->tail != ring->head) {
    RingRecord record;
    CopyOut(*ring, bytes, ring->tail, &record, sizeof(record));
    const uint64_t size = Align(sizeof(RingRecord) + uint64_t{record.payload_size});
    if (size > room - written) {
      break;
    }
    CopyOut(*ring, bytes, ring->tail, out + written, size);
    ring->tail += size;
    written += size;
    ++*records;
  }
  return written;
}

bool NextDrained(const unsigned char* out, size_t size, size_t* offset, DrainedRecord* record) noexcept {
  if (*offset > size || size - *offset < sizeof(RingRecord)) {
    return false;
  }
  memcpy(&record->record, out + *offset, sizeof(RingRecord));
  const uint64_t whole = Align(sizeof(RingRecord) + uint64_t{record->record.payload_size});
  if (whole > size - *offset) {
    return false;
  }
  record->payload = {out + *offset + sizeof(RingRecord), record->record.payload_size};
  *offset += whole;
  return true;
}

}  // namespace tviews::core
