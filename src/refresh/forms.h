// The text of the statements that recompute a TVIEW's rows.
#pragma once

#include "refresh/refresh.h"

namespace tviews::refresh {

// SELECT of the owned columns, in their order, cast to the table's types where the view's differ.  kSet and kEach take $1 .. $n,
// the key columns by pg::ParameterType.  In the current memory context.  `by_column`: kSet of a key of several columns asks first for
// each column by itself, which the planner can push below GROUP BY.
char* FormText(const catalog::Tview* tview, Form form, bool by_column = false);

// SELECT of the key columns alone, each key of view or table once.
// Has the view a row without a key?
char* NullKeyText(const catalog::Tview* tview);
char* AllKeysText(const catalog::Tview* tview);

// The keys of at most `limit` stored rows, any of them.
char* StoredKeysText(const catalog::Tview* tview, int64 limit);

// A random sample of at most `rows` keys of the table and as many of the view.
char* SampleKeysText(const catalog::Tview* tview, int64 rows);

// "OPERATOR(schema.=)": the equality of a type, whatever the search path holds.  Ereports when it has none.
char* EqualityText(const pg::KeyType& type);

// "schema.name" of a relation, quoted.  Ereports when it is gone.
char* RelationText(Oid relation);

}  // namespace tviews::refresh
