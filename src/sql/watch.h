// DDL on what TVIEWs read: what it touches is found before it runs, what follows from it is done after.
#pragma once

#include "pg/pg.h"

namespace tviews::sql {

struct Watched {
  bool any;
  bool nothing_to_do;  // the command is not to be run
  Oid relation;    // altered, renamed or replaced
  Oid other;       // the partition that is attached or detached, the child or parent of INHERIT
  bool reshaped;   // values may have changed for every reader
  bool widened;    // columns came or went: matters to whole-row references only
  bool renamed;    // names moved: mapping queries have to be written again
  bool triggers;   // triggers were enabled or disabled
  bool indexed;    // or its owner changed
  bool schema;     // a schema was renamed, or an operator, type or collation renamed or moved
  bool owners;     // REASSIGN OWNED
  RangeVar* new_view;  // a view is created
  bool restored;   // a capture trigger was created by hand, or by a restore
  const char* old_column;  // RENAME COLUMN
  const char* new_column;
  List* parents;   // OIDs: relations that get a new child
  bool parts;      // a partition was attached or detached
};

// REQUIRES: the extension is in this database.  Ereports where a TVIEW forbids the command.
Watched WatchBefore(Node* statement);
void WatchAfter(Node* statement, const Watched& watched);

// CREATE TRIGGER of a capture trigger, as a dump has it: it may exist already, for the TVIEWs were registered on the way.
bool IsCaptureTrigger(Node* statement);

// From the object-access hook: a function was replaced.
void NoteFunction(Oid function);
// From the object-access hook: a relation lost a column, with a type or whatever it needed.
void NoteLostColumn(Oid relation);
void ForgetNoted();

}  // namespace tviews::sql
