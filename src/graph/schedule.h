// The order in which nodes run: each after those it is linked to, and among those that are ready the one that shows the
// user something soonest (ComfyUI's choice). Lazy inputs will be links that are added only when a node asks for them;
// expansion will add nodes while the schedule runs.
#pragma once
#include <functional>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "graph/plan.h"

namespace easel {

class Schedule {
 public:
  // `targets` and all they depend on, but for what lies behind a cached node.
  Schedule(const std::vector<PlannedNode>& plan, const std::vector<size_t>& targets,
           const std::function<bool(size_t)>& is_cached);

  // The next node to run; nothing when all are done, or when all that are left wait for each other.
  std::optional<size_t> next();
  void done(size_t node);  // the node that next() gave has run

  // Nodes of a cycle, if that is why next() gave nothing; else empty.
  std::vector<size_t> cycle() const;

 private:
  struct Pending {
    size_t node = 0;
    std::vector<size_t> blockers, blocking;  // places in pending_
    size_t blocked_by = 0;
    int rank = 0;
    bool is_done = false;
  };
  void add(const std::vector<size_t>& targets, const std::function<bool(size_t)>& is_cached);
  void rank_all();

  const std::vector<PlannedNode>& plan_;
  std::vector<Pending> pending_;            // in the order in which they were met
  std::vector<size_t> place_;               // of a node in pending_
  std::set<std::pair<int, size_t>> ready_;  // rank and place
  size_t left_ = 0;
};

}  // namespace easel
