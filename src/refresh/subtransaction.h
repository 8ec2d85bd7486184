// Running something in a subtransaction and looking at its error instead of raising it.
#pragma once

#include "pg/pg.h"

namespace tviews::refresh {

// Runs `body(argument)` in a subtransaction.  True: committed.  False: rolled back, `*error` holds a copy of the error in the
// current memory context; user, settings, SPI and resource owner are as before.  Slots and scans must be opened inside.
bool TryInSubtransaction(void (*body)(void*), void* argument, ErrorData** error);

// What an error asks for.
enum class Failing : uint8 {
  kRow,     // the row or the view is to blame
  kRetry,   // serialization failure, deadlock: run the batch again
  kLocked,  // lock timeout: somebody holds what these keys need
  kMachine, // disk full, I/O error and their like: trying less, or another key, is of no use
  kCancel,  // somebody wants this process to stop
};
Failing Classify(const ErrorData* error);

// Memory, temporary files, locks: what no key may be blamed for as long as others fail alike.
bool IsResource(int sqlerrcode);

// "primary message: detail", in the current context.
const char* Describe(const ErrorData* error);

// Bounds the time of a refresh in a worker by pg_tviews.refresh_timeout, or by `limit_ms`; in a session the user's own settings hold.
// Code that catches each cancel and goes on ends its process, which is accounted as a crash.
void ArmRefreshTimeout();
void ArmTimeout(int limit_ms);
void DisarmRefreshTimeout();
// Was the error that of the timeout?
bool IsTimeout(const ErrorData* error);

}  // namespace tviews::refresh
