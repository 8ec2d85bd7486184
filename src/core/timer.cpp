// Regular times.
#include "core/timer.h"

namespace tviews::core {

int64_t NextTick(int64_t after, int64_t period, int64_t origin) noexcept {
  int64_t since, next;
  if (__builtin_sub_overflow(after, origin, &since)) {
    return INT64_MAX;
  }
  int64_t past = since % period;  // since the last tick
  if (past < 0) {
    past += period;
  }
  return __builtin_add_overflow(after, period - past, &next) ? INT64_MAX : next;
}

}  // namespace tviews::core
