// Users' event triggers that fire on commands of our own: they run with the user's search_path.
#include "sql/event_triggers.h"

#include "catalog/internal_sql.h"
#include "pg/pg.h"

namespace tviews::sql {
namespace {

needs_fmgr_hook_type previous_needs;
fmgr_hook_type previous_hook;

// What the hook keeps for one call of a function.
struct Call {
  int guc_level;  // 0: not ours
  Datum previous;
};

// An event trigger without a SET clause, called while our own SQL runs for the user.
bool IsOurs(Oid function) {
  if (catalog::CallersSearchPath() == nullptr || get_func_rettype(function) != EVENT_TRIGGEROID) {
    return false;
  }
  HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
  const bool plain = HeapTupleIsValid(tuple) && heap_attisnull(tuple, Anum_pg_proc_proconfig, nullptr);
  if (HeapTupleIsValid(tuple)) {
    ReleaseSysCache(tuple);
  }
  return plain;
}

bool NeedsHook(Oid function) { return IsOurs(function) || (previous_needs != nullptr && previous_needs(function)); }

void OnCall(FmgrHookEventType event, FmgrInfo* info, Datum* argument) {
  Call* call = reinterpret_cast<Call*>(DatumGetPointer(*argument));
  if (call == nullptr) {
    call = static_cast<Call*>(MemoryContextAllocZero(info->fn_mcxt, sizeof(Call)));
    *argument = PointerGetDatum(call);
  }
  if (event == FHET_START) {
    call->guc_level = IsOurs(info->fn_oid) ? NewGUCNestLevel() : 0;
    if (call->guc_level != 0) {
      catalog::RestoreCallersSearchPath();
    }
  } else if (event == FHET_END && call->guc_level != 0) {
    AtEOXact_GUC(true, call->guc_level);  // after an error the end of the (sub)transaction does it
  }
  if (previous_hook != nullptr) {
    previous_hook(event, info, &call->previous);
  }
}

}  // namespace

void InstallEventTriggerHook() {
  previous_needs = needs_fmgr_hook;
  needs_fmgr_hook = NeedsHook;
  previous_hook = fmgr_hook;
  fmgr_hook = OnCall;
}

}  // namespace tviews::sql
