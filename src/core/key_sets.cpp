// The keys of one batch: per number a hash table, an arena and the order of insertion.
#include "core/key_sets.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <new>
#include <vector>

#include "core/arena.h"
#include "core/hash.h"
#include "core/stored_set.h"

namespace tviews::core {

namespace {

struct Entry {
  uint64_t hash;
  uint32_t number;
  uint32_t size;
  const unsigned char* Bytes() const noexcept { return reinterpret_cast<const unsigned char*>(this + 1); }
};

struct KeySet {
  StoredSet<Entry> table;
  Arena arena;
  std::vector<const Entry*> order;
};

}  // namespace

struct KeySets {
  std::map<uint32_t, KeySet> sets;  // ascending, and a set stays where it is
  size_t total = 0;
  // The set used last: a batch adds key after key to the same one.
  mutable const KeySet* last = nullptr;
  mutable uint32_t last_number = 0;

  const KeySet* Find(uint32_t number) const noexcept {
    if (last == nullptr || last_number != number) {
      const auto found = sets.find(number);
      if (found == sets.end()) {
        return nullptr;
      }
      last = &found->second;
      last_number = number;
    }
    return last;
  }
};

KeySets* NewKeySets() noexcept { return new (std::nothrow) KeySets; }

void DeleteKeySets(KeySets* sets) noexcept { delete sets; }

void ClearKeySets(KeySets* sets) noexcept {
  sets->sets.clear();
  sets->total = 0;
  sets->last = nullptr;
}

Outcome AddKey(KeySets* sets, uint32_t number, ByteSpan key, bool* added) noexcept {
  bool is_new = false;
  if (key.size > UINT32_MAX - sizeof(Entry)) {
    return Outcome::kOutOfMemory;
  }
  try {
    auto* set = const_cast<KeySet*>(sets->Find(number));
    if (set == nullptr) {
      set = &sets->sets[number];
    }
    set->table.ReserveOne();
    set->arena.Reserve(sizeof(Entry) + key.size);
    if (set->order.size() == set->order.capacity()) {
      set->order.reserve(std::max<size_t>(16, set->order.size() * 2));
    }
    const Probe probe = {HashBytes(number, key), number, key};
    Entry* entry = set->table.Add(probe, &is_new, [&]() noexcept {
      auto* made = new (set->arena.Take(sizeof(Entry) + key.size)) Entry{probe.hash, number, static_cast<uint32_t>(key.size)};
      if (key.size > 0) {
        memcpy(made + 1, key.data, key.size);
      }
      return made;
    });
    if (is_new) {
      set->order.push_back(entry);
      ++sets->total;
    }
  } catch (...) {
    return Outcome::kOutOfMemory;
  }
  if (added != nullptr) {
    *added = is_new;
  }
  return Outcome::kOk;
}

size_t KeyCount(const KeySets* sets, uint32_t number) noexcept {
  const KeySet* set = sets->Find(number);
  return set == nullptr ? 0 : set->order.size();
}

size_t TotalKeys(const KeySets* sets) noexcept { return sets->total; }

ByteSpan KeyAt(const KeySets* sets, uint32_t number, size_t i) noexcept {
  const KeySet* set = sets->Find(number);
  if (set == nullptr || i >= set->order.size()) {
    return {nullptr, 0};
  }
  return {set->order[i]->Bytes(), set->order[i]->size};
}

bool HasKey(const KeySets* sets, uint32_t number, ByteSpan key) noexcept {
  const KeySet* set = sets->Find(number);
  return set != nullptr && set->table.Find({HashBytes(number, key), number, key}) != nullptr;
}

size_t SetNumbers(const KeySets* sets, uint32_t* out, size_t room) noexcept {
  size_t count = 0;
  for (const auto& [number, set] : sets->sets) {
    if (set.order.empty()) {
      continue;
    }
    if (count < room) {
      out[count] = number;
    }
    ++count;
  }
  return count;
}

}  // namespace tviews::core
