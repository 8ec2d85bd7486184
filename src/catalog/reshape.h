// The columns of a TVIEW's table brought in line with those of its view.
#pragma once

#include "pg/pg.h"

namespace tviews::catalog {

struct Column {
  const char* name;
  Oid type;
  int32 typmod;
  Oid collation;
};

struct Columns {
  int count;
  Column* items;
};

// Of a view or table, dropped ones left out; of an analysed query, as a view of it would have them.
Columns ColumnsOf(Oid relation);
Columns ColumnsOfQuery(const Query* query);
const Column* FindColumn(const Columns& columns, const char* name);

// What a table lacks and has too much.
struct Reshaping {
  List* added;    // of Column*
  List* retyped;  // of Column*, with the new type
  List* taken;    // names: the user's columns that become the view's
  List* dropped;  // names
  List* released; // names: they stay, as the user's
};

// `owned`: the columns that the view had; `after`: those it will have; `retype`: their types may be others.  An adopted table keeps its
// columns and their types.  Ereports 42804 when a type cannot become another, or a column of the user's is in the way.
Reshaping PlanReshaping(Oid table, bool adopted, ArrayType* owned, bool retype, const Columns& after);

bool NeedsAlter(const Reshaping& reshaping);

// Alters the table as its owner.  Ereports 2BP01 when something of the user's uses a column that is to go.
void Reshape(Oid table, const Reshaping& reshaping);

}  // namespace tviews::catalog
