// The tv_ table of a refresh: its shape, and finding its stored rows by key without SQL.
#include "refresh/target.h"

namespace tviews::refresh {

namespace {

void CheckTable(const catalog::Tview* tview, Relation table) {
  if (table->rd_rel->relkind != RELKIND_RELATION) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("TVIEW table \"%s\" is not an ordinary table", RelationGetRelationName(table)),
                    errdetail("Refreshing partitioned TVIEW tables is not supported yet.")));
  }
  if (!OidIsValid(tview->key_index)) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("TVIEW table \"%s\" has no unique index on its key", RelationGetRelationName(table)),
                    errhint("Create one: CREATE UNIQUE INDEX ON %s (...).", quote_identifier(RelationGetRelationName(table)))));
  }
  if (table->rd_rel->relam == InvalidOid) {
    elog(ERROR, "TVIEW table \"%s\" has no storage", RelationGetRelationName(table));
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
  target->row = CreateTemplateTupleDesc(tview->owned_count + 1);
  for (int i = 0; i < tview->owned_count; ++i) {
    TupleDescCopyEntry(target->row, static_cast<AttrNumber>(i + 1), RelationGetDescr(target->table), tview->owned_columns[i]);
  }
  TupleDescInitEntry(target->row, static_cast<AttrNumber>(tview->owned_count + 1), "tid", TIDOID, -1, 0);
  target->row = BlessTupleDesc(target->row);
}

void BuildScanKeys(Target* target) {
  const Form_pg_index form = target->index->rd_index;
  const int count = form->indnkeyatts;
  target->scan_keys = static_cast<ScanKey>(palloc(count * sizeof(ScanKeyData)));
  target->scan_key_at = static_cast<int*>(palloc(count * sizeof(int)));
  for (int i = 0; i < count; ++i) {
    const Oid family = target->index->rd_opfamily[i], type = target->index->rd_opcintype[i];
    const Oid equal = get_opfamily_member(family, type, type, BTEqualStrategyNumber);
    if (!OidIsValid(equal)) {
      elog(ERROR, "missing operator %d(%u,%u) in opfamily %u", BTEqualStrategyNumber, type, type, family);
    }
    ScanKeyEntryInitialize(&target->scan_keys[i], 0, static_cast<AttrNumber>(i + 1), BTEqualStrategyNumber, InvalidOid,
                           target->index->rd_indcollation[i], get_opcode(equal), 0);
    target->scan_key_at[i] = OwnedPlace(target->tview, form->indkey.values[i]);
  }
}

}  // namespace

Target* OpenTarget(const catalog::Tview* tview, LOCKMODE lock, Snapshot snapshot) {
  Target* target = static_cast<Target*>(palloc0(sizeof(Target)));
  target->own = CurrentMemoryContext;
  target->tview = tview;
  target->table = table_open(tview->table, lock);
  CheckTable(tview, target->table);
  target->index = index_open(tview->key_index, lock);
  target->owned = tview->owned_count;
  target->key_at = static_cast<int*>(palloc(tview->key_count * sizeof(int)));
  target->key_equal = static_cast<FmgrInfo*>(palloc(tview->key_count * sizeof(FmgrInfo)));
  for (int i = 0; i < tview->key_count; ++i) {
    target->key_at[i] = OwnedPlace(tview, tview->key_columns[i]);
    const TypeCacheEntry* type = lookup_type_cache(tview->key_types[i].type, TYPECACHE_EQ_OPR);
    fmgr_info(get_opcode(type->eq_opr), &target->key_equal[i]);
  }
  BuildRowShape(target);
  BuildScanKeys(target);
  target->latest = RegisterSnapshot(snapshot);
  return target;
}

void CloseTarget(Target* target) {
  UnregisterSnapshot(target->latest);
  index_close(target->index, NoLock);
  table_close(target->table, NoLock);
}

IndexScanDesc BeginKeyScan(const Target* target, Snapshot snapshot) {
  return index_beginscan(target->table, target->index, snapshot, target->index->rd_index->indnkeyatts, 0);
}

bool FindStored(const Target* target, IndexScanDesc scan, const Datum* values, TupleTableSlot* stored) {
  const int count = target->index->rd_index->indnkeyatts;
  for (int i = 0; i < count; ++i) {
    target->scan_keys[i].sk_argument = values[target->scan_key_at[i]];
  }
  // The scan allocates some of its state when it first needs it; that must not go with a row's memory.
  MemoryContext old = MemoryContextSwitchTo(target->own);
  index_rescan(scan, target->scan_keys, count, nullptr, 0);
  const bool found = index_getnext_slot(scan, ForwardScanDirection, stored);
  MemoryContextSwitchTo(old);
  return found;
}

bool SameValue(const Target* target, int i, TupleTableSlot* stored, Datum value, bool is_null) {
  bool stored_null;
  const Datum stored_value = slot_getattr(stored, target->tview->owned_columns[i], &stored_null);
  if (is_null || stored_null) {
    return is_null && stored_null;
  }
  const Form_pg_attribute attribute = TupleDescAttr(target->row, i);
  return datum_image_eq(value, stored_value, attribute->attbyval, attribute->attlen);
}

bool SameRow(const Target* target, TupleTableSlot* stored, const Datum* values, const bool* nulls) {
  for (int i = 0; i < target->owned; ++i) {
    if (!SameValue(target, i, stored, values[i], nulls[i])) {
      return false;
    }
  }
  return true;
}

bool SameKey(const Target* target, TupleTableSlot* stored, const Datum* values) {
  const catalog::Tview* tview = target->tview;
  for (int i = 0; i < tview->key_count; ++i) {
    bool is_null;
    const Datum have = slot_getattr(stored, tview->key_columns[i], &is_null);
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
