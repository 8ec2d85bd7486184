// Waiting until committed changes are applied.
#include "bgw/wait.h"

namespace tviews::bgw {

bool WaitApplied(int64 timeout_ms) { elog(ERROR, "not built yet"); }
bool WaitAppliedFor(FullTransactionId xid, int64 timeout_ms) { elog(ERROR, "not built yet"); }
void InstallSynchronousWait() {}

}  // namespace tviews::bgw
