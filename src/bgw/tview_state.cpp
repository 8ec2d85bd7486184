// Writes the state of a TVIEW.
#include "bgw/worker.h"
#include "pg/extension.h"

namespace tviews::bgw {

void WriteState(const catalog::Tview* tview, catalog::State state) {
  Oid types[] = {OIDOID, CHAROID};
  Datum values[] = {ObjectIdGetDatum(tview->table), CharGetDatum(static_cast<char>(state))};
  if (SPI_connect() != SPI_OK_CONNECT ||
      SPI_execute_with_args(psprintf("UPDATE %s.pg_tview_catalog SET state = $2 WHERE tview = $1 AND state NOT IN ($2, 'p')", pg::ExtensionSchema()), 2,
                            types, values, nullptr, false, 0) != SPI_OK_UPDATE) {
    elog(ERROR, "could not set the state of TVIEW \"%s\"", tview->entity);
  }
  SPI_finish();
}

}  // namespace tviews::bgw
