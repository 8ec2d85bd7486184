// One comparison of a whole TVIEW in the second process: locks, snapshot, compare and write, then the keys that came meanwhile.
//
// While its whole-TVIEW row says that it is detached no batch locks the TVIEW's first object lock, which this process holds all the
// time.  The second one is held for the end only: by then it is known which deferred rows the snapshot covers.
#include "bgw/long_process.h"

#include "bgw/batch.h"
#include "bgw/defer_notes.h"
#include "capture/transaction_set.h"
#include "catalog/registration.h"
#include "catalog/triggers.h"
#include "core/backoff.h"
#include "pg/extension.h"
#include "pg/waitpoint.h"
#include "refresh/deferred.h"
#include "refresh/detached.h"
#include "shmem/lwlock.h"

namespace tviews::bgw {
namespace {

constexpr int64 kFirstPauseMs = 500, kLongestPauseMs = 30000;

// When a TVIEW had its last turn in this process.
struct Turn {
  Oid tview;  // the hash key
  TimestampTz tried_at, not_before;
  int failures;
  char name[NAMEDATALEN];  // for messages
};
HTAB* turns;

Turn* TurnOf(Oid tview) {
  if (turns == nullptr) {
    HASHCTL control = {};
    control.keysize = sizeof(Oid);
    control.entrysize = sizeof(Turn);
    control.hcxt = TopMemoryContext;
    turns = hash_create("pg_tviews turns", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
  }
  bool found;
  Turn* turn = static_cast<Turn*>(hash_search(turns, &tview, HASH_ENTER, &found));
  if (!found) {
    *turn = {tview, 0, 0, 0, ""};
  }
  return turn;
}

void TakeSnapshot(Worker* worker) {
  const uint64 generation = pg_atomic_read_u64(&worker->slot->graph_generation);
  PushCopiedSnapshot(GetLatestSnapshot());
  worker->indexed.graph = nullptr;  // a batch that detaches a TVIEW changes its state only, not the graph
  EnsureGraph(worker, generation);
}

bool IsOurs(const catalog::Tview* tview) {
  return tview != nullptr && tview->state != catalog::State::kFresh && tview->state != catalog::State::kPaused &&
         refresh::FindWholeRow(tview->table) == refresh::WholeRow::kDetached;
}

// Locks all that the TVIEW needs and leaves a snapshot taken after that active.  -1: it is not ours any more.
int LockAndFind(Worker* worker, Oid table) {
  LockSet locks = {};
  for (;;) {
    TakeSnapshot(worker);
    const IndexedGraph& indexed = worker->indexed;
    const catalog::Tview* tview = catalog::FindTview(indexed.graph, table);
    if (!IsOurs(tview)) {
      return -1;
    }
    const int t = static_cast<int>(tview - indexed.graph->tviews);
    WantTview(&locks, indexed, t);
    Want(&locks, table, LockKind::kObject, ExclusiveLock);
    if (!TakeLocks(worker, &locks)) {
      return t;
    }
    pg::Waitpoint("long_before_snapshot");
    PopActiveSnapshot();
  }
}

// A batch holds it no longer than until its end, so this waits for it: to give up now would waste the comparison.
void LockDeferred(Oid table) {
  const int nest_level = NewGUCNestLevel();
  (void)set_config_option("lock_timeout", "0", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
  LOCKTAG tag;
  SET_LOCKTAG_OBJECT(tag, MyDatabaseId, pg::TableOid(pg::Table::kTview), table, 1);
  (void)LockAcquire(&tag, ExclusiveLock, false, false);
  AtEOXact_GUC(true, nest_level);
}

void SetStateTo(const catalog::Tview* tview, catalog::State state) {
  WriteState(tview, state);
  catalog::GraphChanged();
}

void Settle(const catalog::Tview* tview, const refresh::IsolatedResult& isolated, const DeferNotes& notes) {
  if (isolated.verdict == refresh::Verdict::kDegraded) {
    if (tview->state != catalog::State::kDegraded) {
      ereport(LOG, (errmsg("pg_tviews: TVIEW %s is degraded: %s", quote_qualified_identifier(tview->schema, tview->entity), isolated.message),
                    errdetail("SQLSTATE %s; it is tried again as a whole.", isolated.sqlstate)));
    }
    refresh::DropCovered(tview);
    refresh::DeferKey(tview, {nullptr, 0}, "failed", isolated.sqlstate, isolated.message);
    SetStateTo(tview, catalog::State::kDegraded);
    return;
  }
  for (const DeferNote* note = notes.first; note != nullptr; note = note->next) {
    refresh::DeferKey(tview, note->key, note->reason, note->sqlstate, note->message);
  }
  if (!refresh::Attach(tview, GetActiveSnapshot())) {
    SetStateTo(tview, catalog::IsCaptureOff(tview->table) ? catalog::State::kDegraded : catalog::State::kFresh);
  }
}

void PublishRefresh(Worker* worker, const shmem::RefreshEntry& entry, const char* message, const AppliedSnapshot& applied) {
  shmem::LogRefresh(entry, message);
  shmem::PublishFresh(entry.tview, applied.at, applied.xmin, applied.xmax);
  shmem::ScopedLock lock(&worker->slot->lock, LW_EXCLUSIVE);
  shmem::LongProcess* process = &worker->slot->long_process;
  ++process->refreshes;
  process->keys += entry.keys;
  process->last_refresh_at = applied.at;
}

// The keys of rows that this process writes need not be compared again, unless other TVIEWs want to hear of the same values.
void LeaveOutOwnKeys(const catalog::Graph* graph, int t) {
  core::PointId own = 0;
  for (int m = 0; m < graph->mapping_count; ++m) {
    if (graph->mappings[m].tview == t && graph->mappings[m].kind == catalog::MappingKind::kSelf) {
      own = graph->mappings[m].point;
    }
  }
  for (int m = 0; m < graph->mapping_count && own != 0; ++m) {
    if (graph->mappings[m].point == own && graph->mappings[m].tview != t) {
      own = 0;
    }
  }
  capture::LeaveOutPoint(own);
}

void CompareAndWrite(Worker* worker, int t, shmem::RefreshEntry* entry, char (*message)[256]) {
  const catalog::Tview* tview = &worker->indexed.graph->tviews[t];
  DeferNotes notes{nullptr, CurrentMemoryContext};
  pg::Waitpoint("long_snapshot_taken");
  instr_time start, duration;
  INSTR_TIME_SET_CURRENT(start);
  const refresh::IsolatedResult isolated = refresh::RefreshIsolated(tview, worker->scratch, 0, true, 0, true, NoteDeferred, &notes);
  INSTR_TIME_SET_CURRENT(duration);
  INSTR_TIME_SUBTRACT(duration, start);
  entry->database = MyDatabaseId;
  entry->tview = tview->table;
  strlcpy(entry->entity, tview->entity, sizeof(entry->entity));
  entry->lag_ms = -1;
  DescribeRefresh(isolated, INSTR_TIME_GET_MILLISEC(duration), entry);
  strlcpy(*message, isolated.message, sizeof(*message));
  shmem::PublishWholeTime(tview->table, entry->duration_ms);
  if (isolated.verdict == refresh::Verdict::kRetry || isolated.verdict == refresh::Verdict::kExhausted) {
    const char* code = isolated.sqlstate;
    ereport(ERROR, (errcode(MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4])), errmsg("%s", isolated.message),
                    errcontext("refresh of TVIEW \"%s\"", tview->entity)));
  }
  pg::Waitpoint("long_compared");
  LockDeferred(tview->table);
  pg::Waitpoint("long_attaching");
  Settle(tview, isolated, notes);
}

}  // namespace

Oid NextDetached(Worker* worker, TimestampTz now, TimestampTz* next) {
  StartTransactionCommand();
  TakeSnapshot(worker);
  const catalog::Graph* graph = worker->indexed.graph;
  const Turn* chosen = nullptr;
  *next = DT_NOEND;
  for (int t = 0; t < graph->tview_count; ++t) {
    if (!IsOurs(&graph->tviews[t])) {
      continue;
    }
    Turn* turn = TurnOf(graph->tviews[t].table);
    strlcpy(turn->name, graph->tviews[t].entity, sizeof(turn->name));
    if (turn->not_before > now) {
      *next = Min(*next, turn->not_before);
    } else if (chosen == nullptr || turn->tried_at < chosen->tried_at) {
      chosen = turn;
    }
  }
  const Oid tview = chosen == nullptr ? InvalidOid : chosen->tview;
  PopActiveSnapshot();
  CommitTransactionCommand();
  return tview;
}

void RefreshDetached(Worker* worker, Oid table) {
  TurnOf(table)->tried_at = GetCurrentTimestamp();
  shmem::ForgetTried();
  SetCurrentStatementStartTimestamp();
  StartTransactionCommand();
  MemoryContextReset(worker->batch_context);
  MemoryContextSwitchTo(worker->batch_context);
  const int t = LockAndFind(worker, table);
  shmem::RefreshEntry entry = {};
  char message[256];
  AppliedSnapshot applied = {};
  if (t >= 0) {
    LeaveOutOwnKeys(worker->indexed.graph, t);
    applied = DescribeSnapshot(GetActiveSnapshot());
    CompareAndWrite(worker, t, &entry, &message);
    pg::Waitpoint("long_before_commit");
  }
  PopActiveSnapshot();
  CommitTransactionCommand();
  shmem::CommitTried();
  capture::LeaveOutPoint(0);
  TurnOf(table)->failures = 0;
  if (t >= 0) {
    applied.at = entry.at = GetCurrentTimestamp();
    PublishRefresh(worker, entry, message, applied);
  }
  shmem::WakeWorker(worker->slot);
}

void NoteFailed(Oid tview, bool gave_way) {
  capture::LeaveOutPoint(0);
  Turn* turn = TurnOf(tview);
  ++turn->failures;
  const int64 pause_ms = core::BackoffMilliseconds(turn->failures, kFirstPauseMs, kLongestPauseMs, MyProcPid + turn->failures);
  turn->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pause_ms);
  if (gave_way) {
    ereport(LOG, (errmsg("pg_tviews: the long refresh of TVIEW \"%s\" gives way to a session that waits for its locks", turn->name),
                  errdetail("It starts again in " INT64_FORMAT " ms.", pause_ms)));
  }
}

}  // namespace tviews::bgw
