// Crash accounting of this database: the book of suspects, and the file that outlives a crash with it (see core/crash_book.h).
//
// The file lies in pg_stat_tmp, which base backups leave out.  It is written without fsync: it has to survive the death of a process,
// not of the machine.  Where it cannot be written, crashes are not accounted.
#pragma once

#include "core/crash_book.h"
#include "pg/pg.h"

namespace tviews::shmem {

struct Database;

enum class CrashProcess : uint8 { kRefreshWorker, kLongRefresh };

// What a process finds out at its start.  `crash.kind` is kNone unless one ended by itself, in the last life of the server.
struct CrashReport {
  core::CrashNote crash;
  uint32 consecutive;  // crashes without a committed batch between them
};

// Makes this process one whose crashes are accounted; the first of a server's life accounts what the last left.  May log.
CrashReport OpenCrashFile(Database* database, CrashProcess process);
// The process ends as it should, or because of NoteStubborn: then true, if that was accounted.  Safe in an exit callback.
bool CloseCrashFile();
// Code of a user does not let itself be cancelled: the process is going to end, and that counts as a crash.  Safe in a signal handler.
void NoteStubborn();
// The database, or its extension, is gone.
void RemoveCrashFile(Oid database);

// Around what may crash: code of users.  Cheap: one small write each.  Do nothing in processes that are not accounted.
void NoteAttempt(core::Attempt kind, Oid tview, uint32 point, core::ByteSpan key, size_t count);
void NoteSurvived();

// The questions and answers of core/crash_book.h, asked of this database's book.
bool UnderSuspicion(Oid tview);
core::Care CareFor(Oid tview, uint32 point);
// False: no suspect.
bool FindSuspect(Oid tview, uint32 point, core::ByteSpan key, core::Suspect* suspect);
void Acquit(Oid tview, uint32 point, core::ByteSpan key);
void AcquitAll(Oid tview);
void NoteSuccess(Oid tview);
void NoteTried(Oid tview, uint32 point, uint64 keys);
void NoteParked(Oid tview, uint32 point, core::ByteSpan key);
// At the begin of a batch; after its commit.
void ForgetTried();
void CommitTried();

}  // namespace tviews::shmem
