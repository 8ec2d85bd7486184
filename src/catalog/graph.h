// The TVIEWs of this database as plain arrays: what the worker walks and monitoring shows.  Read from the pg_tview_* tables.
#pragma once

#include "core/bytes.h"
#include "pg/key_bytes.h"
#include "pg/pg.h"

namespace tviews::catalog {

enum class State : char { kFresh = 'f', kRefreshing = 'r', kPaused = 'p', kDegraded = 'd', kBuilding = 'b', kRestored = 's' };

enum class MappingKind : char {
  kKey = 'k',        // the captured value is the key
  kMapped = 'm',     // a query leads from captured values to keys
  kPartition = 'p',  // as kMapped, through all rows of a group (DISTINCT ON, window)
  kFull = 'f',       // any change affects the whole TVIEW
  kSelf = 's',       // a direct write to the TVIEW's own table: its key
};

// A TVIEW.  Its identity everywhere is the OID of its table.
struct Tview {
  Oid table, view, owner;
  const char* entity;   // "post" of tv_post
  const char* schema;   // of the table
  State state;
  int level;
  int key_count;
  AttrNumber* key_columns;  // attribute numbers in the table
  AttrNumber* view_key_columns;  // and in the view
  pg::KeyType* key_types;
  int owned_count;
  AttrNumber* owned_columns;  // attribute numbers in the table, in the order of the view's columns
  AttrNumber* view_columns;   // the matching attribute numbers in the view
  Oid key_index;              // unique index on the key; InvalidOid if there is none
  const char* narrowed;       // the view's query with $1 .. $n for the keys (lineage.h); null: read the view
  ArrayType* settings;        // pinned: name, value, ...
  int64 min_interval_ms;
  int64 refresh_every_ms;   // option refresh_every; 0: no timer
  TimestampTz refresh_due;  // when its timer wants it refreshed next; DT_NOEND without one.  The worker moves it on
};

struct CapturePoint {
  core::PointId id;
  Oid relation;
  int column_count;
  AttrNumber* columns;
  char** json_paths;    // null, or per column "" or a text[] literal: captured is `column #>> path`
  pg::KeyType* types;   // of what is captured
  Bitmapset* used;  // attribute numbers (no offset: user columns only); null: all of them
  bool nulls;       // a kPartition or kFull mapping starts here: values with NULLs are captured too
};

struct Mapping {
  core::PointId point;
  int tview;  // index into Graph::tviews
  MappingKind kind;
  const char* query;  // see lineage::Path; null unless kMapped, kPartition
};

struct Reads {
  int tview;
  Oid relation;
  int read_tview;  // index, or -1 when `relation` is not a TVIEW's table
};

// Arrays in one memory context.  tviews by (level, table); points by id; mappings by (point, tview); reads by relation.
struct Graph {
  int tview_count, point_count, mapping_count, reads_count;
  Tview* tviews;
  CapturePoint* points;
  Mapping* mappings;
  Reads* reads;
};

// The type of a captured value of a column of type `column` at json path `json_path` (null or "": none).
pg::KeyType CapturedType(const pg::KeyType& column, const char* json_path);

// Reads the graph as `snapshot` sees it, into the current memory context.  A TVIEW whose table or view is gone is left out.
Graph* LoadGraph(Snapshot snapshot);

const CapturePoint* FindPoint(const Graph* graph, core::PointId id);
const Tview* FindTview(const Graph* graph, Oid table);

// The valid, immediate, complete unique index over exactly these columns; InvalidOid if there is none.  Needs no lock on the table.
Oid FindKeyIndex(Oid table, const AttrNumber* key, int key_count);

// The relation and its partition or inheritance ancestors, nearest first.
List* SelfAndAncestors(Oid relation);

// The capture points of `relation` and, for a partition or an inheritance child, of its ancestors with columns matched by name;
// attribute numbers are those of `relation`.  Reads with a fresh catalog snapshot, never SPI.  For capture.
CapturePoint* LoadPoints(Relation relation, int* count);

// Resolves 'post', 'tv_post', 'app.tv_post' and quoted forms to the TVIEW's table.  Ereports: undefined_table, ambiguous_alias
// (lists the candidates).
Oid ResolveTview(const char* name);

// The same; InvalidOid when there is none.
Oid TryResolveTview(const char* name);

}  // namespace tviews::catalog
