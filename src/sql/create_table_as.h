// CREATE TABLE tv_x AS SELECT and SELECT INTO tv_x.
#pragma once

#include "pg/pg.h"

namespace tviews::sql {

// Creates a TVIEW and returns true, or returns false: the statement is to run as it is (a NOTICE says why when the name is that of
// a TVIEW).  Ereports: refusals; bind parameters.
bool CreateTviewAs(CreateTableAsStmt* statement, QueryCompletion* completion);

}  // namespace tviews::sql
