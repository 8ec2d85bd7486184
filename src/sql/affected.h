// Which TVIEWs a change of an object concerns.
#pragma once

#include "pg/pg.h"

namespace tviews::sql {

List* AllTviews();

// TVIEWs that see `object`: through plain views, rules, SQL functions and ancestors; TVIEWs' own tables are a border.  Lowest level first.
// `whole_row`: only those that use a whole row of the relation.
List* TviewsOver(Oid object_class, Oid object, bool whole_row);

// The same for the relation with its partitions and children, which follow an ALTER TABLE of it.
List* TviewsOverTree(Oid relation, bool whole_row);

// A TVIEW that reads the column through an SQL function, or InvalidOid.
Oid TviewNaming(Oid relation, AttrNumber column);

// TVIEWs with a column of this type, or of a type made of it, in a relation they read or in their own table; TVIEWs whose view names
// the type.
List* TviewsOverType(Oid type);

}  // namespace tviews::sql
