// A TVIEW while it is made: what creation, adoption and their parts hand on to each other.
#pragma once

#include "catalog/register.h"
#include "catalog/registration.h"
#include "pg/pg.h"

namespace tviews::catalog {

struct Building {
  const NewTview* definition;
  Oid user;  // makes the view and what is missing: the owner of the TVIEW
  const char* schema;
  const char* entity;
  const char* qualified;  // quoted name of the table
  Oid view;
  bool owns_view;
  const char* qualified_view;
  int column_count;
  const char** columns;  // of the view
  int key_count;
  const char** key;
  AttrNumber* key_columns;  // in the view
  Oid table;
  bool adopted;  // the table was there before
  uint64 rows;
  const char* unique;  // the columns whose unique index is being made; for the error
};

// The session can create TVIEWs.  Ereports 25001 in REPEATABLE READ.
void CheckSession();

// Makes the view v_<entity> of the definition's query, or takes the view that it names; then its columns.
void MakeView(Building* building);

// Users' event triggers fire on the commands that make view, table and indexes.  Ereports 55000 when one of them dropped the view or the table.
void RequireThere(const Building& building, Oid relation);

// The option "key"; else pk_<entity>, id or, for a table that is there, the columns of its primary key.  Ereports 42703.
void ChooseKey(Building* building);

// Locks what the view reads, and `also`, against writers.  Returns the relations read.
const List* LockFor(const Building& building, Oid also);

// The lineage, as the owner and under the settings of the refreshes: names in SQL functions mean what they will mean then.
// REQUIRES: LockFor; the table is there.
lineage::Lineage DeriveFor(const Building& building);

// No other TVIEW of the schema is called like this.  Ereports 42710.
void CheckEntity(const char* schema, const char* entity);

// Makes the table, empty.
void MakeTable(Building* building);

// The first rows, unless they are not wanted now, and the indexes.  Ereports 23502 and 21000 in the words of a TVIEW.
void FillAndIndex(Building* building);

// As its owner, for a table that exists: the index of the key, and those that `columns` (names) ask for.  Ereports 21000, 23502.
void IndexColumns(Building* building, const List* columns, bool key);

// An adopted table: rows are found by an index on the key; it is made unless the options say otherwise.  Ereports 55000 without it.
void EnsureKeyIndex(const Building& building);

// What the query has: "a", "b".
const char* ColumnNames(const Building& building);

// Is the column part of the key?
bool IsKey(const Building& building, const char* column);

// "a, b" with quotes where they are needed.
const char* ColumnList(const char* const* columns, int count);

// What the catalog keeps of it.
Registration RegistrationOf(const Building& building, State state);

// Appends to the audit log what was made; `operation` CREATE or ADOPT.
void AuditMade(const char* operation, const Building& building);

}  // namespace tviews::catalog
