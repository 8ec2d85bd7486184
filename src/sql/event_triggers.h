// Users' event triggers that fire on commands of our own.
#pragma once

namespace tviews::sql {

// Called once from _PG_init: an event trigger that fires while pg_tviews runs a command for a user (CREATE VIEW v_x, CREATE TABLE tv_x ...) finds that
// user's search_path, as it would on his own command, not the one that the command is run with.
void InstallEventTriggerHook();

}  // namespace tviews::sql
