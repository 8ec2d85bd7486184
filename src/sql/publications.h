// What publications of this database are seen to have by subscribers.
#pragma once

namespace tviews::sql {

// Called once from _PG_init: hides the extension's own tables from what a subscriber asks for the tables of a publication.  It needs to have each of
// them; a publication FOR ALL TABLES would name these.
void HideFromSubscribers();

}  // namespace tviews::sql
