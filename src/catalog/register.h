// The catalog rows of a TVIEW: lineage to rows, levels, reconciliation.
#pragma once

#include "catalog/registration.h"
#include "lineage/lineage.h"
#include "pg/pg.h"

namespace tviews::catalog {

// Locks every relation that `view` reads, and the partitions and children, in OID order, then the objects of the TVIEWs among
// them.  `mode`: SHARE ROW EXCLUSIVE where what is captured may change; SHARE UPDATE EXCLUSIVE lets writers go on.  Checks SELECT
// and TRIGGER for `user` (InvalidOid: no check).  Returns the relations read.  Ereports.
List* LockRelationsRead(Oid view, Oid user, LOCKMODE mode);

// Takes the object lock of a TVIEW to the end of the transaction.
void LockTview(Oid table);

// Replaces the lineage rows of `table` by `lineage`, ensures triggers, removes those not needed any more, invalidates.
void WriteLineage(Oid table, const lineage::Lineage& lineage, const char* const* key, int key_count, ArrayType* owned_columns);

// The relations that the catalog says `table` reads.
List* RelationsOf(Oid table);

// The level of a TVIEW that reads these relations.
int LevelFor(const List* relations);

// Computes the levels of all TVIEWs again.  Ereports 42P17 when they form a cycle.
void RecomputeLevels();

// Removes lineage rows of `table` and capture points that nothing uses any more.  REQUIRES: EnterSql as the extension's owner.
void DeleteLineageRows(Oid table);

// Appends to the audit log.
void Audit(const char* operation, const char* entity, const char* details_json);

}  // namespace tviews::catalog
