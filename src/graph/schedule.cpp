#include "graph/schedule.h"

#include <algorithm>

namespace easel {
namespace {
constexpr size_t kNowhere = SIZE_MAX;

// The places of the nodes it must wait for, each once.
std::vector<size_t> sources_of(const PlannedNode& node) {
  std::vector<size_t> sources;
  for (const PlannedInput& input : node.inputs)
    if (input.kind == PlannedInput::Kind::kLink) sources.push_back(input.source);
  std::sort(sources.begin(), sources.end());
  sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
  return sources;
}
}  // namespace

Schedule::Schedule(const std::vector<PlannedNode>& plan, const std::vector<size_t>& targets,
                   const std::function<bool(size_t)>& is_cached)
    : plan_(plan), place_(plan.size(), kNowhere) {
  add(targets, is_cached);
  rank_all();
  left_ = pending_.size();
  for (size_t place = 0; place < pending_.size(); ++place)
    if (pending_[place].blocked_by == 0) ready_.insert({pending_[place].rank, place});
}

void Schedule::add(const std::vector<size_t>& targets, const std::function<bool(size_t)>& is_cached) {
  for (size_t target : targets) {
    std::vector<size_t> stack = {target};
    while (!stack.empty()) {
      const size_t node = stack.back();
      stack.pop_back();
      if (place_[node] != kNowhere) continue;
      place_[node] = pending_.size();
      pending_.push_back({.node = node});
      if (is_cached(node)) continue;  // a target that will only be reported
      for (const PlannedInput& input : plan_[node].inputs)
        if (input.kind == PlannedInput::Kind::kLink && !is_cached(input.source)) stack.push_back(input.source);
    }
  }
  for (size_t place = 0; place < pending_.size(); ++place) {
    if (is_cached(pending_[place].node)) continue;
    for (size_t source : sources_of(plan_[pending_[place].node])) {
      if (is_cached(source)) continue;
      pending_[place].blockers.push_back(place_[source]);
      pending_[place_[source]].blocking.push_back(place);
    }
    pending_[place].blocked_by = pending_[place].blockers.size();
  }
}

// 0: an output; 1: an output waits for it; 2: a node of rank 1 waits for it; 3: the rest.
void Schedule::rank_all() {
  for (Pending& pending : pending_) pending.rank = plan_[pending.node].type->is_output ? 0 : 3;
  for (int rank : {1, 2})
    for (Pending& pending : pending_) {
      const auto waits = [&](size_t place) { return pending_[place].rank == rank - 1; };
      if (pending.rank > rank && std::any_of(pending.blocking.begin(), pending.blocking.end(), waits))
        pending.rank = rank;
    }
}

std::optional<size_t> Schedule::next() {
  if (ready_.empty()) return std::nullopt;
  const size_t place = ready_.begin()->second;
  ready_.erase(ready_.begin());
  return pending_[place].node;
}

void Schedule::done(size_t node) {
  Pending& finished = pending_[place_[node]];
  finished.is_done = true;
  --left_;
  for (size_t place : finished.blocking)
    if (--pending_[place].blocked_by == 0) ready_.insert({pending_[place].rank, place});
}

std::vector<size_t> Schedule::cycle() const {
  if (left_ == 0 || !ready_.empty()) return {};
  // Every node that is left waits for another that is left: walk until one comes again.
  const auto waiting = [&](size_t place) { return !pending_[place].is_done; };
  size_t place = 0;
  while (!waiting(place)) ++place;
  std::vector<size_t> path, seen_at(pending_.size(), kNowhere);
  while (seen_at[place] == kNowhere) {
    seen_at[place] = path.size();
    path.push_back(place);
    place = *std::find_if(pending_[place].blockers.begin(), pending_[place].blockers.end(), waiting);
  }
  std::vector<size_t> nodes;
  for (size_t i = seen_at[place]; i < path.size(); ++i) nodes.push_back(pending_[path[i]].node);
  return nodes;
}

}  // namespace easel
