// Crash accounting: what a process was trying when it died, and what is therefore tried with care, alone, or not at all.
//
// A process notes what it is about to try before it tries.  After a crash the note is still there: it is accounted to a suspect, at
// first a TVIEW, whose keys are then tried one by one, until the note names one key (or one value of a mapping query).  A suspect that
// was met too often owes: it is to be parked untried.  A kill at random leaves suspects too; the first success acquits them.
#pragma once

#include "core/bytes.h"

namespace tviews::core {

enum class Attempt : uint8_t {
  kNone,     // the process ended as it should
  kRunning,  // it runs, and is not in code that a user wrote
  kStopped,  // it was told to leave because another process died
  kSeveral,  // refreshes several keys; with a point: maps several values
  kOne,      // refreshes one key; with a point: maps one value
  kWhole,    // compares a whole TVIEW
  kList,     // lists the keys of a TVIEW
};

struct CrashNote {
  uint32_t tview;
  uint32_t point;  // of a mapping; 0: a refresh
  uint64_t hash;   // of the key or value, HashKey
  uint64_t count;  // how many keys or values
  Attempt kind;
  uint8_t unused[7];
  uint64_t check;
};
static_assert(sizeof(CrashNote) == 40);

struct Suspect {
  uint32_t tview, point;
  uint64_t hash;
  int64_t last_us;  // of the last crash
  uint32_t crashes;
  Attempt kind;      // kSeveral, kOne, kWhole, kList; kNone: a free place
  bool owes;         // to be parked before it may be tried again
  bool redeemed;     // another key of the TVIEW succeeded since
  uint8_t tried;     // by which process in its present batch (number + 1); 0: by none
  uint64_t keys;     // kSeveral: of how many keys or values at most
  uint64_t left;     // kSeveral: so many others are to be tried without a crash before it is acquitted
};
static_assert(sizeof(Suspect) == 48);

inline constexpr int kSuspects = 32;

struct CrashBook {
  uint32_t magic, version;
  uint64_t restarts;     // of the refresh worker, after whatever end
  uint32_t consecutive;  // crashes without a batch between them
  uint32_t unused;
  Suspect suspects[kSuspects];
  uint64_t check;
};

void InitBook(CrashBook* book) noexcept;
// Before it is written, and after it was read.
void SealBook(CrashBook* book) noexcept;
bool IsIntact(const CrashBook& book) noexcept;
void SealNote(CrashNote* note) noexcept;
bool IsIntact(const CrashNote& note) noexcept;

uint64_t HashKey(uint32_t point, ByteSpan key) noexcept;

// The process of this note is gone without a word.  True: it crashed by itself.
bool Account(CrashBook* book, const CrashNote& note, int64_t now_us) noexcept;

// Is there any suspect of this TVIEW?
bool UnderSuspicion(const CrashBook& book, uint32_t tview) noexcept;

// How the keys of a TVIEW (point 0), or the values of one of its mappings, are to be tried.
struct Care {
  bool one_by_one;   // each alone
  bool by_keys;      // a comparison of the whole TVIEW goes by its keys
  bool give_up;      // not at all: the TVIEW is to be parked as a whole
  uint32_t crashes;  // so far; 0: no suspects
};
Care CareFor(const CrashBook& book, uint32_t tview, uint32_t point) noexcept;

// The suspect that is this one key or value; null: it is none.
const Suspect* FindOne(const CrashBook& book, uint32_t tview, uint32_t point, uint64_t hash) noexcept;
// Was it met so often that it is to be parked?  Then it may be tried again when its time has come, unless it `owes`.
bool IsPoison(const Suspect& suspect) noexcept;

// One key or value was tried and nothing happened.
void Acquit(CrashBook* book, uint32_t tview, uint32_t point, uint64_t hash) noexcept;
// The whole TVIEW was compared in one piece, and nothing happened.
void AcquitAll(CrashBook* book, uint32_t tview) noexcept;
// Some keys of the TVIEW were refreshed: it does not always crash.
void NoteSuccess(CrashBook* book, uint32_t tview) noexcept;

inline constexpr uint64_t kAllKeys = UINT64_MAX;
// In its batch `process` has tried `keys` keys or values of the TVIEW or mapping, or parks it as a whole (NoteTried, kAllKeys), or parks
// one of them (NoteParked).  It holds from CommitTried on.  A few other keys acquit nobody.
void NoteTried(CrashBook* book, uint32_t tview, uint32_t point, uint64_t keys, uint8_t process) noexcept;
void NoteParked(CrashBook* book, uint32_t tview, uint32_t point, uint64_t hash, uint8_t process) noexcept;
void ForgetTried(CrashBook* book, uint8_t process) noexcept;
bool CommitTried(CrashBook* book, uint8_t process) noexcept;  // whether there was any

}  // namespace tviews::core
