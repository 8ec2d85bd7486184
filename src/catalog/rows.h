// Reading the pg_tview_* tables without SPI: scans with a given snapshot, columns decoded.
#pragma once

#include "pg/extension.h"
#include "pg/pg.h"

namespace tviews::catalog {

// One scan over one of the extension's tables.
struct RowScan {
  Relation relation;
  SysScanDesc scan;
  HeapTuple tuple;
};

// Opens a scan.  `index` null: the whole table; else the index's name, and the rows whose first index column `column` equals
// `key` (an OID or an int4).  `snapshot` null: a fresh one.
RowScan OpenRows(pg::Table table, Snapshot snapshot);
RowScan OpenRowsByKey(pg::Table table, const char* index, AttrNumber column, Datum key, bool key_is_oid, Snapshot snapshot);
bool NextRow(RowScan* scan);
void CloseRows(RowScan* scan);

// Columns of the current row, by attribute number; palloc'd where they are not plain values.
Oid OidColumn(const RowScan& scan, AttrNumber column);
int32 IntColumn(const RowScan& scan, AttrNumber column);
bool BoolColumn(const RowScan& scan, AttrNumber column);
char CharColumn(const RowScan& scan, AttrNumber column);
TimestampTz TimeColumn(const RowScan& scan, AttrNumber column);
char* TextColumn(const RowScan& scan, AttrNumber column);           // null for NULL
ArrayType* ArrayColumn(const RowScan& scan, AttrNumber column);     // null for NULL
Datum CopiedColumn(const RowScan& scan, AttrNumber column);         // varlena, must not be NULL

// The elements of a text[]; `*count` 0 for null.
char** ArrayTexts(ArrayType* array, int* count);

// Attribute numbers, in the order of the tables in sql/pg_tviews.sql.
namespace tview_column {
enum { kTview = 1, kView, kOwnsView, kEntity, kDefinition, kKeyColumns, kColumns, kLevel, kOptions, kSettings, kState, kCreatedAt, kAdopted, kNarrowed };
}
namespace relation_column {
enum { kTview = 1, kRelation, kIsTview };
}
namespace point_column {
enum { kPoint = 1, kRelation, kColumns, kFansOut, kPaths };
}
namespace mapping_column {
enum { kPoint = 1, kTview, kOrdinal, kKind, kQuery, kUsed, kNulls };
}

namespace timer_column {
enum { kTview = 1, kRefreshedAt };
}

inline constexpr const char* kTviewIndex = "pg_tview_catalog_pkey";
inline constexpr const char* kRelationByTview = "pg_tview_relation_pkey";
inline constexpr const char* kRelationByRelation = "pg_tview_relation_relation_idx";
inline constexpr const char* kPointByRelation = "pg_tview_capture_point_key";
inline constexpr const char* kTimerIndex = "pg_tview_timer_pkey";
inline constexpr const char* kMappingByPoint = "pg_tview_mapping_pkey";

// Is the relation the table of a TVIEW (fresh snapshot)?
bool IsTviewTable(Oid relation);

}  // namespace tviews::catalog
