// The payload of a journal row: a sequence of dirty keys, each a capture point and the bytes of its column values.
//
//   payload := { varint point, varint size, size bytes of value }
//   value   := { varint length + 1, length bytes } per column; a lone varint 0 is NULL
//
// For kWholeRelation (TRUNCATE) the value is one field of 4 bytes: the relation's OID.
// Integers travel as the raw bytes of the type, everything else as its detoasted payload (see pg/key_bytes.h).
#pragma once

#include "core/bytes.h"

namespace tviews::core {

// A dirty key as it stands in a payload or a dirty set.
struct DirtyKey {
  PointId point;
  ByteSpan value;
};

// Bytes that one field of `length` bytes takes in a value.
size_t FieldSize(size_t length) noexcept;

// Writes one field at `out` (room for FieldSize) and returns the bytes written.  `data` null means NULL.
size_t PutField(unsigned char* out, const unsigned char* data, size_t length) noexcept;

enum class Next : uint8_t { kItem, kEnd, kMalformed };

// Reads the field at `*offset` of `value` and moves `*offset` behind it.  A NULL gives data == nullptr.
Next NextField(ByteSpan value, size_t* offset, ByteSpan* field) noexcept;

// Bytes that one dirty key takes in a payload.
size_t DirtyKeySize(DirtyKey key) noexcept;

// Writes one dirty key at `out` (room for DirtyKeySize) and returns the bytes written.
size_t PutDirtyKey(unsigned char* out, DirtyKey key) noexcept;

// Reads the dirty key at `*offset` of `payload` and moves `*offset` behind it.
Next NextDirtyKey(ByteSpan payload, size_t* offset, DirtyKey* key) noexcept;

}  // namespace tviews::core
