// Crash accounting of this database: the book in shared memory, the notes and the book in a file.
#include "shmem/crashes.h"

#include "shmem/database.h"
#include "shmem/lwlock.h"

namespace tviews::shmem {
namespace {

constexpr int kProcesses = 2;
constexpr off_t kNotesAt = 4096, kNoteRoom = 64;  // the book fits before them, whatever is added to it
static_assert(sizeof(core::CrashBook) <= kNotesAt && sizeof(core::CrashNote) <= kNoteRoom);

// Of an accounted process.
int file = -1;
Database* mine = nullptr;
uint8 number = 0;
volatile sig_atomic_t stubborn = 0;
core::CrashNote running_note, stopped_note, none_note;

void PathOf(Oid database, char* path, Size size) { snprintf(path, size, "%s/pg_tviews_%u.crashes", PG_STAT_TMP_DIR, database); }

off_t NoteAt(int process) { return kNotesAt + process * kNoteRoom; }

core::CrashNote SealedNote(core::Attempt kind) {
  core::CrashNote note = {};
  note.kind = kind;
  core::SealNote(&note);
  return note;
}

// A note that cannot be written is one crash not accounted.
void WriteNote(const core::CrashNote& note) { (void)!pwrite(file, &note, sizeof(note), NoteAt(number)); }

// REQUIRES: the lock of `mine`, held exclusively.
void WriteBook() {
  core::SealBook(&mine->crashes);
  (void)!pwrite(file, &mine->crashes, sizeof(mine->crashes), 0);
}

// In a signal handler: the server goes down because another process crashed, or at once.
void OnQuit(SIGNAL_ARGS) {
  WriteNote(stopped_note);
  _exit(2);
}

// What the last life of the server left in the file: into the book.
core::CrashNote AccountAll() {
  core::CrashNote crash = none_note;
  core::CrashBook book;
  if (pread(file, &book, sizeof(book), 0) != sizeof(book) || !core::IsIntact(book)) {
    core::InitBook(&book);  // no file yet, or a damaged one
  }
  for (int process = 0; process < kProcesses; ++process) {
    core::CrashNote note;
    if (pread(file, &note, sizeof(note), NoteAt(process)) == sizeof(note) && core::Account(&book, note, GetCurrentTimestamp())) {
      crash = note;
    }
    (void)!pwrite(file, &none_note, sizeof(none_note), NoteAt(process));
  }
  ScopedLock lock(&mine->lock, LW_EXCLUSIVE);
  mine->crashes = book;
  mine->restarts = book.restarts;
  WriteBook();
  return crash;
}

bool Open(Oid database) {
  char path[MAXPGPATH];
  PathOf(database, path, sizeof(path));
  ReserveExternalFD();
  file = BasicOpenFile(path, O_RDWR | O_CREAT | PG_BINARY);
  if (file < 0) {
    ReleaseExternalFD();
    ereport(LOG, (errcode_for_file_access(), errmsg("could not open file \"%s\": %m", path),
                  errdetail("A key whose refresh crashes the server will not be recognized.")));
  }
  return file >= 0;
}

template <typename Change>
void ChangeBook(Change change) {
  if (file >= 0) {
    ScopedLock lock(&mine->lock, LW_EXCLUSIVE);
    change(&mine->crashes);
    WriteBook();
  }
}

}  // namespace

CrashReport OpenCrashFile(Database* database, CrashProcess process) {
  CrashReport report = {};
  mine = database;
  number = static_cast<uint8>(process);
  running_note = SealedNote(core::Attempt::kRunning);
  stopped_note = SealedNote(core::Attempt::kStopped);
  none_note = SealedNote(core::Attempt::kNone);
  const bool first = pg_atomic_exchange_u32(&database->crashes_read, 1) == 0;
  if (!Open(pg_atomic_read_u32(&database->oid))) {
    return report;
  }
  if (first) {
    report.crash = AccountAll();
  } else if (process == CrashProcess::kRefreshWorker) {
    ChangeBook([](core::CrashBook* book) { mine->restarts = ++book->restarts; });
  }
  {
    ScopedLock lock(&database->lock, LW_SHARED);
    report.consecutive = database->crashes.consecutive;
  }
  WriteNote(running_note);
  pqsignal(SIGQUIT, OnQuit);
  return report;
}

bool CloseCrashFile() {
  if (file < 0) {
    return false;
  }
  core::CrashNote note;
  const bool accounted = stubborn && pread(file, &note, sizeof(note), NoteAt(number)) == sizeof(note);
  if (accounted) {
    ChangeBook([&](core::CrashBook* book) {
      const uint32 consecutive = book->consecutive;
      (void)core::Account(book, note, GetCurrentTimestamp());
      book->consecutive = consecutive;  // the server did not go down
      --book->restarts;                 // the next start counts it
    });
  }
  WriteNote(none_note);
  return accounted;
}

void NoteStubborn() { stubborn = 1; }

void RemoveCrashFile(Oid database) {
  char path[MAXPGPATH];
  PathOf(database, path, sizeof(path));
  (void)unlink(path);
}

void NoteAttempt(core::Attempt kind, Oid tview, uint32 point, core::ByteSpan key, size_t count) {
  if (file < 0) {
    return;
  }
  core::CrashNote note = {};
  note.tview = tview;
  note.point = point;
  note.hash = kind == core::Attempt::kOne ? core::HashKey(point, key) : 0;
  note.count = count;
  note.kind = kind;
  core::SealNote(&note);
  WriteNote(note);
}

void NoteSurvived() {
  if (file >= 0) {
    WriteNote(running_note);
  }
}

bool UnderSuspicion(Oid tview) {
  if (file < 0) {
    return false;
  }
  ScopedLock lock(&mine->lock, LW_SHARED);
  return core::UnderSuspicion(mine->crashes, tview);
}

core::Care CareFor(Oid tview, uint32 point) {
  if (file < 0) {
    return {};
  }
  ScopedLock lock(&mine->lock, LW_SHARED);
  return core::CareFor(mine->crashes, tview, point);
}

bool FindSuspect(Oid tview, uint32 point, core::ByteSpan key, core::Suspect* suspect) {
  if (file < 0) {
    return false;
  }
  ScopedLock lock(&mine->lock, LW_SHARED);
  const core::Suspect* found = core::FindOne(mine->crashes, tview, point, core::HashKey(point, key));
  if (found != nullptr) {
    *suspect = *found;
  }
  return found != nullptr;
}

void Acquit(Oid tview, uint32 point, core::ByteSpan key) {
  ChangeBook([=](core::CrashBook* book) { core::Acquit(book, tview, point, core::HashKey(point, key)); });
}

void AcquitAll(Oid tview) {
  ChangeBook([=](core::CrashBook* book) { core::AcquitAll(book, tview); });
}

void NoteSuccess(Oid tview) {
  ChangeBook([=](core::CrashBook* book) { core::NoteSuccess(book, tview); });
}

void NoteTried(Oid tview, uint32 point, uint64 keys) {
  ChangeBook([=](core::CrashBook* book) { core::NoteTried(book, tview, point, keys, number); });
}

void NoteParked(Oid tview, uint32 point, core::ByteSpan key) {
  ChangeBook([=](core::CrashBook* book) { core::NoteParked(book, tview, point, core::HashKey(point, key), number); });
}

void ForgetTried() {
  if (file >= 0) {
    ScopedLock lock(&mine->lock, LW_EXCLUSIVE);
    core::ForgetTried(&mine->crashes, number);
  }
}

void CommitTried() {
  if (file < 0) {
    return;
  }
  ScopedLock lock(&mine->lock, LW_EXCLUSIVE);
  const bool changed = core::CommitTried(&mine->crashes, number) || mine->crashes.consecutive > 0;
  if (changed) {
    mine->crashes.consecutive = 0;
    WriteBook();
  }
}

}  // namespace tviews::shmem
