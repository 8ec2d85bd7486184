// What the launcher knows of a process that it keeps running: its handle, and when to try again.
#pragma once

#include "pg/pg.h"

namespace tviews::bgw {

struct Managed {
  Oid database;
  BackgroundWorkerHandle* handle;  // nullptr: no process that this launcher started is running
  int failures;
  int refusals;  // of the second process: how often in a row it was asked to give way
  TimestampTz started_at, next_attempt;
};

// Has `function` of the library started for the database; `type` is what pg_stat_activity calls it.  False, with a later attempt set: no
// worker slot is free.
bool Launch(Managed* process, const char* type, const char* function, TimestampTz now);

// The process has stopped.  `asked`: it may start again at once; otherwise it crashed, and comes back later each time.
void NoteExit(Managed* process, bool asked, TimestampTz now);

}  // namespace tviews::bgw
