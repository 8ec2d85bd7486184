// Keys as users read and write them: the text of the column; of several, a JSON array of their texts.
#pragma once

#include "catalog/graph.h"
#include "pg/pg.h"

namespace tviews::refresh {

char* KeyText(const catalog::Tview* tview, core::ByteSpan key);

// The other way, for columns of these types.  Numbers and booleans of the array need no quotes.  Ereports invalid_parameter_value
// (22023), and what the types' input functions raise.
core::ByteSpan KeyFromText(const char* text, const pg::KeyType* types, int count);

}  // namespace tviews::refresh
