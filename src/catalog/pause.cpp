// Pausing and resuming a TVIEW.
#include "catalog/pause.h"

#include "catalog/internal_sql.h"
#include "catalog/register.h"
#include "catalog/registration.h"
#include "catalog/triggers.h"

namespace tviews::catalog {

PauseChange PauseTview(Oid table) {
  Registered row;
  const char* name = get_rel_name(table);  // now: the table may be dropped meanwhile
  if (name == nullptr || !ReadRegistered(table, &row)) {
    return PauseChange::kGone;
  }
  if (row.state == State::kPaused) {
    return PauseChange::kAlready;
  }
  const SqlContext context = EnterSql(ExtensionOwner());
  RunSql("UPDATE %s.pg_tview_catalog SET state = 'p' WHERE tview = $1", {OidArgument(table)});
  // Nobody waits for what is paused; an error stays to be seen.
  RunSql(
      "UPDATE %s.pg_tview_deferred SET next_attempt = 'infinity', reason = CASE reason WHEN 'failed' THEN reason ELSE 'paused' END WHERE tview = $1",
      {OidArgument(table)});
  LeaveSql(context);
  GraphChanged();
  Audit("PAUSE", EntityOf(name), "{}");
  return PauseChange::kDone;
}

PauseChange ResumeTview(Oid table) {
  Registered row;
  const char* name = get_rel_name(table);  // now: the table may be dropped meanwhile
  if (name == nullptr || !ReadRegistered(table, &row)) {
    return PauseChange::kGone;
  }
  if (row.state != State::kPaused) {
    return PauseChange::kAlready;
  }
  const SqlContext context = EnterSql(ExtensionOwner());
  RunSql(
      "UPDATE %s.pg_tview_catalog c SET state = COALESCE((SELECT CASE d.reason WHEN 'failed' THEN 'd' ELSE 'r' END FROM %s.pg_tview_deferred d "
      "WHERE d.tview = $1 AND d.key IS NULL), $2) WHERE c.tview = $1",
      {OidArgument(table), TextArgument(IsCaptureOff(table) ? "d" : "f")});
  const uint64 missed = RunSql(
      "UPDATE %s.pg_tview_deferred SET next_attempt = pg_catalog.clock_timestamp(), reason = CASE reason WHEN 'paused' THEN 'backlog' ELSE reason END "
      "WHERE tview = $1",
      {OidArgument(table)});
  LeaveSql(context);
  GraphChanged();
  Audit("RESUME", EntityOf(name), psprintf("{\"deferred_rows\": " UINT64_FORMAT "}", missed));
  return PauseChange::kDone;
}

}  // namespace tviews::catalog
