// The capture triggers: which relations carry which, making and removing them.
#pragma once

#include "pg/pg.h"

namespace tviews::catalog {

inline constexpr const char* kRowTrigger = "pg_tviews_capture";
inline constexpr const char* kRootTrigger = "pg_tviews_capture_root";  // on a partitioned table; PostgreSQL clones it
inline constexpr const char* kTruncateTrigger = "pg_tviews_capture_truncate";

// Every relation whose capture triggers matter to a reader of `relation`: its whole partition tree, or its children; OIDs, sorted.
List* CaptureMembers(Oid relation);

// The triggers of a TVIEW's own table, made or brought up to date; the row trigger's arguments carry the definition through dump
// and restore.
void CreateTviewTriggers(Oid table, const char* view, const char* key, const char* options, bool owns_view, bool adopted);

// Takes the definition out of the table's triggers: removes them, or leaves plain ones for the TVIEWs that read it.  REQUIRES: it is
// not registered any more.
void RemoveTviewTriggers(Oid table);

// The relation that carries the row trigger for `relation`: the root of its partition tree.
Oid RowHost(Oid relation);

// The TVIEW whose table `relation` is, or is a partition of; InvalidOid: none.
Oid TviewOf(Oid relation);

// Does a TVIEW read this relation or one of its ancestors?
bool IsCaptured(Oid relation);

// The state of the row trigger that serves `relation`: 'A' as it should be, 'D' disabled, 'O' or 'R', 0: missing.
char RowTriggerState(Oid relation);

// Did somebody disable a capture trigger on the TVIEW's table or on what it reads?  Then it may differ from its view, whatever is compared.
bool IsCaptureOff(Oid tview);

// Removes the capture triggers of the tree of `relation` where no TVIEW reads them any more.
void RemoveUnneededTriggers(Oid relation);

// Before a partition is attached: its own row trigger would clash with the clone it is about to get.
void RemoveRowTriggers(Oid relation);

}  // namespace tviews::catalog
