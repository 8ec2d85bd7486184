// Crash accounting: what a process was trying when it died, and what follows for the next attempt.
#include "core/crash_book.h"

#include <algorithm>
#include <iterator>

#include "core/hash.h"

namespace tviews::core {
namespace {

constexpr uint32_t kMagic = 0x74766372, kVersion = 2;
constexpr uint32_t kPoisonAt = 3;       // crashes with this key alone
constexpr uint32_t kNextPoisonAt = 2;   // of a TVIEW that has one already
constexpr uint32_t kByKeysAt = 2;       // comparisons of the whole TVIEW
constexpr uint32_t kGiveUpAt = 4;       // the same, by whatever way
constexpr uint32_t kListAt = 3;         // not even its keys can be listed
constexpr int kAlwaysAt = 2;            // poisoned keys, and no other key succeeded
constexpr int kTooMany = 8;             // poisoned keys of one TVIEW
constexpr uint64_t kOthersPerKey = 16;  // keys of other batches that acquit several
constexpr int64_t kForgetUs = int64_t{3600} * 1000 * 1000;

template <typename T>
uint64_t CheckOf(const T& sealed) noexcept {
  return HashBytes(kMagic, {reinterpret_cast<const unsigned char*>(&sealed), offsetof(T, check)});
}

bool IsOf(const Suspect& suspect, uint32_t tview) noexcept { return suspect.kind != Attempt::kNone && suspect.tview == tview; }

Suspect* Find(CrashBook* book, uint32_t tview, uint32_t point, Attempt kind, uint64_t hash) noexcept {
  for (Suspect& suspect : book->suspects) {
    if (IsOf(suspect, tview) && suspect.point == point && suspect.kind == kind && suspect.hash == hash) {
      return &suspect;
    }
  }
  return nullptr;
}

// A free place; if there is none, that of the suspect with the fewest crashes, of these the oldest.
Suspect* Place(CrashBook* book) noexcept {
  return std::min_element(std::begin(book->suspects), std::end(book->suspects), [](const Suspect& a, const Suspect& b) {
    const bool a_used = a.kind != Attempt::kNone, b_used = b.kind != Attempt::kNone;
    return a_used != b_used ? b_used : a.crashes != b.crashes ? a.crashes < b.crashes : a.last_us < b.last_us;
  });
}

Suspect* FindOrAdd(CrashBook* book, uint32_t tview, uint32_t point, Attempt kind, uint64_t hash) noexcept {
  Suspect* suspect = Find(book, tview, point, kind, hash);
  if (suspect == nullptr) {
    suspect = Place(book);
    *suspect = {};
    suspect->tview = tview;
    suspect->point = point;
    suspect->hash = hash;
    suspect->kind = kind;
  }
  return suspect;
}

void Free(Suspect* suspect) noexcept { *suspect = {}; }

void ForgetOld(CrashBook* book, int64_t now_us) noexcept {
  for (Suspect& suspect : book->suspects) {
    if (!suspect.owes && suspect.crashes < kPoisonAt && suspect.last_us < now_us - kForgetUs) {
      Free(&suspect);
    }
  }
}

// The whole TVIEW is to be parked.
void GiveUp(CrashBook* book, uint32_t tview, int64_t now_us) noexcept {
  uint32_t crashes = kGiveUpAt;
  for (Suspect& suspect : book->suspects) {
    if (IsOf(suspect, tview)) {
      crashes = std::max(crashes, suspect.crashes);
      Free(&suspect);
    }
  }
  Suspect* whole = FindOrAdd(book, tview, 0, Attempt::kWhole, 0);
  whole->crashes = crashes;
  whole->last_us = now_us;
  whole->owes = true;
}

// A key of the TVIEW, or a value of the mapping, is parked for its crashes.
bool HasPoison(const CrashBook& book, uint32_t tview, uint32_t point) noexcept {
  return std::any_of(std::begin(book.suspects), std::end(book.suspects), [=](const Suspect& suspect) {
    return IsOf(suspect, tview) && suspect.point == point && suspect.kind == Attempt::kOne && IsPoison(suspect);
  });
}

void JudgeOne(CrashBook* book, Suspect* one, int64_t now_us) noexcept {
  int poisoned = 0, unredeemed = 0;
  for (const Suspect& suspect : book->suspects) {
    if (IsOf(suspect, one->tview) && &suspect != one && suspect.kind == Attempt::kOne && IsPoison(suspect)) {
      ++poisoned;
      unredeemed += suspect.redeemed ? 0 : 1;
    }
  }
  if (one->crashes < (poisoned > 0 ? kNextPoisonAt : kPoisonAt)) {
    return;
  }
  one->crashes = std::max(one->crashes, kPoisonAt);
  one->owes = true;
  if (unredeemed + 1 >= kAlwaysAt || poisoned + 1 >= kTooMany) {
    GiveUp(book, one->tview, now_us);
  }
}

}  // namespace

void InitBook(CrashBook* book) noexcept {
  *book = {};
  book->magic = kMagic;
  book->version = kVersion;
  SealBook(book);
}

void SealBook(CrashBook* book) noexcept { book->check = CheckOf(*book); }
bool IsIntact(const CrashBook& book) noexcept { return book.magic == kMagic && book.version == kVersion && book.check == CheckOf(book); }
void SealNote(CrashNote* note) noexcept { note->check = CheckOf(*note); }
bool IsIntact(const CrashNote& note) noexcept { return note.kind <= Attempt::kList && note.check == CheckOf(note); }

uint64_t HashKey(uint32_t point, ByteSpan key) noexcept { return HashBytes(point, key); }

bool Account(CrashBook* book, const CrashNote& note, int64_t now_us) noexcept {
  if (!IsIntact(note) || note.kind == Attempt::kNone) {
    return false;
  }
  ++book->restarts;
  if (note.kind == Attempt::kStopped) {
    return false;
  }
  ++book->consecutive;
  ForgetOld(book, now_us);
  if (note.kind == Attempt::kRunning) {
    return true;
  }
  Suspect* suspect = FindOrAdd(book, note.tview, note.point, note.kind, note.kind == Attempt::kOne ? note.hash : 0);
  ++suspect->crashes;
  suspect->last_us = now_us;
  suspect->redeemed = false;
  suspect->keys = std::max(suspect->keys, note.count);
  suspect->left = suspect->keys * kOthersPerKey;
  if (note.kind == Attempt::kSeveral && HasPoison(*book, note.tview, note.point)) {
    suspect->crashes = std::max(suspect->crashes, kPoisonAt);  // even without that one
  }
  if (note.kind == Attempt::kOne) {
    JudgeOne(book, suspect, now_us);
  } else if ((note.kind == Attempt::kWhole && suspect->crashes >= kGiveUpAt) || (note.kind == Attempt::kList && suspect->crashes >= kListAt)) {
    GiveUp(book, note.tview, now_us);
  }
  return true;
}

bool UnderSuspicion(const CrashBook& book, uint32_t tview) noexcept {
  return std::any_of(std::begin(book.suspects), std::end(book.suspects), [tview](const Suspect& suspect) { return IsOf(suspect, tview); });
}

Care CareFor(const CrashBook& book, uint32_t tview, uint32_t point) noexcept {
  Care care = {};
  bool given_up_before = false;
  for (const Suspect& suspect : book.suspects) {
    if (!IsOf(suspect, tview)) {
      continue;
    }
    care.crashes = std::max(care.crashes, suspect.crashes);
    if (suspect.kind == Attempt::kWhole) {
      care.give_up = suspect.owes;
      given_up_before = suspect.crashes >= kGiveUpAt;
      care.by_keys = care.by_keys || suspect.crashes >= kByKeysAt;
      care.one_by_one = care.one_by_one || (point == 0 && suspect.crashes >= kByKeysAt);
    } else if (suspect.point == point) {
      care.one_by_one = care.one_by_one || suspect.kind == Attempt::kSeveral;
      care.by_keys = care.by_keys || suspect.kind == Attempt::kOne;
    }
  }
  care.by_keys = care.by_keys && !given_up_before;  // a TVIEW that was given up is tried as a whole, once in a while
  return care;
}

const Suspect* FindOne(const CrashBook& book, uint32_t tview, uint32_t point, uint64_t hash) noexcept {
  return Find(const_cast<CrashBook*>(&book), tview, point, Attempt::kOne, hash);
}

bool IsPoison(const Suspect& suspect) noexcept { return suspect.crashes >= kPoisonAt; }

void Acquit(CrashBook* book, uint32_t tview, uint32_t point, uint64_t hash) noexcept {
  Suspect* suspect = Find(book, tview, point, Attempt::kOne, hash);
  if (suspect != nullptr) {
    Free(suspect);
  }
}

void AcquitAll(CrashBook* book, uint32_t tview) noexcept {
  for (Suspect& suspect : book->suspects) {
    if (IsOf(suspect, tview) && suspect.point == 0) {
      Free(&suspect);
    }
  }
}

void NoteSuccess(CrashBook* book, uint32_t tview) noexcept {
  for (Suspect& suspect : book->suspects) {
    suspect.redeemed = suspect.redeemed || IsOf(suspect, tview);
  }
}

void NoteTried(CrashBook* book, uint32_t tview, uint32_t point, uint64_t keys, uint8_t process) noexcept {
  for (Suspect& suspect : book->suspects) {
    if (!IsOf(suspect, tview) || suspect.point != point || suspect.kind == Attempt::kOne) {
      continue;
    }
    suspect.left -= std::min(suspect.left, keys);
    if (keys == kAllKeys || (suspect.kind == Attempt::kSeveral && (keys >= suspect.keys || suspect.left == 0))) {
      suspect.tried = process + 1;
    }
  }
}

void NoteParked(CrashBook* book, uint32_t tview, uint32_t point, uint64_t hash, uint8_t process) noexcept {
  Suspect* suspect = Find(book, tview, point, Attempt::kOne, hash);
  if (suspect != nullptr) {
    suspect->tried = process + 1;
  }
}

void ForgetTried(CrashBook* book, uint8_t process) noexcept {
  for (Suspect& suspect : book->suspects) {
    if (suspect.tried == process + 1) {
      suspect.tried = 0;
    }
  }
}

bool CommitTried(CrashBook* book, uint8_t process) noexcept {
  bool any = false;
  for (Suspect& suspect : book->suspects) {
    if (suspect.tried != process + 1) {
      continue;
    }
    any = true;
    if (suspect.owes || suspect.kind == Attempt::kOne) {
      suspect.owes = false;
      suspect.tried = 0;
    } else if (suspect.kind == Attempt::kSeveral && IsPoison(suspect) && HasPoison(*book, suspect.tview, suspect.point)) {
      suspect.tried = 0;  // one by one, as long as that one is parked
    } else {
      Free(&suspect);
    }
  }
  return any;
}

}  // namespace tviews::core
