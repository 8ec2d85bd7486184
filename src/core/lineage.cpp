// The search for paths: Dijkstra's, over occurrences, with the number of steps as the distance; and the levels of TVIEWs.
#include "core/lineage.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <new>
#include <queue>
#include <tuple>
#include <vector>

namespace tviews::core {

namespace {

constexpr int32_t kRoot = -1;

// An occurrence that was reached.
struct Node {
  bool reached = false;
  int32_t capture_value = 0;
  uint32_t equality_class = 0;  // in which its captured value is compared next
  int32_t near = kRoot;         // the occurrence its edge leads to
  int32_t edge = kRoot;
  bool skips_near = false;
  int32_t steps = 0;
  int32_t root = kRoot;
};

// A way to reach an occurrence; the least one wins.
struct Candidate {
  int32_t steps;
  int32_t access;  // negated: the better one is less
  int32_t edge;
  bool skips_near;
  bool operator>(const Candidate& other) const {
    return std::tie(steps, access, edge) > std::tie(other.steps, other.access, other.edge);
  }
};

class Search {
 public:
  Search(int32_t occurrences, const LineageEdge* edges, int32_t edge_count)
      : edges_(edges), nodes_(occurrences), leading_to_(occurrences) {
    for (int32_t i = 0; i < edge_count; ++i) {
      if (IsOccurrence(edges[i].far) && IsOccurrence(edges[i].near)) {
        leading_to_[edges[i].near].push_back(i);
      }
    }
  }

  void Run(const LineageRoot* roots, int32_t root_count) {
    for (int32_t i = 0; i < root_count; ++i) {
      if (IsOccurrence(roots[i].occurrence) && !nodes_[roots[i].occurrence].reached) {
        Node& node = nodes_[roots[i].occurrence];
        node.reached = true;
        node.capture_value = roots[i].value;
        node.equality_class = roots[i].equality_class;
        node.root = i;
      }
    }
    // Only when every root is settled: one root must not be reached from another.
    for (int32_t i = 0; i < static_cast<int32_t>(nodes_.size()); ++i) {
      if (nodes_[i].reached) {
        AddCandidates(i);
      }
    }
    while (!candidates_.empty()) {
      const Candidate best = candidates_.top();
      candidates_.pop();
      const LineageEdge& edge = edges_[best.edge];
      Node& far = nodes_[edge.far];
      if (!far.reached) {
        far = {true, edge.far_value, edge.equality_class, edge.near, best.edge, best.skips_near, best.steps, nodes_[edge.near].root};
        AddCandidates(edge.far);
      }
    }
  }

  // malloc's the answer.  Throws std::bad_alloc, and then `*result` is empty.
  void Write(LineageResult* result) const {
    int64_t total = 0;
    for (const Node& node : nodes_) {
      total += node.steps;
    }
    auto* paths = static_cast<OccurrencePath*>(malloc(std::max<size_t>(1, nodes_.size()) * sizeof(OccurrencePath)));
    auto* steps = static_cast<LineageStep*>(malloc(std::max<size_t>(1, total) * sizeof(LineageStep)));
    if (paths == nullptr || steps == nullptr || total > INT32_MAX) {
      free(paths);
      free(steps);
      throw std::bad_alloc();
    }
    int32_t used = 0;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const Node& node = nodes_[i];
      paths[i] = {PathKind::kNone, 0, 0, 0, kRoot, kRoot};
      if (node.reached) {
        paths[i] = {node.steps == 0 ? PathKind::kKey : PathKind::kMapped, node.capture_value, used, node.steps, node.root, node.near};
        used = WriteSteps(node, steps, used);
      }
    }
    *result = {paths, steps, used};
  }

 private:
  bool IsOccurrence(int32_t i) const { return i >= 0 && i < static_cast<int32_t>(nodes_.size()); }

  void AddCandidates(int32_t reached) {
    const Node& near = nodes_[reached];
    for (const int32_t i : leading_to_[reached]) {
      const LineageEdge& edge = edges_[i];
      if (nodes_[edge.far].reached || Bars(edge, near)) {
        continue;
      }
      const bool skips =
          edge.near_value == near.capture_value && edge.equality_class != 0 && edge.equality_class == near.equality_class;
      candidates_.push({near.steps + (skips ? 0 : 1), -edge.near_access, i, skips});
    }
  }

  // Whether the path beyond `near` enters an occurrence that the edge bars.  A skipped occurrence lies on the path all the same.
  bool Bars(const LineageEdge& edge, const Node& near) const {
    for (int32_t at = near.near; at != kRoot; at = nodes_[at].near) {
      if (at >= edge.barred_from && at < edge.barred_to) {
        return true;
      }
    }
    return false;
  }

  int32_t WriteSteps(const Node& node, LineageStep* steps, int32_t used) const {
    for (const Node* at = &node; at->near != kRoot; at = &nodes_[at->near]) {
      if (!at->skips_near) {
        const LineageEdge& edge = edges_[at->edge];
        steps[used++] = {at->near, edge.near_value, nodes_[at->near].capture_value, edge.tag};
      }
    }
    return used;
  }

  const LineageEdge* edges_;
  std::vector<Node> nodes_;
  std::vector<std::vector<int32_t>> leading_to_;  // edges by their near occurrence
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<Candidate>> candidates_;
};

}  // namespace

Outcome FindPaths(int32_t occurrences, const LineageEdge* edges, int32_t edge_count, const LineageRoot* roots, int32_t root_count,
                  LineageResult* result) noexcept {
  *result = {nullptr, nullptr, 0};
  try {
    Search search(std::max(occurrences, 0), edges, edge_count);
    search.Run(roots, root_count);
    search.Write(result);
  } catch (...) {
    return Outcome::kOutOfMemory;
  }
  return Outcome::kOk;
}

void FreeLineage(LineageResult* result) noexcept {
  free(result->paths);
  free(result->steps);
  *result = {nullptr, nullptr, 0};
}

// Allocates nothing, so that the answer "cycle" is never a lack of memory.  Rounds: the depth of the graph plus one.
bool AssignLevels(int32_t count, const ReadsEdge* reads, int32_t reads_count, int32_t* level) noexcept {
  std::fill(level, level + std::max(count, 0), 0);
  const auto known = [count](int32_t i) { return i >= 0 && i < count; };
  for (bool changed = true; changed;) {
    changed = false;
    for (int32_t i = 0; i < reads_count; ++i) {
      const ReadsEdge& edge = reads[i];
      if (known(edge.reader) && known(edge.read) && level[edge.reader] <= level[edge.read]) {
        level[edge.reader] = level[edge.read] + 1;
        if (level[edge.reader] >= count) {
          return false;
        }
        changed = true;
      }
    }
  }
  return true;
}

}  // namespace tviews::core
