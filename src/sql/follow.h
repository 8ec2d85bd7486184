// TVIEWs that follow what became of the names they use; what nobody can follow, the text of an SQL function, degrades them.
#pragma once

#include "pg/pg.h"

namespace tviews::sql {

// The TVIEWs are derived again and compared as a whole; with `names_only` they are derived again, for only names moved.  Where the text of an SQL
// function names what is not there under that name, the TVIEW is degraded, with a WARNING, until the function is replaced or the name is back.
void FollowAll(const List* tviews, bool names_only);

// The relation's, its partitions' and its children's column has another name.
void RenameInPoints(Oid relation, const char* old_name, const char* new_name);

}  // namespace tviews::sql
