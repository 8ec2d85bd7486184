// Keys and values that crashed a process: set apart from the others, refused while they are parked.
#include "refresh/careful.h"

#include "core/backoff.h"
#include "refresh/deferred.h"
#include "refresh/key_collector.h"
#include "refresh/subtransaction.h"
#include "refresh/verify.h"
#include "shmem/crashes.h"

namespace tviews::refresh {

namespace {

constexpr int64 kValueBaseMs = 10000, kValueLimitMs = 3600000;

struct Listing {
  const catalog::Tview* tview;
  int64 stored;
  core::KeySets* keys;
};

void RunListing(void* argument) {
  const Listing* listing = static_cast<const Listing*>(argument);
  if (listing->stored > 0) {
    StoredKeys(listing->tview, listing->stored, listing->keys, 0);
  } else {
    AllKeys(listing->tview, listing->keys, 0);
  }
}

uint32 HowToTry(const catalog::Tview* tview, core::ByteSpan key) {
  core::Suspect suspect;
  if (!shmem::FindSuspect(tview->table, 0, key, &suspect)) {
    return kTogether;
  }
  if (suspect.owes || (core::IsPoison(suspect) && FailedUntil(tview, key) > GetCurrentTimestamp())) {
    return kUntried;
  }
  return kAlone;
}

}  // namespace

Apart SetApart(const catalog::Tview* tview, const core::KeySets* keys, uint32 number) {
  const Apart apart = {NewKeySetsHere(), shmem::CareFor(tview->table, 0).one_by_one};
  for (size_t i = 0; i < core::KeyCount(keys, number); ++i) {
    const core::ByteSpan key = core::KeyAt(keys, number, i);
    if (core::AddKey(apart.keys, HowToTry(tview, key), key, nullptr) != core::Outcome::kOk) {
      ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
    }
  }
  return apart;
}

bool MayMap(const Mapped& mapped, core::ByteSpan value) {
  core::Suspect suspect;
  if (!shmem::FindSuspect(mapped.tview->table, mapped.point->id, value, &suspect)) {
    return true;
  }
  const int64 wait_ms = core::BackoffMilliseconds(static_cast<int>(suspect.crashes), kValueBaseMs, kValueLimitMs, suspect.hash);
  const bool due = TimestampTzPlusMilliseconds(suspect.last_us, wait_ms) <= GetCurrentTimestamp();
  return !suspect.owes && (!core::IsPoison(suspect) || due);
}

const char* DescribeCrashes(uint32 crashes, bool whole) {
  return psprintf("the process that refreshed this %s was killed or crashed, %u times", whole ? "TVIEW" : "key", crashes);
}

bool ListKeys(const catalog::Tview* tview, int64 stored, core::KeySets* keys, ErrorData** error) {
  Listing listing = {tview, stored, keys};
  shmem::NoteAttempt(core::Attempt::kList, tview->table, 0, {nullptr, 0}, 0);
  const bool listed = TryInSubtransaction(RunListing, &listing, error);
  shmem::NoteSurvived();
  return listed;
}

}  // namespace tviews::refresh
