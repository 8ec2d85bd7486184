// Rows of the extension's own tables, which logical decoding does not see: a publication FOR ALL TABLES does not carry them.
#pragma once

#include "pg/pg.h"

namespace tviews::pg {

// As CatalogTupleInsert, CatalogTupleUpdate and CatalogTupleDelete.
void InsertOwnRow(Relation relation, HeapTuple row);
void UpdateOwnRow(Relation relation, ItemPointer place, HeapTuple row);
void DeleteOwnRow(Relation relation, ItemPointer place);

}  // namespace tviews::pg
