// The codec of payloads and values.  Reading trusts nothing: a length is believed only if the bytes are there.
#include "core/record.h"

#include <cstring>

namespace tviews::core {

namespace {

size_t VarintSize(uint64_t number) noexcept {
  size_t size = 1;
  for (; number >= 0x80; number >>= 7) {
    ++size;
  }
  return size;
}

size_t PutVarint(unsigned char* out, uint64_t number) noexcept {
  size_t size = 0;
  for (; number >= 0x80; number >>= 7) {
    out[size++] = static_cast<unsigned char>(number | 0x80);
  }
  out[size++] = static_cast<unsigned char>(number);
  return size;
}

// False when the bytes end, the number exceeds 64 bits, or it is longer than need be (equal values must have equal bytes).
bool GetVarint(ByteSpan bytes, size_t* offset, uint64_t* number) noexcept {
  uint64_t result = 0;
  for (int shift = 0; *offset < bytes.size && shift < 64; shift += 7) {
    const unsigned char byte = bytes.data[(*offset)++];
    if (shift == 63 && byte > 1) {
      return false;
    }
    result |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *number = result;
      return byte != 0 || shift == 0;
    }
  }
  return false;
}

size_t PutBytes(unsigned char* out, const unsigned char* data, size_t size) noexcept {
  if (size > 0) {
    memcpy(out, data, size);
  }
  return size;
}

}  // namespace

size_t FieldSize(size_t length) noexcept { return VarintSize(static_cast<uint64_t>(length) + 1) + length; }

size_t PutField(unsigned char* out, const unsigned char* data, size_t length) noexcept {
  if (data == nullptr) {
    return PutVarint(out, 0);
  }
  const size_t size = PutVarint(out, static_cast<uint64_t>(length) + 1);
  return size + PutBytes(out + size, data, length);
}

Next NextField(ByteSpan value, size_t* offset, ByteSpan* field) noexcept {
  if (*offset >= value.size) {
    return *offset == value.size ? Next::kEnd : Next::kMalformed;
  }
  size_t at = *offset;
  uint64_t length_plus_one;
  if (!GetVarint(value, &at, &length_plus_one) || (length_plus_one > 0 && length_plus_one - 1 > value.size - at)) {
    return Next::kMalformed;
  }
  if (length_plus_one == 0) {
    *field = {nullptr, 0};
  } else {
    *field = {value.data + at, static_cast<size_t>(length_plus_one - 1)};
  }
  *offset = at + field->size;
  return Next::kItem;
}

size_t DirtyKeySize(DirtyKey key) noexcept { return VarintSize(key.point) + VarintSize(key.value.size) + key.value.size; }

size_t PutDirtyKey(unsigned char* out, DirtyKey key) noexcept {
  size_t size = PutVarint(out, key.point);
  size += PutVarint(out + size, key.value.size);
  return size + PutBytes(out + size, key.value.data, key.value.size);
}

Next NextDirtyKey(ByteSpan payload, size_t* offset, DirtyKey* key) noexcept {
  if (*offset >= payload.size) {
    return *offset == payload.size ? Next::kEnd : Next::kMalformed;
  }
  size_t at = *offset;
  uint64_t point, size;
  if (!GetVarint(payload, &at, &point) || point > UINT32_MAX || !GetVarint(payload, &at, &size) || size > payload.size - at) {
    return Next::kMalformed;
  }
  *key = {static_cast<PointId>(point), {payload.data + at, static_cast<size_t>(size)}};
  *offset = at + key->value.size;
  return Next::kItem;
}

}  // namespace tviews::core
