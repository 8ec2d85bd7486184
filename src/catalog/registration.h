// Making and dropping TVIEWs: locks, view, table, first rows, indexes, capture triggers, catalog rows, dependencies.
#pragma once

#include "pg/pg.h"

namespace tviews::catalog {

// How the table of a new TVIEW is to be stored; all may be null.
struct TableOptions {
  const char* with;        // text inside WITH (...)
  const char* tablespace;  // name
  const char* access_method;  // name
  bool unlogged;
};

// PARTITION BY of a new TVIEW's table.
struct PartitionBy {
  const char* strategy;  // RANGE, LIST or HASH; null: not partitioned
  List* columns;         // names, char*
};

// The options argument of pg_tviews_create, checked.  Unknown options are an error.
struct Options {
  int key_count;
  const char** key;      // null: pk_<entity>, else id
  bool unkeyed_full;     // on_unkeyed => 'full'
  int fillfactor;        // default 90
  bool indexes;          // default true
  bool unlogged;
  PartitionBy partition_by;
  bool background;       // build => 'background': registered empty, the worker fills it
  int64 min_interval_ms;
  int64 refresh_every_ms;  // 0: no timer
  ArrayType* settings;   // those of the session, overridden by the option
  Datum json;  // as given (jsonb)
};
Options ParseOptions(Datum options);

struct NewTview {
  const char* schema;  // null: current creation namespace
  const char* name;    // tv_<entity>
  const char* query;   // SELECT text, fully qualified; null when `view` is adopted
  Oid view;            // existing view to adopt, or InvalidOid
  List* column_names;  // of CREATE TABLE tv_x (a, b) AS; NIL: the query's
  bool with_data;
  TableOptions table;
  Options options;
};

// Creates the TVIEW in the current transaction and returns its table.  `*rows` (may be null) gets the number of first rows.
// Takes SHARE ROW EXCLUSIVE on every base table before anything is read.  Ereports: refusals of lineage; 25001 in REPEATABLE
// READ or SERIALIZABLE; 42P07 when the table exists; 42501 without SELECT and TRIGGER on a base table.
Oid CreateTview(const NewTview& definition, uint64* rows);

// Makes the existing table `table` a TVIEW: `definition.name` is its name, the options that describe tables are refused.  Only the
// columns of the query become pg_tviews' own; rows are brought up to date by difference.  Ereports as CreateTview; 42809 for what
// cannot be a TVIEW, 42501 for another's table, 42710 when it is one already, 55000 without an index on the key.
Oid AdoptTview(Oid table, const NewTview& definition);

// The entity of a table: its name without tv_, or its name.
const char* EntityOf(const char* table);

// Gives a TVIEW another definition, and returns its table.  `query` is analysed; definition.query its text.  The table, its rows and
// what the user made on it stay; columns come, go and change type with the query's.  Ereports as CreateTview; 42501 for others than
// the owner; 42804, 2BP01 when a column cannot follow; any error leaves everything as it was.
Oid ReplaceTview(Oid table, Query* query, const NewTview& definition);

// The names of the columns that a TVIEW owns, in the view's order.
List* OwnedColumns(Oid table);

// Drops it: table (an adopted one stays, as an ordinary table), view if pg_tviews made it, capture triggers that nothing needs any more, catalog rows.
void DropTview(Oid table, bool cascade);

// Removes the catalog rows and unneeded triggers of TVIEWs whose table is gone; called by the utility and object-access hooks.
void ForgetTview(Oid table);

// Derives the lineage of a TVIEW again (its view or a base table changed shape) and marks it for reconciliation.
void RegisterAgain(Oid table);

// The same without the mark.  `names_only`: names moved, what is captured stays; writers go on.  False when the TVIEW is gone.
bool DeriveAgain(Oid table, bool names_only);

// Creates the capture triggers that `relation` (and its partitions and children) lacks, and arms those that are not ALWAYS.
void EnsureCaptureTriggers(Oid relation);

// For the graph's readers: this transaction leaves the shared graph cache aside from now on; at its commit the cache is reset and
// the worker woken.  The relations whose capture changed must be invalidated too (change.h).
void GraphChanged();

// Marks a TVIEW for a whole refresh by the worker, due now.
void MarkForReconciliation(Oid table);

// The same for every TVIEW that is unlogged or reads an unlogged table: a crash empties those.  The worker calls it at its start.
void MarkUnlogged();

}  // namespace tviews::catalog
