// A receiver that adds the key columns of each row to a set of keys.
#include "refresh/key_collector.h"

namespace tviews::refresh {

namespace {

struct KeyCollector {
  DestReceiver receiver;
  const catalog::Tview* tview;
  core::KeySets* out;
  uint32 number;
  StringInfoData bytes;
};

// Rows without a key are one key, all of it NULL, whichever of their columns are.
bool HasNull(const KeyCollector* self, const TupleTableSlot* slot) {
  for (int i = 0; i < self->tview->key_count; ++i) {
    if (slot->tts_isnull[i]) {
      return true;
    }
  }
  return false;
}

bool CollectKey(TupleTableSlot* slot, DestReceiver* receiver) {
  KeyCollector* self = reinterpret_cast<KeyCollector*>(receiver);
  slot_getallattrs(slot);
  resetStringInfo(&self->bytes);
  const bool has_null = HasNull(self, slot);
  for (int i = 0; i < self->tview->key_count; ++i) {
    pg::AppendField(&self->bytes, slot->tts_values[i], has_null, self->tview->key_types[i]);
  }
  if (core::AddKey(self->out, self->number,
                   {reinterpret_cast<unsigned char*>(self->bytes.data), static_cast<size_t>(self->bytes.len)},
                   nullptr) != core::Outcome::kOk) {
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  }
  return true;
}

// The text may give fewer columns than the key, or other types, only if the registration is broken.
void StartCollect(DestReceiver* receiver, int operation, TupleDesc row) {
  const catalog::Tview* tview = reinterpret_cast<KeyCollector*>(receiver)->tview;
  bool same = row->natts == tview->key_count;
  for (int i = 0; same && i < tview->key_count; ++i) {
    same = getBaseType(TupleDescAttr(row, i)->atttypid) == getBaseType(tview->key_types[i].type);
  }
  if (!same) {
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("a query for keys of TVIEW \"%s\" does not return its key columns", tview->entity)));
  }
}

void NoShutdown(DestReceiver* receiver) {}

}  // namespace

DestReceiver* NewKeyCollector(const catalog::Tview* tview, core::KeySets* out, uint32 number) {
  KeyCollector* self = static_cast<KeyCollector*>(palloc0(sizeof(KeyCollector)));
  self->receiver.receiveSlot = CollectKey;
  self->receiver.rStartup = StartCollect;
  self->receiver.rShutdown = NoShutdown;
  self->receiver.rDestroy = NoShutdown;
  self->receiver.mydest = DestNone;
  self->tview = tview;
  self->out = out;
  self->number = number;
  initStringInfo(&self->bytes);
  return &self->receiver;
}

namespace {

struct OwnedKeySets {
  MemoryContextCallback callback;
  core::KeySets* sets;
};

void DeleteOwned(void* owned) { core::DeleteKeySets(static_cast<OwnedKeySets*>(owned)->sets); }

}  // namespace

core::KeySets* NewKeySetsHere() {
  OwnedKeySets* owned = static_cast<OwnedKeySets*>(palloc0(sizeof(OwnedKeySets)));
  owned->callback.func = DeleteOwned;
  owned->callback.arg = owned;
  MemoryContextRegisterResetCallback(CurrentMemoryContext, &owned->callback);
  owned->sets = core::NewKeySets();
  if (owned->sets == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  }
  return owned->sets;
}

}  // namespace tviews::refresh
