// What this transaction changed, and how it reaches the journal and the ring.
#include "capture/transaction_set.h"

#include "capture/journal.h"
#include "core/dirty_set.h"
#include "pg/extension.h"
#include "pg/settings.h"
#include "pg/waitpoint.h"
#include "shmem/database.h"
#include "shmem/graph_cache.h"

namespace tviews::capture {
namespace {

// A transaction of more rows than this spares the ring the payloads: the worker reads them from the journal.
constexpr int kRowsWithPayload = 4;
// A set that grew beyond this many keys gives its memory back at the end of the transaction.
constexpr size_t kKeysWorthKeeping = 4096;
// The worker applies what its own writes captured within the batch; it keeps more before it falls back on the journal.
constexpr size_t kWorkerFactor = 16;
// How many times the limit the keys of enclosing levels may reach.
constexpr size_t kReleasedFactor = 16;
// Keys may be long: what they take counts as well.
constexpr size_t kBytesLimit = 16 * 1024 * 1024;

// Of the current transaction; Reset at its end.
core::DirtySet* set = nullptr;
core::PointId left_out = 0;
bool set_was_large = false;
bool published = false;      // PRE_COMMIT has passed: what comes now is written at once
bool rows_unpushed = false;  // rows in the journal that the ring does not know
bool rows_pushed = false;
bool wake = false;
bool committed_prepared = false;

bool last_commit_captured = false;  // outlives Reset: asked for until the commit has released everything

unsigned char payload_buffer[core::kMaxPayload];

void Reset() {
  if (set != nullptr && (set_was_large || core::KeysInSet(set) > kKeysWorthKeeping)) {
    core::DeleteDirtySet(set);
    set = nullptr;
  } else if (set != nullptr) {
    core::ClearDirtySet(set);
  }
  set_was_large = published = rows_unpushed = rows_pushed = wake = committed_prepared = false;
  shmem::EndBypassOfGraphCache();
}

uint64 TopXid() { return U64FromFullTransactionId(GetTopFullTransactionId()); }

// Takes what fits in one row out of the set; level 0: of every level.  NoteKey admits only keys that fit in a row.
core::ByteSpan TakeRow(int level) { return {payload_buffer, core::TakeKeys(set, level, payload_buffer, sizeof(payload_buffer))}; }

// Writes the keys of exactly this level.  The rows carry this subtransaction's xid and vanish with it; keys of enclosing levels
// would vanish too, so they stay in the set.
void FlushLevel(int level) {
  const uint64 xid = TopXid();
  for (core::ByteSpan payload = TakeRow(level); payload.size > 0; payload = TakeRow(level)) {
    (void)WriteJournal(xid, payload);
    rows_unpushed = true;
  }
  set_was_large = true;
}

bool IsTooMany(int level) {
  const size_t limit = static_cast<size_t>(pg::debug_transaction_keys);
  const size_t keys = core::KeysInSet(set);
  const size_t bytes = core::BytesInSet(set);
  if (keys <= limit && bytes <= kBytesLimit) {
    return false;
  }
  // Keys that subtransactions handed to their parent cannot be written from a deeper one; where those make the number, a row for
  // each single key would be no help.
  if (bytes <= kBytesLimit && keys <= limit * kReleasedFactor && core::KeysAtLevel(set, level) <= limit / 64) {
    return false;
  }
  const shmem::Database* database = shmem::MyDatabaseSlot();
  const bool in_worker = database != nullptr && database->worker_pid == MyProcPid;
  return !in_worker || keys > limit * kWorkerFactor || bytes > kBytesLimit * kWorkerFactor;
}

void PushRow(uint64 xid, core::JournalAddress address, core::ByteSpan payload, bool with_payload) {
  // Asked for after the row was written: a worker that appears later than this look scans the journal and finds the row.
  shmem::Database* database = shmem::MyDatabaseSlot();
  if (database == nullptr) {
    return;
  }
  core::RingRecord record = {};
  record.xid = xid;
  record.pushed_at = GetCurrentTimestamp();
  record.address = address;
  record.payload_size = with_payload ? static_cast<uint32_t>(payload.size) : 0;
  shmem::PushToRing(database, record, with_payload ? payload.data : nullptr);
}

void Publish() {
  const bool any_keys = set != nullptr && core::KeysInSet(set) > 0;
  if (!any_keys && !rows_unpushed) {
    return;
  }
  if (!OidIsValid(pg::ExtensionOid())) {
    if (any_keys) {
      core::ClearDirtySet(set);  // dropped in this transaction
    }
    rows_unpushed = false;
    return;
  }
  pg::Waitpoint("before_publish");
  set_was_large = set_was_large || (any_keys && core::KeysInSet(set) > kKeysWorthKeeping);
  if (any_keys) {
    const uint64 xid = TopXid();
    int rows = 0;
    for (core::ByteSpan payload = TakeRow(0); payload.size > 0; payload = TakeRow(0)) {
      const core::JournalAddress address = WriteJournal(xid, payload);
      pg::Waitpoint("after_journal_row");
      PushRow(xid, address, payload, ++rows <= kRowsWithPayload);
    }
    rows_pushed = true;
  }
  shmem::Database* database = shmem::MyDatabaseSlot();
  if (rows_unpushed && database != nullptr) {
    pg_atomic_write_u32(&database->scan_needed, 1);
  }
  last_commit_captured = true;
  pg::Waitpoint("after_publish");
}

// The transaction is over for others; must not raise.
void WakeIfNeeded() {
  shmem::Database* database = shmem::MyDatabaseSlot();
  if (database == nullptr || (pg_atomic_read_u32(&database->resting) != 0 && !wake)) {
    return;  // a worker that stops resting drains after it says so, and sees what committed before
  }
  // Its own commits end no transaction that the worker waits for; waking itself would keep it busy.
  const bool others_wait = database->worker_pid != MyProcPid && pg_atomic_read_u32(&database->waiting_records) > 0;
  if (rows_pushed || rows_unpushed || wake || others_wait) {
    shmem::WakeWorker(database);
  }
}

// Interrupts are held here: only a kill ends this wait.
void WaitAfterCommit() {
  if (rows_pushed || rows_unpushed) {
    pg::Waitpoint("after_commit");
  }
}

void PublishAsTopLevel() {
  ResourceOwner old = CurrentResourceOwner;
  CurrentResourceOwner = TopTransactionResourceOwner;
  last_commit_captured = committed_prepared;
  MemoryContext old_context = MemoryContextSwitchTo(TopTransactionContext);
  Publish();
  MemoryContextSwitchTo(old_context);
  CurrentResourceOwner = old;
  published = true;
}

void OnTransaction(XactEvent event, void*) {
  switch (event) {
    case XACT_EVENT_PRE_COMMIT:
    case XACT_EVENT_PRE_PREPARE:
      PublishAsTopLevel();
      break;
    case XACT_EVENT_COMMIT:
    case XACT_EVENT_PREPARE:
      WaitAfterCommit();
      WakeIfNeeded();
      Reset();
      break;
    case XACT_EVENT_ABORT:
      Reset();
      break;
    default:
      break;  // parallel workers write nothing
  }
}

void OnSubTransaction(SubXactEvent event, SubTransactionId, SubTransactionId, void*) {
  if (set == nullptr) {
    return;
  }
  const int level = GetCurrentTransactionNestLevel();
  if (event == SUBXACT_EVENT_COMMIT_SUB) {
    core::ReleaseLevel(set, level);
  } else if (event == SUBXACT_EVENT_ABORT_SUB) {
    core::RollbackLevel(set, level);
  }
}

}  // namespace

void InstallTransactionCallbacks() {
  RegisterXactCallback(OnTransaction, nullptr);
  RegisterSubXactCallback(OnSubTransaction, nullptr);
}

void LeaveOutPoint(core::PointId point) { left_out = point; }

void NoteKey(core::DirtyKey key) {
  if (key.point == left_out && left_out != 0) {
    return;
  }
  if (core::DirtyKeySize(key) > core::kMaxPayload) {
    elog(ERROR, "a captured key of %zu bytes does not fit into the journal", key.value.size);
  }
  if (set == nullptr) {
    set = core::NewDirtySet();
  }
  const int level = GetCurrentTransactionNestLevel();
  if (set == nullptr || core::AddDirtyKey(set, level, key) != core::Outcome::kOk) {
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"), errdetail("Failed on noting a changed key.")));
  }
  if (published) {
    Publish();  // another library writes in its PRE_COMMIT, after ours
  } else if (IsTooMany(level)) {
    FlushLevel(level);
  }
}

void NoteWholeRelation(Oid relation) {
  unsigned char value[sizeof(Oid) + 10];
  const size_t size = core::PutField(value, reinterpret_cast<const unsigned char*>(&relation), sizeof(relation));
  NoteKey({core::kWholeRelation, {value, size}});
}

bool CapturedAnything() {
  if (!IsTransactionState()) {
    return last_commit_captured;
  }
  return rows_pushed || rows_unpushed || (set != nullptr && core::KeysInSet(set) > 0);
}

core::ByteSpan TakeCaptured() {
  StringInfoData taken;
  initStringInfo(&taken);
  if (set != nullptr) {
    for (core::ByteSpan payload = TakeRow(0); payload.size > 0; payload = TakeRow(0)) {
      appendBinaryStringInfo(&taken, reinterpret_cast<const char*>(payload.data), static_cast<int>(payload.size));
    }
  }
  return {reinterpret_cast<const unsigned char*>(taken.data), static_cast<size_t>(taken.len)};
}

void NoteCommitPrepared() { wake = committed_prepared = true; }

void WakeAtCommit() { wake = true; }

}  // namespace tviews::capture
