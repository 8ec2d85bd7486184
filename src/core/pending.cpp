// The pending records: one node each, an array in order of arrival, a hash table over their identities.
#include "core/pending.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "core/hash.h"
#include "core/stored_set.h"

namespace tviews::core {

namespace {

// By what a record is known.  No padding: it is hashed and compared as bytes.
struct Identity {
  uint64_t xid;
  uint32_t relfile, block, offset, zero;
};
static_assert(sizeof(Identity) == 24, "no padding");

Identity IdentityOf(const PendingRecord& record) noexcept {
  return {record.xid, record.address.relfile, record.address.block, record.address.offset, 0};
}

struct Node {
  uint64_t hash;
  uint32_t number = 0;
  uint32_t size = sizeof(Identity);
  Identity identity;
  int64_t pushed_at;
  uint16_t table;
  bool done = false;
  size_t payload_size = 0;
  std::unique_ptr<unsigned char[]> payload;
  const unsigned char* Bytes() const noexcept { return reinterpret_cast<const unsigned char*>(&identity); }
};

}  // namespace

struct Pending {
  size_t payload_memory, max_records;
  size_t payload_used = 0;
  size_t done = 0;
  std::vector<std::unique_ptr<Node>> order;
  StoredSet<Node> known;

  // Keeps a copy of `payload` in `node` if it fits the budget; else none.  Throws std::bad_alloc, and then changed nothing.
  void KeepPayload(Node* node, ByteSpan payload) {
    const size_t others = payload_used - node->payload_size;
    std::unique_ptr<unsigned char[]> copy;
    if (payload.size > 0 && payload.size <= payload_memory - others) {
      copy.reset(new unsigned char[payload.size]);
      memcpy(copy.get(), payload.data, payload.size);
    }
    node->payload_size = copy ? payload.size : 0;
    node->payload = std::move(copy);
    payload_used = others + node->payload_size;
  }
};

Pending* NewPending(size_t payload_memory, size_t max_records) noexcept {
  auto* pending = new (std::nothrow) Pending;
  if (pending != nullptr) {
    pending->payload_memory = payload_memory;
    pending->max_records = max_records;
  }
  return pending;
}

void DeletePending(Pending* pending) noexcept { delete pending; }

AddPending AddPendingRecord(Pending* pending, const PendingRecord& record) noexcept {
  const Identity identity = IdentityOf(record);
  const ByteSpan bytes = {reinterpret_cast<const unsigned char*>(&identity), sizeof(identity)};
  const Probe probe = {HashBytes(0, bytes), 0, bytes};
  try {
    if (Node* known = pending->known.Find(probe)) {
      // No payload says that it is to be read: what is kept may be that of the row that was there before.
      if (record.payload.size != known->payload_size ||
          (known->payload_size > 0 && memcmp(record.payload.data, known->payload.get(), known->payload_size) != 0)) {
        pending->KeepPayload(known, record.payload);
      }
      return AddPending::kKnown;
    }
    if (pending->order.size() >= pending->max_records) {
      return AddPending::kFull;
    }
    std::unique_ptr<Node> node(new Node);
    node->hash = probe.hash;
    node->identity = identity;
    node->pushed_at = record.pushed_at;
    node->table = record.address.table;
    pending->known.ReserveOne();
    if (pending->order.size() == pending->order.capacity()) {
      pending->order.reserve(std::max<size_t>(16, pending->order.size() * 2));
    }
    pending->KeepPayload(node.get(), record.payload);
    bool added;
    pending->known.Add(probe, &added, [&]() noexcept { return node.get(); });
    pending->order.push_back(std::move(node));
  } catch (...) {
    return AddPending::kOutOfMemory;
  }
  return AddPending::kAdded;
}

size_t PendingCount(const Pending* pending) noexcept { return pending->order.size(); }

PendingRecord PendingAt(const Pending* pending, size_t i) noexcept {
  if (i >= pending->order.size()) {
    return {};
  }
  const Node& node = *pending->order[i];
  return {node.identity.xid,
          node.pushed_at,
          {node.identity.relfile, node.identity.block, static_cast<uint16_t>(node.identity.offset), node.table},
          {node.payload.get(), node.payload_size}};
}

void MarkDone(Pending* pending, size_t i) noexcept {
  if (i < pending->order.size() && !pending->order[i]->done) {
    pending->order[i]->done = true;
    ++pending->done;
  }
}

void UnmarkAll(Pending* pending) noexcept {
  if (pending->done > 0) {
    for (const auto& node : pending->order) {
      node->done = false;
    }
    pending->done = 0;
  }
}

void RemoveDone(Pending* pending) noexcept {
  if (pending->done == pending->order.size()) {
    ClearPending(pending);
    return;
  }
  if (pending->done == 0) {
    return;
  }
  const auto kept = std::remove_if(pending->order.begin(), pending->order.end(), [&](std::unique_ptr<Node>& node) {
    if (node->done) {
      pending->known.Erase(node.get());
      pending->payload_used -= node->payload_size;
      node.reset();
      return true;
    }
    return false;
  });
  pending->order.erase(kept, pending->order.end());
  pending->done = 0;
}

void ClearPending(Pending* pending) noexcept {
  constexpr size_t kKeep = 1024;  // places not worth giving back
  pending->known.Clear();
  pending->order.clear();
  if (pending->order.capacity() > kKeep) {
    std::vector<std::unique_ptr<Node>>().swap(pending->order);
  }
  pending->payload_used = 0;
  pending->done = 0;
}

}  // namespace tviews::core
