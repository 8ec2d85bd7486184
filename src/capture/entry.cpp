// The per-backend copy of the graph, one entry per relation.
#include "capture/entry.h"

#include "capture/entry_bytes.h"
#include "shmem/graph_cache.h"

namespace tviews::capture {
namespace {

HTAB* entries = nullptr;

void Invalidate(Datum, Oid relation) {
  // Only marks: the entry may be in use further up the stack.
  Entry* entry = OidIsValid(relation) ? static_cast<Entry*>(hash_search(entries, &relation, HASH_FIND, nullptr)) : nullptr;
  if (OidIsValid(relation) && entry == nullptr) {
    return;
  }
  if (entry != nullptr && !entry->is_ancestor) {
    entry->valid = false;
    entry->invalidated = true;
    return;
  }
  HASH_SEQ_STATUS scan;
  hash_seq_init(&scan, entries);
  while ((entry = static_cast<Entry*>(hash_seq_search(&scan))) != nullptr) {
    entry->valid = false;
    entry->invalidated = true;
  }
}

void CreateTable() {
  HASHCTL control = {};
  control.keysize = sizeof(Oid);
  control.entrysize = sizeof(Entry);
  control.hcxt = CacheMemoryContext;
  entries = hash_create("pg_tviews capture", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  CacheRegisterRelcacheCallback(Invalidate, 0);
}

Entry* EnterEntry(Oid relation) {
  bool found = false;
  Entry* entry = static_cast<Entry*>(hash_search(entries, &relation, HASH_ENTER, &found));
  if (!found) {
    memset(entry, 0, sizeof(*entry));
    entry->relation = relation;
  }
  return entry;
}

bool FillFrom(core::ByteSpan bytes, Relation relation, Entry* entry) {
  MemoryContext old = MemoryContextSwitchTo(entry->context);
  const bool fits = ReadEntry(bytes, relation, entry);
  MemoryContextSwitchTo(old);
  return fits;
}

void Fill(Relation relation, Entry* entry) {
  if (entry->context == nullptr) {
    entry->context = AllocSetContextCreate(CacheMemoryContext, "pg_tviews capture entry", ALLOCSET_SMALL_SIZES);
  }
  MemoryContextReset(entry->context);
  const uint64 generation = shmem::GraphGeneration();
  core::ByteSpan bytes;
  if (shmem::LookupGraphCache(RelationGetRelid(relation), &bytes) && FillFrom(bytes, relation, entry)) {
    return;
  }
  MemoryContextReset(entry->context);
  StringInfoData written;
  initStringInfo(&written);
  WriteEntry(&written, relation);
  bytes = {reinterpret_cast<unsigned char*>(written.data), static_cast<size_t>(written.len)};
  if (!FillFrom(bytes, relation, entry)) {
    elog(ERROR, "capture points of relation \"%s\" do not fit it", RelationGetRelationName(relation));
  }
  shmem::StoreGraphCache(RelationGetRelid(relation), bytes, generation);
}

// True when one of them was not marked before.
bool MarkAncestors(const Entry* entry) {
  bool any_new = false;
  for (int i = 0; i < entry->ancestor_count; ++i) {
    Entry* ancestor = EnterEntry(entry->ancestors[i]);
    any_new = any_new || !ancestor->is_ancestor;
    ancestor->is_ancestor = true;
  }
  return any_new;
}

}  // namespace

const Entry* FindEntry(Relation relation) {
  if (entries == nullptr) {
    CreateTable();
  }
  Entry* entry = EnterEntry(RelationGetRelid(relation));
  if (entry->valid) {
    return entry;
  }
  entry->invalidated = false;
  Fill(relation, entry);
  // What came meanwhile, or might have come unnoticed for an ancestor not known as one, makes the next call fill again.
  entry->valid = !MarkAncestors(entry) && !entry->invalidated;
  return entry;
}

}  // namespace tviews::capture
