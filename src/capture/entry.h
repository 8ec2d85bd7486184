// What capture knows about a relation, kept per backend; private to this folder.
#pragma once

#include "core/bytes.h"
#include "pg/key_bytes.h"
#include "pg/pg.h"

namespace tviews::capture {

// Captured is the text at this path of a jsonb column.
struct JsonPath {
  Datum* steps;  // null: none, the column itself is captured
  int count;
};

struct Point {
  core::PointId id;
  Oid relation;  // whose point it is: the relation itself or an ancestor
  bool nulls;    // values with NULLs are captured too
  int column_count;
  AttrNumber* columns;  // of the changed relation
  pg::KeyType* types;   // of what is captured
  JsonPath* paths;      // parallel; null: none of the columns has one
  int used_count;  // -1: every column matters
  AttrNumber* used;
};

// Valid while no relcache invalidation touches the relation or an ancestor; memory is freed only by the next FindEntry.
struct Entry {
  Oid relation;  // the hash key; must be first
  bool valid;
  bool invalidated;  // since filling began
  bool is_ancestor;  // of some relation with an entry
  MemoryContext context;
  AttrNumber max_column;  // the last column that any point looks at
  int ancestor_count;
  Oid* ancestors;
  int point_count;
  Point* points;
};

// The entry of a relation that the caller has locked: from this backend, from the shared graph cache, or from the catalog.
// Stays readable until the next call for the same relation.  Ereports.
const Entry* FindEntry(Relation relation);

}  // namespace tviews::capture
