// Running as a TVIEW's owner: security-restricted, with the settings that were pinned when the TVIEW was made.
#include "pg/owner_context.h"

namespace tviews::pg {

namespace {

constexpr int kOwnersCode = SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS;

// What the text and the result of a query can depend on.
const char* const kPinned[] = {"search_path",  "TimeZone",    "DateStyle",  "IntervalStyle", "extra_float_digits",
                               "bytea_output", "lc_monetary", "lc_numeric", "lc_time",       "default_text_search_config",
                               "xmlbinary",    "xmloption",   "array_nulls"};

const char* const kNeverPinned[] = {"role", "session_authorization", "session_replication_role", "row_security", "client_encoding", "exit_on_error", "seed"};

bool IsSearchPath(const char* name) { return pg_strcasecmp(name, "search_path") == 0; }

// pg_temp last: otherwise a temporary table would stand before the owner's own.
const char* SafeSearchPath(const char* value) {
  if (strstr(value, "pg_temp") != nullptr) {
    return value;
  }
  bool blank = true;
  for (const char* c = value; *c != '\0'; ++c) {
    blank = blank && (*c == ' ' || *c == '\t');
  }
  return blank ? "pg_temp" : psprintf("%s, pg_temp", value);
}

void Pin(const char* name, const char* value) {
  if (IsSearchPath(name)) {
    value = SafeSearchPath(value);
  }
  const char* now = GetConfigOption(name, true, false);
  if (now != nullptr && strcmp(now, value) == 0) {
    return;
  }
  // Never more than any user may set: the values come from the TVIEW's creator, and the worker is a superuser.
  (void)set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

}  // namespace

OwnerContext EnterOwner(Oid owner, ArrayType* settings) {
  OwnerContext context;
  if (MyBackendType == B_BG_WORKER) {
    ConstraintsSetStmt* immediate = makeNode(ConstraintsSetStmt);
    immediate->deferred = false;
    AfterTriggerSetState(immediate);
  }
  GetUserIdAndSecContext(&context.saved_user, &context.saved_security);
  // FORCE ROW LEVEL SECURITY on the TVIEW's own table must not hide its rows from the refresh.
  SetUserIdAndSecContext(owner, context.saved_security | kOwnersCode);
  context.guc_level = NewGUCNestLevel();

  Pin("row_security", "off");  // a policy that would hide rows is an error, not an empty TVIEW
  bool path_pinned = false;
  if (settings != nullptr && ARR_NDIM(settings) == 1) {
    Datum* items;
    bool* nulls;
    int count;
    deconstruct_array(settings, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, &count);
    for (int i = 0; i + 1 < count; i += 2) {
      if (nulls[i] || nulls[i + 1]) {
        continue;
      }
      const char* name = TextDatumGetCString(items[i]);
      path_pinned = path_pinned || IsSearchPath(name);
      Pin(name, TextDatumGetCString(items[i + 1]));
    }
  }
  if (!path_pinned) {
    Pin("search_path", "pg_catalog, pg_temp");
  }
  return context;
}

void LeaveOwner(const OwnerContext& context) {
  AtEOXact_GUC(false, context.guc_level);
  SetUserIdAndSecContext(context.saved_user, context.saved_security);
}

bool IsForeignSession() {
  Oid user;
  int security;
  GetUserIdAndSecContext(&user, &security);
  // Nothing in the server sets all of them; they stay set in whatever the owner's code calls, and an abort restores them.
  return (security & kOwnersCode) == kOwnersCode && MyBackendType == B_BACKEND && user != GetSessionUserId();
}

Oid OwnerOf(Oid relation) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) {
    elog(ERROR, "cache lookup failed for relation %u", relation);
  }
  const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
  ReleaseSysCache(tuple);
  return owner;
}

bool MayReadAllRows(Oid relation) {
  return pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) == ACLCHECK_OK && check_enable_rls(relation, InvalidOid, true) != RLS_ENABLED;
}

bool MayBePinned(const char* setting) {
  for (const char* name : kNeverPinned) {
    if (pg_strcasecmp(setting, name) == 0) {
      return false;
    }
  }
  const size_t length = strlen(setting);
  return pg_strncasecmp(setting, "transaction_", 12) != 0 && pg_strncasecmp(setting, "pg_tviews.", 10) != 0 &&
         (length < 8 || pg_strcasecmp(setting + length - 8, "_timeout") != 0);
}

void PreferCatalog() { Pin("search_path", psprintf("pg_catalog, %s", GetConfigOption("search_path", false, false))); }

ArrayType* CurrentPinnedSettings() {
  Datum items[2 * lengthof(kPinned)];
  for (size_t i = 0; i < lengthof(kPinned); ++i) {
    items[2 * i] = CStringGetTextDatum(kPinned[i]);
    items[2 * i + 1] = CStringGetTextDatum(GetConfigOption(kPinned[i], false, false));
  }
  return construct_array(items, lengthof(items), TEXTOID, -1, false, TYPALIGN_INT);
}

}  // namespace tviews::pg
