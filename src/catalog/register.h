// The catalog rows of a TVIEW: lineage to rows, levels, reconciliation.
#pragma once

#include "catalog/registration.h"
#include "lineage/lineage.h"
#include "pg/pg.h"

namespace tviews::catalog {

// Locks every relation that `view` reads, and the partitions and children, in OID order, then the objects of the TVIEWs among
// them; `also` (may be InvalidOid) with them, as one.  `mode`: SHARE ROW EXCLUSIVE where what is captured may change; SHARE UPDATE EXCLUSIVE lets writers go on.  Checks SELECT
// and TRIGGER for `user` (InvalidOid: no check).  Returns the relations read.  Ereports.
List* LockRelationsRead(Oid view, Oid user, LOCKMODE mode, Oid also = InvalidOid);

// Ereports 42501 unless `user` has SELECT and TRIGGER on all of them.
void CheckRights(const List* relations, Oid user);

// Takes the object lock of a TVIEW to the end of the transaction.
void LockTview(Oid table);
// The same for several; sorts them.
void LockTviews(List* tables);

// What the catalog keeps of a TVIEW.
struct Registration {
  Oid table, view;
  bool adopted;    // the table was there before: pg_tviews_drop leaves it
  bool owns_view;
  const char* entity;
  const char* const* key;
  int key_count;
  ArrayType* columns;  // owned, in the view's order
  const Options* options;
  State state;
};

// What the catalog says of a registered TVIEW.
struct Registered {
  Oid view;
  bool owns_view;
  bool adopted;
  int key_count;
  char** key;
  ArrayType* columns;
  ArrayType* settings;
  const char* definition;
  Datum options;  // jsonb
  State state;
  bool unkeyed_full, clock_allowed;
};

// False when the table is no TVIEW (any more).
bool ReadRegistered(Oid table, Registered* registered);

// While a TVIEW is redefined, DDL on its view and table is nobody else's business: RegisterAgain and DeriveAgain pass it over.
void SetBeingReplaced(Oid table);
bool IsBeingReplaced(Oid table);

// Is the relation, a partition or a child of it unlogged?
bool HasUnlogged(Oid relation);

// The names of a view's columns.
ArrayType* ViewColumns(Oid view);

// Writes the row of a new TVIEW, its triggers, its lineage and its dependency on the view.
void Register(const Registration& registration, const List* relations, const lineage::Lineage& lineage);

// Makes or updates the triggers of the TVIEW's own table from its catalog row.
void CarryDefinition(Oid table);

// The definition in the arguments of a row trigger.
struct Carried {
  const char *view, *key, *options;
  bool owns_view, adopted;
};

// False when no trigger of `table` carries one.
bool ReadCarried(Oid table, Carried* carried);

// What this definition names and the database has not, as a sentence; null: all is there.
const char* MissingFor(Oid table, const Carried& carried);

// Registers a table that came back from a dump; the worker reconciles it.  Returns MissingFor and does nothing when something is
// missing.  Ereports as CreateTview; 42501 for others than the table's owner.  REQUIRES: it is no TVIEW.
const char* RegisterRestored(Oid table, const Carried& carried);

// TVIEWs that lost what PostgreSQL knows of them (pg_upgrade brings the tables over, not the dependencies) are derived again; the
// worker calls it at its start.  One that cannot be derived is compared as a whole and logged.  Ereports for locks it cannot have.
void RegisterUpgraded();

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
