// A hash set of pointers to stored entries that survives a failed allocation.  Private to core.
#pragma once

#include <algorithm>
#include <cstring>
#include <new>

#include "absl/container/flat_hash_set.h"
#include "core/bytes.h"

namespace tviews::core {

// What an entry is looked up by.
struct Probe {
  uint64_t hash;
  uint32_t number;
  ByteSpan bytes;
};

// Entry: has `hash`, `number`, `size` and Bytes().
template <class Entry>
class StoredSet {
 public:
  size_t size() const noexcept { return table_.size(); }

  Entry* Find(const Probe& probe) const noexcept {
    const auto found = table_.find(probe);
    return found == table_.end() ? nullptr : *found;
  }

  // Makes the next Add succeed.  Throws std::bad_alloc, and then changed nothing.
  void ReserveOne() {
    if (budget_ == 0) {
      Grow();
    }
  }

  // The entry equal to `probe`; if there is none, the one that `make` (which must not throw) returns.
  // REQUIRES: ReserveOne since the last Add.
  template <class Make>
  Entry* Add(const Probe& probe, bool* added, Make make) noexcept {
    *added = false;
    const auto place = table_.lazy_emplace(probe, [&](const auto& construct) {
      *added = true;
      --budget_;
      construct(make());
    });
    return *place;
  }

  void Erase(Entry* entry) noexcept {
    table_.erase(entry);
    if (table_.empty()) {
      Clear();
    }
  }

  // Abseil keeps a small table and frees a large one.
  void Clear() noexcept {
    table_.clear();
    if (table_.capacity() < reserved_) {
      reserved_ = 0;
    }
    budget_ = reserved_;
  }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(const Entry* entry) const noexcept { return entry->hash; }
    size_t operator()(const Probe& probe) const noexcept { return probe.hash; }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Entry* a, const Entry* b) const noexcept { return a == b; }  // entries are distinct
    bool operator()(const Entry* entry, const Probe& probe) const noexcept {
      return entry->hash == probe.hash && entry->number == probe.number && entry->size == probe.bytes.size &&
             (entry->size == 0 || memcmp(entry->Bytes(), probe.bytes.data, entry->size) == 0);
    }
  };
  using Table = absl::flat_hash_set<Entry*, Hash, Equal>;

  // Abseil's resize sets the new capacity before it allocates, so a failed allocation would leave the table broken.  Hence the
  // table never resizes itself: a bigger one is built beside it, and left undestroyed (it owns nothing) if that fails.
  void Grow() {
    const size_t wanted = std::max<size_t>(kSmallest, table_.size() * 2);
    alignas(Table) unsigned char storage[sizeof(Table)];
    Table* bigger = new (storage) Table();
    bigger->reserve(wanted);
    bigger->insert(table_.begin(), table_.end());
    table_.swap(*bigger);
    bigger->~Table();
    reserved_ = wanted;
    budget_ = wanted - table_.size();
  }

  static constexpr size_t kSmallest = 28;  // what a table of 31 slots holds
  Table table_;
  size_t reserved_ = 0;  // entries for which the table was made
  size_t budget_ = 0;    // entries that may be added before it must grow; an erased entry does not give its place back
};

}  // namespace tviews::core
