// From a view's query tree to its lineage: which relations it reads, what to capture on each, how that leads to keys.
#pragma once

#include "catalog/graph.h"
#include "pg/pg.h"

namespace tviews::lineage {

struct Relation {
  Oid oid;
  bool is_tview;    // the table of another TVIEW
  Bitmapset* used;  // attribute numbers read anywhere in the view; null: all of them (whole-row reference)
};

// One way from a change to keys.  Several occurrences of a relation may give several.
struct Path {
  Oid relation;
  int column_count;  // 0 for kFull
  AttrNumber* columns;
  const char* const* json_paths;  // null, or per column null or a text[] literal: captured is `column #>> path`, a text
  catalog::MappingKind kind;
  // kMapped, kPartition: $1 .. $n are arrays of the columns' base types, text[] for json paths and for types without an array
  // type; returns the key columns, with their types, in any number of rows; those with a NULL are ignored.
  const char* query;
  Bitmapset* used;    // columns of this occurrence whose change matters (the captured ones included); null: all of them
  bool nulls;         // captured NULLs matter: they lead to rows whose key is NULL
  const char* reason; // kFull: why there is no path
};

struct Lineage {
  int relation_count;
  Relation* relations;
  int path_count;
  Path* paths;
  const char* narrowed;  // for refresh: the view's query with $1 .. $n for the keys, see NarrowedQuery; null: the view does as well
  bool reads_clock;  // now() and friends were met
  List* bodies;  // of Query*: SQL functions that were written out; what they name must stay as it is
};

struct Request {
  Oid view;
  int key_count;
  AttrNumber* key_columns;  // in the view
  bool unkeyed_full;        // accept kFull instead of refusing
  bool clock_allowed;       // accept now() and friends: the TVIEW is refreshed on a timer too
  Oid table;                // the tv_ table, which mapping queries may read too; InvalidOid in a dry run
};

// Derives the lineage of a view into the current memory context.  Ereports feature_not_supported (0A000) with the table and the
// condition, or the offending function, in the message and what to do in the HINT.
Lineage DeriveLineage(const Request& request);

// An index that would help: no index is led by what rows are looked up by.
struct MissingIndex {
  Oid relation;
  const char* columns;  // as CREATE INDEX writes them
  bool gin;             // of an array, for the elements it holds; else a btree
  bool mapping;         // for a mapping query; else for the view, that looks up rows by what it knows of the key
};

// The indexes (List* of MissingIndex*) that the mapping queries of a TVIEW and its view lack.  Indexes that are partial do not count.
// Expressions that no index can hold are left out.  Ereports as DeriveLineage.
List* MissingIndexes(const Request& request);

// The relations a query reads, nested views and inlinable functions expanded, without any further check (registration locks them first).
List* RelationsRead(Oid view);

// The same of an analysed query; the views it names, at any depth, are added to `*views`.
List* RelationsReadBy(Query* query, List** views);

}  // namespace tviews::lineage
