// Placeholders until the real files land.
#include "capture/journal.h"
#include "capture/transaction_set.h"

namespace tviews::capture {
void InstallTransactionCallbacks() {}
void NoteKey(core::DirtyKey) { elog(ERROR, "not built yet"); }
void NoteWholeRelation(Oid) { elog(ERROR, "not built yet"); }
bool CapturedAnything() { return false; }
core::ByteSpan TakeCaptured() { return {nullptr, 0}; }
void WakeAtCommit() {}
core::JournalAddress WriteJournal(uint64, core::ByteSpan) { elog(ERROR, "not built yet"); }
void ScanJournal(JournalRowFunction, void*) {}
bool ReadJournalRow(core::JournalAddress, uint64, core::ByteSpan*) { return false; }
void DeleteJournalRow(core::JournalAddress) { elog(ERROR, "not built yet"); }
void TurnJournal() {}
JournalSize MeasureJournal() { return {0, 0}; }
bool JournalHolds(uint64) { return false; }
}  // namespace tviews::capture

extern "C" {
PG_FUNCTION_INFO_V1(pg_tviews_capture);
PG_FUNCTION_INFO_V1(pg_tviews_skip_replicated);
Datum pg_tviews_capture(PG_FUNCTION_ARGS) { PG_RETURN_NULL(); }
Datum pg_tviews_skip_replicated(PG_FUNCTION_ARGS) { PG_RETURN_NULL(); }
}
