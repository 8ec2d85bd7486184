// The worker's prepared statements: least recently used, found by TVIEW, text and kind of plan.
#pragma once

#include "pg/pg.h"

namespace tviews::refresh {

// Parameter values with their types; all arrays of `count`.
struct Arguments {
  int count;
  Oid* types;
  Datum* values;
};

// Generic plans for few keys (no planning), custom ones above (generic was up to 3.8 x slower at 2,000 keys).
enum class PlanKind : uint8 { kGeneric, kCustom };

struct Statement;

// Finds or prepares `text` for `tview`.  Valid until the next call.  Requires: SPI connected, owner entered.  Ereports.
Statement* GetStatement(Oid tview, const char* text, const Arguments& arguments, PlanKind kind);

// False once something the statement depends on has changed since it was last planned.
bool StatementIsValid(const Statement* statement);

// Plans with the given arguments and returns the total cost.
double StatementCost(Statement* statement, const Arguments& arguments);

// Runs it read-only on the active snapshot, every row into `dest`.
void RunStatement(Statement* statement, const Arguments& arguments, DestReceiver* dest);

// Shows the counters in pg_tviews_cache_stats.
void PublishStatements();

}  // namespace tviews::refresh
