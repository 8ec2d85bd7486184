// The launcher: keeps one refresh worker per database that has the extension.
#include "bgw/launcher.h"

namespace tviews::bgw {

void RegisterLauncher() {}
void HoldWorkerAway(Oid database) {}
void AnnounceAtCommit() {}

}  // namespace tviews::bgw
