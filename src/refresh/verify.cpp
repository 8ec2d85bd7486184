// Comparing a TVIEW with its view without writing.
#include "refresh/verify.h"

#include "refresh/forms.h"
#include "refresh/key_collector.h"
#include "refresh/session.h"
#include "refresh/statement_cache.h"

namespace tviews::refresh {

namespace {
void IgnoreRefused(void* context, core::ByteSpan key, const char* reason, const char* sqlstate, const char* message) {}
}  // namespace

Comparison Compare(const catalog::Tview* tview, const core::KeySets* keys, uint32 number) {
  Session session;
  BeginSession(&session, tview, false);
  session.wanted = keys != nullptr ? NewWanted(session.target, keys, number, 0, core::KeyCount(keys, number)) : nullptr;
  const Arguments arguments = keys != nullptr ? KeyArguments(session.wanted) : Arguments{};
  const char* text = FormText(tview, keys != nullptr ? Form::kSet : Form::kFull);
  Recompute* recompute = BeginRecompute(session.target, session.wanted, true, &session.changes);
  RunStatement(GetStatement(tview->table, text, arguments, PlanKind::kCustom), arguments, RecomputeReceiver(recompute));
  EndRecompute(recompute);
  Comparison comparison = {};
  comparison.extra = session.changes.count[static_cast<int>(Op::kDelete)];
  const int duplicates = list_length(session.changes.refused) - (session.changes.null_keys > 0 ? 1 : 0);
  comparison.different = session.changes.count[static_cast<int>(Op::kUpdate)] + duplicates;
  comparison.missing = session.changes.count[static_cast<int>(Op::kInsert)] + session.changes.null_keys;
  const core::ByteSpan example = session.changes.example;
  if (example.data != nullptr) {
    unsigned char* copy = static_cast<unsigned char*>(MemoryContextAlloc(session.outer, example.size + 1));
    memcpy(copy, example.data, example.size);
    comparison.example = {copy, example.size};
  }
  EndSession(&session, IgnoreRefused, nullptr);
  return comparison;
}

namespace {

void CollectByQuery(const catalog::Tview* tview, const char* text, core::KeySets* keys, uint32 number) {
  MemoryContext outer = CurrentMemoryContext;
  if (SPI_connect() != SPI_OK_CONNECT) {
    elog(ERROR, "SPI_connect failed");
  }
  const pg::OwnerContext owner = pg::EnterOwner(tview->owner, tview->settings);
  SPIExecuteOptions options = {};
  options.read_only = true;
  options.dest = NewKeyCollector(tview, keys, number);
  const int code = SPI_execute_extended(text, &options);
  if (code < 0) {
    elog(ERROR, "could not read the keys of TVIEW \"%s\": %s", tview->entity, SPI_result_code_string(code));
  }
  pg::LeaveOwner(owner);
  SPI_finish();
  MemoryContextSwitchTo(outer);
}

}  // namespace

void SampleKeys(const catalog::Tview* tview, int64 rows, core::KeySets* keys, uint32 number) {
  CollectByQuery(tview, SampleKeysText(tview, rows), keys, number);
}

void AllKeys(const catalog::Tview* tview, core::KeySets* keys, uint32 number) {
  CollectByQuery(tview, AllKeysText(tview), keys, number);
}

void StoredKeys(const catalog::Tview* tview, int64 limit, core::KeySets* keys, uint32 number) {
  CollectByQuery(tview, StoredKeysText(tview, limit), keys, number);
}

}  // namespace tviews::refresh
