// The keys asked for in one refresh, each once by its type's equality, and what became of them.
#include "refresh/wanted.h"

#include "core/record.h"
#include "pg/executor.h"

namespace tviews::refresh {

namespace {

TupleHashTable NewKeyTable(const Target* target, TupleDesc row, size_t count) {
  const int columns = target->tview->key_count;
  AttrNumber* places = static_cast<AttrNumber*>(palloc(columns * sizeof(AttrNumber)));
  Oid* equal = static_cast<Oid*>(palloc(columns * sizeof(Oid)));
  Oid* collations = static_cast<Oid*>(palloc(columns * sizeof(Oid)));
  FmgrInfo* hash = static_cast<FmgrInfo*>(palloc(columns * sizeof(FmgrInfo)));
  for (int i = 0; i < columns; ++i) {
    const pg::KeyType& type = target->tview->key_types[i];
    const TypeCacheEntry* entry = lookup_type_cache(type.type, TYPECACHE_EQ_OPR | TYPECACHE_HASH_PROC);
    if (!OidIsValid(entry->eq_opr) || !OidIsValid(entry->hash_proc)) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                      errmsg("key type %s of TVIEW \"%s\" cannot be hashed", format_type_be(type.type), target->tview->entity)));
    }
    places[i] = static_cast<AttrNumber>(i + 1);
    equal[i] = get_opcode(entry->eq_opr);
    collations[i] = type.collation;
    fmgr_info(entry->hash_proc, &hash[i]);
  }
  MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "pg_tviews key hashing", ALLOCSET_SMALL_SIZES);
  return pg::NewNumberedRows(row, columns, places, equal, hash, collations, count, scratch);
}

// Decodes one key into the slot; false when a column is NULL.
bool DecodeKey(Wanted* wanted, core::ByteSpan key) {
  ExecClearTuple(wanted->slot);
  size_t offset = 0;
  for (int i = 0; i < wanted->target->tview->key_count; ++i) {
    core::ByteSpan field;
    if (core::NextField(key, &offset, &field) != core::Next::kItem) {
      ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("malformed key of TVIEW \"%s\"", wanted->target->tview->entity)));
    }
    wanted->slot->tts_values[i] = pg::FieldToDatum(field, wanted->target->tview->key_types[i], &wanted->slot->tts_isnull[i]);
    if (wanted->slot->tts_isnull[i]) {
      return false;
    }
  }
  ExecStoreVirtualTuple(wanted->slot);
  return true;
}

}  // namespace

Wanted* NewWanted(const Target* target, const core::KeySets* keys, uint32 number, size_t first, size_t count) {
  const catalog::Tview* tview = target->tview;
  Wanted* wanted = static_cast<Wanted*>(palloc0(sizeof(Wanted)));
  wanted->target = target;
  TupleDesc row = CreateTemplateTupleDesc(tview->key_count);
  for (int i = 0; i < tview->key_count; ++i) {
    TupleDescCopyEntry(row, static_cast<AttrNumber>(i + 1), RelationGetDescr(target->table), tview->key_columns[i]);
  }
  wanted->slot = MakeSingleTupleTableSlot(row, &TTSOpsVirtual);
  wanted->table = NewKeyTable(target, row, count);
  wanted->values = static_cast<Datum**>(palloc(tview->key_count * sizeof(Datum*)));
  for (int i = 0; i < tview->key_count; ++i) {
    wanted->values[i] = static_cast<Datum*>(MemoryContextAllocHuge(CurrentMemoryContext, Max(count, 1) * sizeof(Datum)));
  }
  wanted->seen = static_cast<bool*>(palloc0(Max(count, 1)));
  wanted->duplicate = static_cast<bool*>(palloc0(Max(count, 1)));

  for (size_t k = first; k < first + count; ++k) {
    bool is_new;
    if (!DecodeKey(wanted, core::KeyAt(keys, number, k))) {
      wanted->null_key = core::KeyAt(keys, number, k);
      continue;
    }
    TupleHashEntry entry = LookupTupleHashEntry(wanted->table, wanted->slot, &is_new, nullptr);
    if (is_new) {
      *pg::NumberOf(wanted->table, entry) = static_cast<int64>(wanted->count);
      for (int i = 0; i < tview->key_count; ++i) {
        wanted->values[i][wanted->count] = wanted->slot->tts_values[i];
      }
      ++wanted->count;
    }
  }
  return wanted;
}

int64 FindWanted(Wanted* wanted, const Datum* values) {
  ExecClearTuple(wanted->slot);
  for (int i = 0; i < wanted->target->tview->key_count; ++i) {
    wanted->slot->tts_values[i] = values[wanted->target->key_at[i]];
    wanted->slot->tts_isnull[i] = false;
  }
  ExecStoreVirtualTuple(wanted->slot);
  TupleHashEntry entry = LookupTupleHashEntry(wanted->table, wanted->slot, nullptr, nullptr);
  return entry != nullptr ? *pg::NumberOf(wanted->table, entry) : -1;
}

Arguments KeyArguments(const Wanted* wanted) {
  const catalog::Tview* tview = wanted->target->tview;
  Arguments arguments;
  arguments.count = tview->key_count;
  arguments.types = static_cast<Oid*>(palloc(tview->key_count * sizeof(Oid)));
  arguments.values = static_cast<Datum*>(palloc(tview->key_count * sizeof(Datum)));
  for (int i = 0; i < tview->key_count; ++i) {
    const pg::KeyType& type = tview->key_types[i];
    arguments.types[i] = pg::ParameterType(type);
    arguments.values[i] = pg::ParameterArray(type, wanted->values[i], nullptr, static_cast<int>(wanted->count));
  }
  return arguments;
}

}  // namespace tviews::refresh
