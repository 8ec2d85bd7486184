// The redefinition of a TVIEW before it begins: what it has to change, and the locks for that.
#pragma once

#include "catalog/register.h"
#include "catalog/registration.h"
#include "catalog/replace_view.h"
#include "catalog/reshape.h"
#include "pg/pg.h"

namespace tviews::catalog {

struct Replacing {
  Oid table;
  Query* query;  // analysed
  const NewTview* definition;
  // What is, and what follows from it; planned again when the locks are held.
  Registered before;
  Columns after;
  ViewStep view_step;
  Reshaping reshaping;
};

// Fills what follows from table, query and definition, with all locks held: relations as one set, then TVIEW objects.  The plan may
// change until then.  Ereports 42501, 42P01, 42P17 and as PlanReshaping.
void PlanAndLock(Replacing* self);

// Does the call name the option?  What describes the table stays as it is if not.
bool GivesOption(const Options& options, const char* name);

// Does the option "unlogged" ask for another storage?
bool ChangesPersistence(Oid table, const Options& options);

}  // namespace tviews::catalog
