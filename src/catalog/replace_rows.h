// The rows of a TVIEW that is redefined: matched with those of the new definition, brought up to date by difference.
#pragma once

#include "catalog/building.h"
#include "catalog/reshape.h"
#include "catalog/register.h"
#include "pg/pg.h"

namespace tviews::catalog {

// Which rows of the table are which rows of the new definition.
enum class RowMatch {
  kByKey,     // the key stays
  kByOldKey,  // the new definition is unique by the old key too
  kNone,      // all rows go, others come
};

// REQUIRES: the new view is there, the table as it was.  Ereports 0A000 when nothing matches and the table has columns of the user's.
RowMatch MatchRows(const Building& building, const Registered& before, const Reshaping& reshaping);

// kNone: empties the table, and takes the old key off.
void ClearForNewKey(const Building& building, const Registered& before);

// Drops the primary key over the old key, if pg_tviews made it, and lets NULLs into what is no key any more.  Ereports 2BP01 when a
// foreign key refers to it.
void DropOldKey(const Building& building, const Registered& before);

// What was deferred is of the old definition, and comes to nothing when all rows are compared.
void ForgetDeferredRows(Oid table);

}  // namespace tviews::catalog
