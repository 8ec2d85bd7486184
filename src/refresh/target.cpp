// The tv_ table of a refresh: its shape, and the places where its rows are stored.
#include "refresh/target.h"

#include "refresh/partitions.h"

namespace tviews::refresh {

namespace {

void CheckTable(const catalog::Tview* tview, Relation table) {
  const char kind = table->rd_rel->relkind;
  if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE) {
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("TVIEW table \"%s\" is not a table", RelationGetRelationName(table))));
  }
  if (kind == RELKIND_RELATION && !OidIsValid(tview->key_index)) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("TVIEW table \"%s\" has no unique index on its key", RelationGetRelationName(table)),
                    errhint("Create one: CREATE UNIQUE INDEX ON %s (...).", quote_identifier(RelationGetRelationName(table)))));
  }
}

int OwnedPlace(const catalog::Tview* tview, AttrNumber column) {
  for (int i = 0; i < tview->owned_count; ++i) {
    if (tview->owned_columns[i] == column) {
      return i;
    }
  }
  elog(ERROR, "key column %d is not among the columns of TVIEW \"%s\"", column, tview->entity);
}

void BuildRowShape(Target* target) {
  const catalog::Tview* tview = target->tview;
  target->row = CreateTemplateTupleDesc(tview->owned_count + 2);
  for (int i = 0; i < tview->owned_count; ++i) {
    TupleDescCopyEntry(target->row, static_cast<AttrNumber>(i + 1), RelationGetDescr(target->table), tview->owned_columns[i]);
  }
  TupleDescInitEntry(target->row, static_cast<AttrNumber>(tview->owned_count + 1), "tid", TIDOID, -1, 0);
  TupleDescInitEntry(target->row, static_cast<AttrNumber>(tview->owned_count + 2), "leaf", INT4OID, -1, 0);
  target->row = BlessTupleDesc(target->row);
}

// Which key column the index column `at` is; -1: none.
int KeyPlace(const Target* target, const Leaf* leaf, Relation index, int at) {
  for (int k = 0; k < target->tview->key_count; ++k) {
    if (index->rd_index->indkey.values[at] == leaf->key_columns[k]) {
      return k;
    }
  }
  return -1;
}

// A complete B-tree whose first columns are the key's, in any order.
bool ServesKey(const Target* target, const Leaf* leaf, Relation index) {
  const Form_pg_index form = index->rd_index;
  const int count = target->tview->key_count;
  if (index->rd_rel->relam != BTREE_AM_OID || !form->indisvalid || !form->indisready || form->indnkeyatts < count ||
      !heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, nullptr)) {
    return false;
  }
  Bitmapset* keys = nullptr;
  for (int i = 0; i < count; ++i) {
    const int place = KeyPlace(target, leaf, index, i);
    if (place < 0) {
      return false;
    }
    keys = bms_add_member(keys, place);
  }
  return bms_num_members(keys) == count;
}

// The best index of a leaf for its key: a unique one if there is one.
Relation ChooseIndex(const Target* target, const Leaf* leaf) {
  Relation chosen = nullptr;
  ListCell* cell;
  foreach (cell, RelationGetIndexList(leaf->table)) {
    Relation index = index_open(lfirst_oid(cell), target->lock);
    const bool exact = index->rd_index->indisunique && index->rd_index->indnkeyatts == target->tview->key_count;
    if (!ServesKey(target, leaf, index) || (chosen != nullptr && !exact)) {
      index_close(index, NoLock);
      continue;
    }
    if (chosen != nullptr) {
      index_close(chosen, NoLock);
    }
    chosen = index;
    if (exact) {
      break;
    }
  }
  if (chosen == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("partition \"%s\" of TVIEW table \"%s\" has no index on the key", RelationGetRelationName(leaf->table),
                           RelationGetRelationName(target->table)),
                    errhint("Create one: CREATE INDEX ON %s (...).", quote_identifier(RelationGetRelationName(target->table)))));
  }
  return chosen;
}

void BuildScanKeys(const Target* target, Leaf* leaf) {
  const int count = target->tview->key_count;
  leaf->scan_keys = static_cast<ScanKey>(palloc(count * sizeof(ScanKeyData)));
  leaf->scan_key_at = static_cast<int*>(palloc(count * sizeof(int)));
  for (int i = 0; i < count; ++i) {
    const Oid family = leaf->index->rd_opfamily[i], type = leaf->index->rd_opcintype[i];
    const Oid equal = get_opfamily_member(family, type, type, BTEqualStrategyNumber);
    if (!OidIsValid(equal)) {
      elog(ERROR, "missing operator %d(%u,%u) in opfamily %u", BTEqualStrategyNumber, type, type, family);
    }
    ScanKeyEntryInitialize(&leaf->scan_keys[i], 0, static_cast<AttrNumber>(i + 1), BTEqualStrategyNumber, InvalidOid,
                           leaf->index->rd_indcollation[i], get_opcode(equal), 0);
    leaf->scan_key_at[i] = target->key_at[KeyPlace(target, leaf, leaf->index, i)];
  }
}

