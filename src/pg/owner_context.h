// Running as a TVIEW's owner: security-restricted, with the settings that were pinned when the TVIEW was made.
#pragma once

#include "pg/pg.h"

namespace tviews::pg {

// What LeaveOwner needs.  Trivially destructible: on error the (sub)transaction's abort restores user and settings.
struct OwnerContext {
  Oid saved_user;
  int saved_security;
  int guc_level;
};

// `settings`: text[] of name, value, name, value ... (pg_tview.settings); may be null.  search_path of the pinned settings
// gets pg_temp appended.  Also `SET CONSTRAINTS ALL IMMEDIATE` when deferred triggers are queued.  Ereports.
OwnerContext EnterOwner(Oid owner, ArrayType* settings);
void LeaveOwner(const OwnerContext& context);

// Does code of a TVIEW's owner run in the session of somebody else?
bool IsForeignSession();

// The owner of a relation.  Ereports when it is gone.
Oid OwnerOf(Oid relation);

// May the current user read every row of the relation: has he SELECT, and does no policy hide rows from him?  Ereports.
bool MayReadAllRows(Oid relation);

// Settings that change who runs something, how long, or in what transaction: a TVIEW pins none of them.
bool MayBePinned(const char* setting);

// Until LeaveOwner, names mean what is in pg_catalog first, for SQL that we word: a user's function or operator of the same name must
// not be taken.  The pinned search path stands behind it, for the bodies of functions that are called.  Ereports.
void PreferCatalog();

// The settings to pin, with their values in this session: text[] as above.
ArrayType* CurrentPinnedSettings();

}  // namespace tviews::pg
