// The keys asked for in one refresh, each once by its type's equality, and what became of them.
#pragma once

#include "refresh/target.h"
#include "refresh/statement_cache.h"

namespace tviews::refresh {

struct Wanted {
  const Target* target;
  TupleHashTable table;  // key columns -> place in the arrays below
  TupleTableSlot* slot;
  size_t count;
  Datum** values;   // per key column, `count` of them
  bool* seen;       // the view gave a row
  bool* duplicate;  // the view gave more than one
  core::ByteSpan null_key;  // a key with a NULL that was asked for; data null: none
};

// Decodes keys [first, first + count) of set `number`.  Of keys with a NULL only one
// is kept, in null_key: no stored row can have them, see RefuseNullKey.
Wanted* NewWanted(const Target* target, const core::KeySets* keys, uint32 number, size_t first, size_t count);

// The place of the key in a row of owned-column values; -1 when nobody asked for it.
int64 FindWanted(Wanted* wanted, const Datum* values);

// The keys as arrays, see pg::ParameterType.
Arguments KeyArguments(const Wanted* wanted);

}  // namespace tviews::refresh
