// A scoped LWLock.  PostgreSQL's abort path releases LWLocks, so a skipped destructor does no harm.
#pragma once

#include "pg/pg.h"

namespace tviews::shmem {

class ScopedLock {
 public:
  ScopedLock(LWLock* lock, LWLockMode mode) : lock_(lock) { LWLockAcquire(lock_, mode); }
  ~ScopedLock() { LWLockRelease(lock_); }
  ScopedLock(const ScopedLock&) = delete;
  ScopedLock& operator=(const ScopedLock&) = delete;

 private:
  LWLock* lock_;
};

}  // namespace tviews::shmem
