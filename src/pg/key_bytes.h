// Between Datums and the bytes that core keeps: fixed-size types as their raw bytes, varlena as their detoasted payload.
#pragma once

#include "core/bytes.h"
#include "pg/pg.h"

namespace tviews::pg {

// What is needed to turn a Datum of a type into bytes and back.
struct KeyType {
  Oid type;  // the column's own type (a domain stays a domain)
  int32 typmod;
  Oid collation;
  int16 length;  // typlen
  bool by_value;
  char align;
};
KeyType LookupKeyType(Oid type, int32 typmod, Oid collation);

// Appends one field to `out`.  Ereports (detoasting).
void AppendField(StringInfo out, Datum value, bool is_null, const KeyType& type);

// The Datum in `field` (data == null: NULL), allocated in the current context.
Datum FieldToDatum(core::ByteSpan field, const KeyType& type, bool* is_null);

// The type of a parameter that takes many values of `type`: the array of its base type; text[] when that has no array type, and
// what uses the parameter casts its elements.
Oid ParameterType(const KeyType& type);

// `count` values as one parameter of ParameterType; `nulls` may be null.  Ereports (output functions).
Datum ParameterArray(const KeyType& type, Datum* values, bool* nulls, int count);

}  // namespace tviews::pg
