// pg_tviews_pause and pg_tviews_resume.
#include "catalog/graph.h"
#include "catalog/pause.h"
#include "catalog/register.h"
#include "pg/owner_context.h"
#include "pg/primary.h"
#include "shmem/segment.h"

namespace tviews::sql {
namespace {

using ChangeFunction = catalog::PauseChange (*)(Oid table);

bool IsOwner(Oid table) { return has_privs_of_role(GetUserId(), pg::OwnerOf(table)); }

List* OwnedTviews() {
  const catalog::Graph* graph = catalog::LoadGraph(GetLatestSnapshot());
  List* tables = NIL;
  for (int i = 0; i < graph->tview_count; ++i) {
    if (IsOwner(graph->tviews[i].table)) {
      tables = lappend_oid(tables, graph->tviews[i].table);
    }
  }
  list_sort(tables, list_oid_cmp);  // the order of everybody who locks TVIEWs
  return tables;
}

// One TVIEW, or all that the caller owns; returns how many changed.  A TVIEW that is so already is named if it was asked for.
int32 ChangeAll(FunctionCallInfo fcinfo, const char* function, const char* already, ChangeFunction change) {
  shmem::RequireAttached();
  pg::RequireWritable(function);
  const bool named = !PG_ARGISNULL(0);
  List* tables = NIL;
  if (named) {
    tables = list_make1_oid(catalog::ResolveTview(text_to_cstring(PG_GETARG_TEXT_PP(0))));
    if (!IsOwner(linitial_oid(tables))) {
      aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(linitial_oid(tables)));
    }
  } else {
    tables = OwnedTviews();
  }
  int32 changed = 0;
  ListCell* cell;
  catalog::LockTviews(tables);
  foreach (cell, tables) {
    const catalog::PauseChange result = change(lfirst_oid(cell));
    changed += result == catalog::PauseChange::kDone;
    if (named && result != catalog::PauseChange::kDone) {
      ereport(NOTICE, (errmsg("TVIEW \"%s\" is %s", get_rel_name(lfirst_oid(cell)), result == catalog::PauseChange::kGone ? "gone" : already)));
    }
  }
  if (!named && changed == 0) {
    ereport(NOTICE, (errmsg("no TVIEW of yours is left to be %s", change == catalog::PauseTview ? "paused" : "resumed")));
  }
  return changed;
}

}  // namespace
}  // namespace tviews::sql

extern "C" {

PG_FUNCTION_INFO_V1(pg_tviews_pause);
Datum pg_tviews_pause(PG_FUNCTION_ARGS) {
  using namespace tviews;
  PG_RETURN_INT32(sql::ChangeAll(fcinfo, "pg_tviews_pause()", "paused already", catalog::PauseTview));
}

PG_FUNCTION_INFO_V1(pg_tviews_resume);
Datum pg_tviews_resume(PG_FUNCTION_ARGS) {
  using namespace tviews;
  PG_RETURN_INT32(sql::ChangeAll(fcinfo, "pg_tviews_resume()", "not paused", catalog::ResumeTview));
}
}
