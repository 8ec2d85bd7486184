// Places where a test can stop a process: it waits while somebody holds the advisory lock pg_tviews_debug_hold(name) took.
#pragma once

namespace tviews::pg {

// Waits while another session holds `name`.  Does nothing unless pg_tviews.debug_waitpoints is on.  Needs no transaction.
// Ereports on cancel.  Known names: see test/README.md.
void Waitpoint(const char* name);

}  // namespace tviews::pg
