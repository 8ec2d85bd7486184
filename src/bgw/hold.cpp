// What other sessions ask of the launcher: hold a worker away, look whether the extension is there.
#include "bgw/launcher.h"
#include "pg/settings.h"
#include "shmem/database.h"
#include "shmem/segment.h"

namespace tviews::bgw {
namespace {

constexpr int kMostHeld = 16;

struct Held {
  shmem::Database* slot;
  Oid database;
};
Held held[kMostHeld];
int held_count = 0;
bool wake_launcher = false;
bool announce = false;
bool callback_registered = false;

void ReleaseHeld() {
  for (int i = 0; i < held_count; ++i) {
    if (pg_atomic_read_u32(&held[i].slot->oid) == held[i].database) {
      pg_atomic_fetch_sub_u32(&held[i].slot->stop_holders, 1);
    }
  }
  held_count = 0;
  if (wake_launcher) {
    wake_launcher = false;
    shmem::WakeLauncher();
  }
}

// Claims the slot of this database and makes its worker, or the launcher, look for the extension.
void Announce() {
  announce = false;
  shmem::Database* slot;
  do {
    slot = shmem::ClaimDatabase(MyDatabaseId);
    if (slot == nullptr) {
      break;  // the warning came with the announcement
    }
    pg_atomic_write_u32(&slot->check_extension, 1);
    pg_memory_barrier();
    // The launcher may have freed it in between.
  } while (pg_atomic_read_u32(&slot->oid) != MyDatabaseId);
  if (slot != nullptr) {
    shmem::WakeWorker(slot);
  }
  shmem::WakeLauncher();
}

void AtTransactionEnd(XactEvent event, void* arg) {
  switch (event) {
    case XACT_EVENT_COMMIT:
      if (announce) {
        Announce();
      }
      ReleaseHeld();
      return;
    case XACT_EVENT_ABORT:
      announce = false;
      ReleaseHeld();
      return;
    case XACT_EVENT_PRE_PREPARE:
      if (announce) {
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("cannot PREPARE a transaction that created or dropped the extension pg_tviews"),
                        errhint("Commit it in one phase.")));
      }
      return;
    default:
      return;
  }
}

void RegisterCallback() {
  if (!callback_registered) {
    RegisterXactCallback(AtTransactionEnd, nullptr);
    callback_registered = true;
  }
}

bool IsGone(shmem::Database* slot) {
  const auto state = static_cast<shmem::WorkerState>(pg_atomic_read_u32(&slot->worker_state));
  const auto second = static_cast<shmem::WorkerState>(pg_atomic_read_u32(&slot->long_process.state));
  return slot->long_process.pid == 0 && second != shmem::WorkerState::kStarting && slot->worker_pid == 0 && state != shmem::WorkerState::kStarting;
}

}  // namespace

void LookAgainAtCommit() {
  if (shmem::Attached()) {
    RegisterCallback();
    wake_launcher = true;
  }
}

void HoldWorkerAway(Oid database) {
  if (!shmem::Attached()) {
    return;
  }
  RegisterCallback();
  wake_launcher = true;  // the databases may be others afterwards
  shmem::Database* slot = shmem::FindDatabase(database);
  if (slot == nullptr || held_count == kMostHeld) {
    return;
  }
  held[held_count++] = {slot, database};
  pg_atomic_fetch_add_u32(&slot->stop_holders, 1);
  for (int waited_ms = 0; waited_ms < 2000 && !IsGone(slot); waited_ms += 10) {
    CHECK_FOR_INTERRUPTS();
    const pid_t pid = slot->worker_pid, second = slot->long_process.pid;
    if (waited_ms == 50 && pid != 0) {
      kill(pid, SIGTERM);  // it is in the middle of a batch: the journal still has everything
    } else {
      shmem::WakeWorker(slot);
    }
    if (waited_ms == 50 && second != 0) {
      kill(second, SIGTERM);
    } else {
      shmem::WantLongProcess(slot);  // wakes it
    }
    pg_usleep(10000);
  }
}

void AnnounceAtCommit() {
  if (!shmem::Attached()) {
    return;
  }
  RegisterCallback();
  announce = true;
  if (shmem::FindDatabase(MyDatabaseId) != nullptr) {
    return;
  }
  for (int i = 0; i < shmem::DatabaseCount(); ++i) {
    if (!OidIsValid(pg_atomic_read_u32(&shmem::DatabaseAt(i)->oid))) {
      return;
    }
  }
  ereport(WARNING, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), errmsg("no refresh worker for this database: all %d are taken", pg::max_databases),
                    errhint("Raise pg_tviews.max_databases and restart the server.")));
}

}  // namespace tviews::bgw
