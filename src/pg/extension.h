// Where the extension lives in this database: its OID, its schema, its tables.  Cached, dropped by invalidation.
#pragma once

#include "pg/pg.h"

namespace tviews::pg {

// The extension's OID, InvalidOid when this database does not have it.  Needs a transaction.
Oid ExtensionOid();

// Its schema's name, quoted for use in SQL, in long-lived memory.  Ereports when the extension is missing.
const char* ExtensionSchema();
Oid ExtensionSchemaOid();

enum class Table { kTview, kRelation, kPoint, kMapping, kDeferred, kTimer, kAudit, kJournal0, kJournal1, kJournal2, kJournal3 };
inline constexpr int kJournalTables = 4;
inline constexpr int kOwnTables = static_cast<int>(Table::kJournal3) + 1;

// Is the extension here with its catalog tables, as this library knows them?  They may be gone already while DROP EXTENSION runs.  Never raises for want of them.
bool CatalogExists();

// The OID of one of the extension's own tables.  Ereports when it is missing, or made by a script of another version.
Oid TableOid(Table table);

}  // namespace tviews::pg
