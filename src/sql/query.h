// From a SELECT, as text or as an analysed tree, to the definition of a TVIEW.
#pragma once

#include "catalog/registration.h"
#include "pg/pg.h"

namespace tviews::sql {

// Parses and analyses one SELECT under the session's search_path.  Ereports: syntax errors, anything but one SELECT, parameters.
Query* AnalyseSelect(const char* text);

// Does the query contain a bind parameter (or a variable of a function)?
bool HasParameters(Query* query);

// The view, when the query is exactly SELECT * FROM some_view; else InvalidOid.
Oid AdoptedView(const Query* query);

// The query with its columns in the order of `names` as far as they are there, others after them.
Query* KeepPlaces(Query* query, const List* names);

// Fills `query` or `view` of `definition`.  The text stands on its own: every name is qualified.  Ereports on parameters.
void DefineByQuery(Query* query, catalog::NewTview* definition);

}  // namespace tviews::sql
