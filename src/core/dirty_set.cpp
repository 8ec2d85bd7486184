// The dirty set: entries in an arena, one list per level, one hash table over all levels.
//
// Only the deepest level grows, so its memory lies at the end of the arena: when it rolls back or is taken, the arena shrinks.
// Invariant: the last of levels_ holds a key; every key of a list is in the table and nothing else is.
#include "core/dirty_set.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <vector>

#include "core/arena.h"
#include "core/hash.h"
#include "core/stored_set.h"

namespace tviews::core {

namespace {

struct Entry {
  Entry* next;  // in its level
  uint64_t hash;
  uint32_t number;  // the capture point
  uint32_t size;
  const unsigned char* Bytes() const noexcept { return reinterpret_cast<const unsigned char*>(this + 1); }
  DirtyKey Key() const noexcept { return {number, {Bytes(), size}}; }
};

struct Level {
  Entry* first = nullptr;
  Entry* last = nullptr;
  size_t count = 0;
  Arena::Mark mark = {nullptr, 0};  // where its memory begins; valid while count > 0

  void Append(Entry* entry) noexcept {
    entry->next = nullptr;
    (last == nullptr ? first : last->next) = entry;
    last = entry;
    ++count;
  }

  void AppendAll(const Level& other) noexcept {
    if (count == 0) {
      *this = other;
    } else if (other.count > 0) {
      last->next = other.first;
      last = other.last;
      count += other.count;
    }
  }
};

}  // namespace

struct DirtySet {
  std::vector<Level> levels;  // levels[0] is level 1
  StoredSet<Entry> table;
  Arena arena;
  size_t bytes = 0;

  // Forgets the last level, which lost its keys, and the empty ones before it; gives their memory back.
  void DropLast() noexcept {
    const Arena::Mark mark = levels.back().mark;
    levels.pop_back();
    while (!levels.empty() && levels.back().count == 0) {
      levels.pop_back();
    }
    arena.Rewind(levels.empty() ? Arena::Mark{nullptr, 0} : mark);
  }
};

DirtySet* NewDirtySet() noexcept { return new (std::nothrow) DirtySet; }

void DeleteDirtySet(DirtySet* set) noexcept { delete set; }

Outcome AddDirtyKey(DirtySet* set, int level, DirtyKey key) noexcept {
  if (key.value.size > UINT32_MAX - sizeof(Entry)) {
    return Outcome::kOutOfMemory;
  }
  level = level < 1 ? 1 : level;
  // Deeper levels have ended; if nobody said how, a superfluous key does less harm than a lost one.
  ReleaseLevel(set, level + 1);
  try {
    set->table.ReserveOne();
    set->arena.Reserve(sizeof(Entry) + key.value.size);
    if (set->levels.capacity() < static_cast<size_t>(level)) {
      set->levels.reserve(std::max<size_t>(level, set->levels.capacity() * 2));
    }
  } catch (...) {
    return Outcome::kOutOfMemory;
  }
  const Arena::Mark mark = set->arena.GetMark();
  const Probe probe = {HashBytes(key.point, key.value), key.point, key.value};
  bool added;
  Entry* entry = set->table.Add(probe, &added, [&]() noexcept {
    auto* made = new (set->arena.Take(sizeof(Entry) + key.value.size))
        Entry{nullptr, probe.hash, key.point, static_cast<uint32_t>(key.value.size)};
    if (key.value.size > 0) {
      memcpy(made + 1, key.value.data, key.value.size);
    }
    return made;
  });
  if (added) {
    if (set->levels.size() < static_cast<size_t>(level)) {
      set->levels.resize(level);
    }
    Level& own = set->levels[level - 1];
    if (own.count == 0) {
      own.mark = mark;
    }
    own.Append(entry);
    set->bytes += DirtyKeySize(key);
  }
  return Outcome::kOk;
}

void ReleaseLevel(DirtySet* set, int level) noexcept {
  if (level < 2) {
    return;
  }
  while (set->levels.size() >= static_cast<size_t>(level)) {
    const Level released = set->levels.back();
    set->levels.pop_back();
    set->levels.back().AppendAll(released);
  }
}

void RollbackLevel(DirtySet* set, int level) noexcept {
  if (level < 2) {
    ClearDirtySet(set);
    return;
  }
  while (set->levels.size() >= static_cast<size_t>(level)) {
    for (Entry* entry = set->levels.back().first; entry != nullptr; entry = entry->next) {
      set->bytes -= DirtyKeySize(entry->Key());
      set->table.Erase(entry);
    }
    set->DropLast();
  }
}

size_t KeysAtLevel(const DirtySet* set, int level) noexcept {
  return level < 1 || static_cast<size_t>(level) > set->levels.size() ? 0 : set->levels[level - 1].count;
}

size_t KeysInSet(const DirtySet* set) noexcept { return set->table.size(); }

size_t BytesInSet(const DirtySet* set) noexcept { return set->bytes; }

size_t TakeKeys(DirtySet* set, int level, unsigned char* out, size_t room) noexcept {
  size_t written = 0;
  size_t at = level < 1 ? set->levels.size() : static_cast<size_t>(level);
  for (; at >= 1 && at <= set->levels.size(); at = level < 1 ? set->levels.size() : 0) {
    Level& own = set->levels[at - 1];
    while (own.first != nullptr) {
      Entry* entry = own.first;
      const size_t size = DirtyKeySize(entry->Key());
      if (size > room - written) {
        return written == 0 ? size : written;
      }
      written += PutDirtyKey(out + written, entry->Key());
      own.first = entry->next;
      --own.count;
      set->bytes -= size;
      set->table.Erase(entry);
    }
    own.last = nullptr;
    if (at == set->levels.size()) {
      set->DropLast();
    }
  }
  return written;
}

void ClearDirtySet(DirtySet* set) noexcept {
  set->table.Clear();
  set->arena.Reset();
  set->levels.clear();
  set->bytes = 0;
}

}  // namespace tviews::core
