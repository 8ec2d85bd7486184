// DeriveLineage: from a view's OID to its lineage.
#include "lineage/lineage.h"

namespace tviews::lineage {

Lineage DeriveLineage(const Request& request) {
  elog(ERROR, "lineage is not built yet");
}

List* RelationsRead(Oid view) {
  elog(ERROR, "lineage is not built yet");
}

}  // namespace tviews::lineage
