// Reading the pg_tview_* tables without SPI.
#include "catalog/graph.h"
#include "catalog/rows.h"

namespace tviews::catalog {

RowScan OpenRows(pg::Table table, Snapshot snapshot) {
  RowScan result = {};
  result.relation = table_open(pg::TableOid(table), AccessShareLock);
  result.scan = systable_beginscan(result.relation, InvalidOid, false, snapshot, 0, nullptr);
  return result;
}

RowScan OpenRowsByKey(pg::Table table, const char* index, AttrNumber column, Datum key, bool key_is_oid, Snapshot snapshot) {
  RowScan result = {};
  result.relation = table_open(pg::TableOid(table), AccessShareLock);
  const Oid index_oid = get_relname_relid(index, pg::ExtensionSchemaOid());
  ScanKeyData scan_key;
  ScanKeyInit(&scan_key, column, BTEqualStrategyNumber, key_is_oid ? F_OIDEQ : F_INT4EQ, key);
  result.scan = systable_beginscan(result.relation, index_oid, OidIsValid(index_oid), snapshot, 1, &scan_key);
  return result;
}

bool NextRow(RowScan* scan) {
  scan->tuple = systable_getnext(scan->scan);
  return HeapTupleIsValid(scan->tuple);
}

void CloseRows(RowScan* scan) {
  systable_endscan(scan->scan);
  table_close(scan->relation, AccessShareLock);
}

namespace {
Datum Column(const RowScan& scan, AttrNumber column, bool* is_null) {
  return heap_getattr(scan.tuple, column, RelationGetDescr(scan.relation), is_null);
}
}  // namespace

Oid OidColumn(const RowScan& scan, AttrNumber column) {
  bool is_null;
  return DatumGetObjectId(Column(scan, column, &is_null));
}

int32 IntColumn(const RowScan& scan, AttrNumber column) {
  bool is_null;
  return DatumGetInt32(Column(scan, column, &is_null));
}

bool BoolColumn(const RowScan& scan, AttrNumber column) {
  bool is_null;
  return DatumGetBool(Column(scan, column, &is_null));
}

char CharColumn(const RowScan& scan, AttrNumber column) {
  bool is_null;
  return DatumGetChar(Column(scan, column, &is_null));
}

TimestampTz TimeColumn(const RowScan& scan, AttrNumber column) {
  bool is_null;
  return DatumGetTimestampTz(Column(scan, column, &is_null));
}

char* TextColumn(const RowScan& scan, AttrNumber column) {
  bool is_null;
  const Datum value = Column(scan, column, &is_null);
  return is_null ? nullptr : TextDatumGetCString(value);
}

ArrayType* ArrayColumn(const RowScan& scan, AttrNumber column) {
  bool is_null;
  const Datum value = Column(scan, column, &is_null);
  return is_null ? nullptr : DatumGetArrayTypePCopy(value);
}

Datum CopiedColumn(const RowScan& scan, AttrNumber column) {
  bool is_null;
  const Datum value = Column(scan, column, &is_null);
  Assert(!is_null);
  return PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
}

char** ArrayTexts(ArrayType* array, int* count) {
  *count = 0;
  if (array == nullptr) {
    return nullptr;
  }
  Datum* elements;
  bool* nulls;
  deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, count);
  char** texts = static_cast<char**>(palloc(sizeof(char*) * (*count + 1)));
  for (int i = 0; i < *count; ++i) {
    texts[i] = nulls[i] ? pstrdup("") : TextDatumGetCString(elements[i]);
  }
  return texts;
}

List* SelfAndAncestors(Oid relation) {
  List* found = list_make1_oid(relation);
  Relation inherits = table_open(InheritsRelationId, AccessShareLock);
  for (int i = 0; i < list_length(found); ++i) {  // grows while it runs
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(list_nth_oid(found, i)));
    SysScanDesc scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, nullptr, 1, &key);
    HeapTuple tuple;
    while (HeapTupleIsValid(tuple = systable_getnext(scan))) {
      found = list_append_unique_oid(found, reinterpret_cast<Form_pg_inherits>(GETSTRUCT(tuple))->inhparent);
    }
    systable_endscan(scan);
  }
  table_close(inherits, AccessShareLock);
  return found;
}

bool IsTviewTable(Oid relation) {
  RowScan scan = OpenRowsByKey(pg::Table::kTview, kTviewIndex, tview_column::kTview, ObjectIdGetDatum(relation), true, nullptr);
  const bool found = NextRow(&scan);
  CloseRows(&scan);
  return found;
}

}  // namespace tviews::catalog