void BuildLeaf(const Target* target, Leaf* leaf) {
  const catalog::Tview* tview = target->tview;
  leaf->table = table_open(leaf->oid, target->lock);
  leaf->owned_columns = ColumnsOf(target, leaf->table);
  leaf->key_columns = static_cast<AttrNumber*>(palloc(tview->key_count * sizeof(AttrNumber)));
  for (int i = 0; i < tview->key_count; ++i) {
    leaf->key_columns[i] = leaf->owned_columns[target->key_at[i]];
  }
  leaf->index = target->branch_count == 0 ? index_open(tview->key_index, target->lock) : ChooseIndex(target, leaf);
  leaf->unique = leaf->index->rd_index->indisunique && leaf->index->rd_index->indimmediate &&
                 leaf->index->rd_index->indnkeyatts == tview->key_count;
  leaf->empty = target->branch_count > 0 && RelationGetNumberOfBlocks(leaf->table) == 0;
  BuildScanKeys(target, leaf);
}

}  // namespace

Target* OpenTarget(const catalog::Tview* tview, LOCKMODE lock, Snapshot snapshot) {
  Target* target = static_cast<Target*>(palloc0(sizeof(Target)));
  target->own = CurrentMemoryContext;
  target->resources = CurrentResourceOwner;
  target->lock = lock;
  target->tview = tview;
  target->table = table_open(tview->table, lock);
  CheckTable(tview, target->table);
  target->owned = tview->owned_count;
  target->key_at = static_cast<int*>(palloc(tview->key_count * sizeof(int)));
  target->key_equal = static_cast<FmgrInfo*>(palloc(tview->key_count * sizeof(FmgrInfo)));
  for (int i = 0; i < tview->key_count; ++i) {
    target->key_at[i] = OwnedPlace(tview, tview->key_columns[i]);
    const TypeCacheEntry* type = lookup_type_cache(tview->key_types[i].type, TYPECACHE_EQ_OPR);
    fmgr_info(get_opcode(type->eq_opr), &target->key_equal[i]);
  }
  BuildRowShape(target);
  target->latest = RegisterSnapshot(snapshot);
  if (target->table->rd_rel->relkind == RELKIND_PARTITIONED_TABLE) {
    OpenPartitions(target);
  } else {
    target->leaf_count = 1;
    target->leaves = static_cast<Leaf*>(palloc0(sizeof(Leaf)));
    target->leaves[0].oid = tview->table;
    OpenLeaf(target, 0);
  }
  return target;
}

void CloseTarget(Target* target) {
  UnregisterSnapshot(target->latest);
  for (int i = 0; i < target->leaf_count; ++i) {
    if (target->leaves[i].table != nullptr) {
      index_close(target->leaves[i].index, NoLock);
      table_close(target->leaves[i].table, NoLock);
    }
  }
  ClosePartitions(target);
  table_close(target->table, NoLock);
}

const Leaf* OpenLeaf(const Target* target, int leaf) {
  Leaf* opening = &target->leaves[leaf];
  if (opening->index == nullptr) {
    MemoryContext context = MemoryContextSwitchTo(target->own);
    ResourceOwner resources = CurrentResourceOwner;
    CurrentResourceOwner = target->resources;
    BuildLeaf(target, opening);
    CurrentResourceOwner = resources;
    MemoryContextSwitchTo(context);
  }
  return opening;
}

double RowsStored(Oid table) {
  double rows = -1;
  ListCell* cell;
  foreach (cell, find_all_inheritors(table, NoLock, nullptr)) {
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(lfirst_oid(cell)));
    if (HeapTupleIsValid(tuple)) {
      const Form_pg_class form = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
      if (form->relkind == RELKIND_RELATION && form->reltuples >= 0) {
        rows = Max(rows, 0) + form->reltuples;
      }
      ReleaseSysCache(tuple);
    }
  }
  return rows;
}

bool SameValue(const Target* target, const Leaf* leaf, int i, TupleTableSlot* stored, Datum value, bool is_null) {
  bool stored_null;
  const Datum stored_value = slot_getattr(stored, leaf->owned_columns[i], &stored_null);
  if (is_null || stored_null) {
    return is_null && stored_null;
  }
  const Form_pg_attribute attribute = TupleDescAttr(target->row, i);
  return datum_image_eq(value, stored_value, attribute->attbyval, attribute->attlen);
}

bool SameRow(const Target* target, const Leaf* leaf, TupleTableSlot* stored, const Datum* values, const bool* nulls) {
  for (int i = 0; i < target->owned; ++i) {
    if (!SameValue(target, leaf, i, stored, values[i], nulls[i])) {
      return false;
    }
  }
  return true;
}

bool SameKey(const Target* target, const Leaf* leaf, TupleTableSlot* stored, const Datum* values) {
  const catalog::Tview* tview = target->tview;
  for (int i = 0; i < tview->key_count; ++i) {
    bool is_null;
    const Datum have = slot_getattr(stored, leaf->key_columns[i], &is_null);
    if (is_null ||
        !DatumGetBool(FunctionCall2Coll(&target->key_equal[i], tview->key_types[i].collation, have, values[target->key_at[i]]))) {
      return false;
    }
  }
  return true;
}

core::ByteSpan KeyBytes(const Target* target, const Datum* values, const bool* nulls) {
  StringInfoData bytes;
  initStringInfo(&bytes);
  for (int i = 0; i < target->tview->key_count; ++i) {
    const int at = target->key_at[i];
    pg::AppendField(&bytes, values[at], nulls[at], target->tview->key_types[i]);
  }
  return {reinterpret_cast<const unsigned char*>(bytes.data), static_cast<size_t>(bytes.len)};
}

}  // namespace tviews::refresh
