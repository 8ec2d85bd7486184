// One attempt of failure isolation: a piece of a TVIEW's keys in a subtransaction, and what is known so far.  Private to this folder.
#pragma once

#include "refresh/isolate.h"

namespace tviews::refresh {

// A refused key, kept until its subtransaction is sure.
struct Report {
  core::ByteSpan key;
  const char* reason;
  char sqlstate[6];
  const char* message;
};

struct Isolation {
  const catalog::Tview* tview;
  const core::KeySets* keys;
  uint32 number;
  bool strays;
  MemoryContext own;
  Result result;
  List* reports;         // of Report*, of committed subtransactions
  List* unique_reports;  // those with 23505: another turn at the end
  bool last_turn;
  int64 singles_failed;  // keys refused because the view raises for them
  int64 applied;         // keys whose subtransaction committed
  int first_error;       // SQLSTATE of the first single failure
  bool alike;            // all single failures had it
  char sqlstate[6];
  char message[256];
  bool retry;
  bool exhausted;  // for want of a resource: the rest is left for later
  bool timed_out;  // the error noted last is that of a timeout
  bool too_long;   // see Verdict::kTooLong
  bool suspected;  // keys of this TVIEW crashed a process
  int lock_timeouts;
  bool listed;                 // all keys of a view that failed as a whole
  bool probed, another_works;  // see Hopeless
};

// One subtransaction: which keys, and what came out.
struct Piece {
  Isolation* isolation;
  size_t first, count;
  bool whole;
  Result result;
  List* reports;
};

// The error of isolation is that `crashes` processes died.
void NoteCrashes(Isolation* self, uint32 crashes, bool whole);

// Tries a piece; false: it failed for a reason of its own, which is noted, and was rolled back.  Ereports cancels.
bool Try(Isolation* self, Piece* piece);

// A piece that succeeded counts.
void Accept(Isolation* self, Piece* piece);

// Key `at` is refused with the error noted last.
void RefuseKey(Isolation* self, size_t at, const char* reason);

}  // namespace tviews::refresh
