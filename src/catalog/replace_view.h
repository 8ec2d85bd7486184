// The view of a TVIEW that is redefined: kept, exchanged, replaced in place or made anew.
#pragma once

#include "catalog/building.h"
#include "catalog/reshape.h"
#include "pg/pg.h"

namespace tviews::catalog {

enum class ViewStep {
  kKeep,      // the user's, and the same
  kExchange,  // another view of the user's
  kReplace,   // ours, and the new columns begin with the old ones: CREATE OR REPLACE VIEW
  kRemake,    // ours, with other columns: dropped and made, with its grants and comments
  kMake,      // it was the user's, now ours
};

// `view`: the present one.  `after`: the columns that the definition has.
ViewStep PlanView(Oid view, bool owns_view, const NewTview& definition, const Columns& after);

// Does it; fills view, owns_view and columns of `building`, whose table is set.  A view that is ours and not needed any more is dropped.
// Ereports 2BP01 when something of the user's needs the old view, 42P07 when the name of a new one is taken.
void ChangeView(Building* building, ViewStep step, Oid view, bool owns_view);

}  // namespace tviews::catalog
