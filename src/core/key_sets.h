// The keys of one batch: sets of distinct byte strings, one set per number (a capture point, or a TVIEW's place in the graph).
#pragma once

#include "core/bytes.h"

namespace tviews::core {

struct KeySets;

KeySets* NewKeySets() noexcept;
void DeleteKeySets(KeySets* sets) noexcept;
void ClearKeySets(KeySets* sets) noexcept;

// Adds `key` to set `number`.  `*added` (may be null) tells whether it was new.
Outcome AddKey(KeySets* sets, uint32_t number, ByteSpan key, bool* added) noexcept;

// Keys in set `number` (0 when the set does not exist), and over all sets.
size_t KeyCount(const KeySets* sets, uint32_t number) noexcept;
size_t TotalKeys(const KeySets* sets) noexcept;

// The i-th key of set `number`, in order of insertion; stays valid until the sets are cleared.
ByteSpan KeyAt(const KeySets* sets, uint32_t number, size_t i) noexcept;

bool HasKey(const KeySets* sets, uint32_t number, ByteSpan key) noexcept;

// The numbers of the non-empty sets, ascending.  Writes at most `room`, returns how many there are.
size_t SetNumbers(const KeySets* sets, uint32_t* out, size_t room) noexcept;

}  // namespace tviews::core
