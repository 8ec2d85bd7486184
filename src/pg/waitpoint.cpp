// Waitpoints: a process stops while another session holds the advisory lock that stands for the name.
#include "pg/waitpoint.h"

#include "pg/pg.h"
#include "pg/settings.h"

namespace tviews::pg {
namespace {

constexpr uint32 kWaitpointClass = 0x74766965;  // the first key of the two-key advisory lock

LOCKTAG WaitpointTag(const char* name, size_t length) {
  LOCKTAG tag;
  const uint32 hash = hash_bytes(reinterpret_cast<const unsigned char*>(name), static_cast<int>(length));
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, kWaitpointClass, hash, 2);
  return tag;
}

}  // namespace

void Waitpoint(const char* name) {
  if (!debug_waitpoints || !OidIsValid(MyDatabaseId)) {
    return;
  }
  const bool own_transaction = TopTransactionContext == nullptr;  // at a commit there is still one
  if (own_transaction) {
    StartTransactionCommand();
  }
  // A lock_timeout of the stopped session is not meant for this wait.
  const int nest_level = NewGUCNestLevel();
  (void)set_config_option("lock_timeout", "0", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
  const LOCKTAG tag = WaitpointTag(name, strlen(name));
  (void)LockAcquire(&tag, ShareLock, true, false);
  LockRelease(&tag, ShareLock, true);
  AtEOXact_GUC(true, nest_level);
  if (own_transaction) {
    CommitTransactionCommand();
  }
}

}  // namespace tviews::pg

extern "C" {

PG_FUNCTION_INFO_V1(pg_tviews_debug_hold);
PG_FUNCTION_INFO_V1(pg_tviews_debug_release);

Datum pg_tviews_debug_hold(PG_FUNCTION_ARGS) {
  const text* name = PG_GETARG_TEXT_PP(0);
  const LOCKTAG tag = tviews::pg::WaitpointTag(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
  (void)LockAcquire(&tag, ExclusiveLock, true, false);
  PG_RETURN_VOID();
}

Datum pg_tviews_debug_release(PG_FUNCTION_ARGS) {
  const text* name = PG_GETARG_TEXT_PP(0);
  const LOCKTAG tag = tviews::pg::WaitpointTag(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
  PG_RETURN_BOOL(LockRelease(&tag, ExclusiveLock, true));
}
}
