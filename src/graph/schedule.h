// The order in which nodes run: each after those it is linked to, and among those that are ready the one that shows the
// user something soonest (ComfyUI's choice). It may grow while it is worked off: a node that has looked at its inputs
// asks for a lazy one, a node expands into others.
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
  // `has_result`: whether a node's outputs are there, so that it need not run. Both must outlive the schedule; the plan
  // may grow.
  Schedule(const std::vector<PlannedNode>& plan, std::function<bool(size_t)> has_result);

  // The node is to run, after all it is linked to but for lazy inputs and what lies behind a node that has its result.
  // One that has its result is given out all the same, to be reported.
  void add(size_t node);

  // `node`, which next() gave and which has not been put back, turns out to need these too.
  void need(size_t node, std::vector<size_t> sources);

  // The next node to run; nothing when all are done or given out, or when those that are left wait for each other.
  std::optional<size_t> next();
  void done(size_t node);      // the node that next() gave has run
  void put_back(size_t node);  // it has not: next() gives it again when what it needs is done

  // Whether a node is ready that is neither an output nor one that runs beside others: where the work is.
  bool work_is_ready() const { return !ready_.empty() && ready_.rbegin()->first.first > 0; }

  // Nodes of a cycle, if that is why next() gave nothing (and nothing is given out); else empty.
  std::vector<size_t> cycle() const;

 private:
  enum class State : uint8_t { kAbsent, kWaiting, kReady, kGiven, kDone };
  struct Pending {
    std::vector<size_t> blockers, blocking;  // nodes
    size_t order = 0;                        // when it was met
    size_t blocked_by = 0;
    State state = State::kAbsent;
    int8_t distance = 3;  // 0: an output; 1: an output waits for it; 2: a node of distance 1 waits for it; 3: the rest
    bool first = false;   // an output, or one that runs beside the others
  };
  bool is_pending(size_t node) const {
    return pending_[node].state != State::kAbsent && pending_[node].state != State::kDone;
  }
  void meet(size_t node);
  void block(size_t node, size_t source);
  void come_nearer(size_t node, int distance);
  void settle(size_t node);
  std::pair<std::pair<int, size_t>, size_t> key(size_t node) const;

  const std::vector<PlannedNode>& plan_;
  const std::function<bool(size_t)> has_result_;
  std::vector<Pending> pending_;                               // one for each node of the plan
  std::set<std::pair<std::pair<int, size_t>, size_t>> ready_;  // rank and order, node
  size_t met_ = 0, left_ = 0;
};

}  // namespace easel
