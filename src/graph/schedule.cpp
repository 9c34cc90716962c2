#include "graph/schedule.h"

#include <algorithm>

namespace easel {
namespace {

// The nodes it must wait for, each once, in the order of its inputs.
std::vector<size_t> sources_of(const PlannedNode& node) {
  std::vector<size_t> sources;
  for (const PlannedInput& input : node.inputs)
    if (input.links() && !input.lazy) sources.push_back(input.source);
  if (sources.size() < 2) return sources;
  std::vector<size_t> sorted = sources;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end()) return sources;
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  return sorted;
}

}  // namespace

Schedule::Schedule(const std::vector<PlannedNode>& plan, std::function<bool(size_t)> has_result)
    : plan_(plan), has_result_(std::move(has_result)), pending_(plan.size()) {}

void Schedule::meet(size_t node) {
  Pending& pending = pending_[node];
  const Node& type = *plan_[node].type;
  pending = {};
  pending.state = State::kWaiting;
  pending.order = met_++;
  pending.distance = type.is_output ? 0 : 3;
  pending.first = type.is_output || type.overlap != Overlap::kNone;
  ++left_;
}

void Schedule::add(size_t target) {
  if (pending_.size() < plan_.size()) pending_.resize(plan_.size());
  std::vector<size_t> stack = {target}, met;
  while (!stack.empty()) {
    const size_t node = stack.back();
    stack.pop_back();
    if (is_pending(node)) continue;
    meet(node);
    met.push_back(node);
    if (has_result_(node)) continue;  // a target that will only be reported
    for (const PlannedInput& input : plan_[node].inputs)
      if (input.links() && !input.lazy && !has_result_(input.source)) stack.push_back(input.source);
  }
  for (size_t node : met)
    if (!has_result_(node))
      for (size_t source : sources_of(plan_[node]))
        if (!has_result_(source)) block(node, source);
  for (size_t node : met) settle(node);
}

void Schedule::need(size_t node, std::vector<size_t> sources) {
  std::sort(sources.begin(), sources.end());
  sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
  for (size_t source : sources)
    if (!has_result_(source)) add(source);
  pending_[node].blockers.clear();  // they are done
  for (size_t source : sources)
    if (!has_result_(source)) block(node, source);
}

// `source` is pending and `node` does not wait for it yet.
void Schedule::block(size_t node, size_t source) {
  pending_[node].blockers.push_back(source);
  ++pending_[node].blocked_by;
  pending_[source].blocking.push_back(node);
  if (pending_[node].distance < 2) come_nearer(source, pending_[node].distance + 1);
}

// Happens at most three times to a node, so that all of it is linear in the number of links.
void Schedule::come_nearer(size_t node, int distance) {
  if (pending_[node].distance <= distance) return;
  const bool is_ready = pending_[node].state == State::kReady;
  if (is_ready) ready_.erase(key(node));
  pending_[node].distance = static_cast<int8_t>(distance);
  if (is_ready) ready_.insert(key(node));
  if (distance == 1)
    for (size_t source : pending_[node].blockers) come_nearer(source, 2);
}

std::pair<std::pair<int, size_t>, size_t> Schedule::key(size_t node) const {
  const Pending& pending = pending_[node];
  return {{pending.first ? 0 : pending.distance, pending.order}, node};
}

void Schedule::settle(size_t node) {
  if (pending_[node].state != State::kWaiting || pending_[node].blocked_by > 0) return;
  pending_[node].state = State::kReady;
  ready_.insert(key(node));
}

std::optional<size_t> Schedule::next() {
  if (ready_.empty()) return std::nullopt;
  const size_t node = ready_.begin()->second;
  ready_.erase(ready_.begin());
  pending_[node].state = State::kGiven;
  return node;
}

void Schedule::done(size_t node) {
  pending_[node].state = State::kDone;
  --left_;
  for (size_t waiting : pending_[node].blocking) {
    --pending_[waiting].blocked_by;
    settle(waiting);
  }
}

void Schedule::put_back(size_t node) {
  pending_[node].state = State::kWaiting;
  settle(node);
}

std::vector<size_t> Schedule::cycle() const {
  if (left_ == 0 || !ready_.empty()) return {};
  // Every node that is left waits for another that is left: walk until one comes again.
  size_t node = 0;
  while (!is_pending(node)) ++node;
  std::vector<size_t> path, seen_at(pending_.size(), SIZE_MAX);
  while (seen_at[node] == SIZE_MAX) {
    seen_at[node] = path.size();
    path.push_back(node);
    const auto& blockers = pending_[node].blockers;
    const auto waited_for = std::find_if(blockers.begin(), blockers.end(), [&](size_t b) { return is_pending(b); });
    if (waited_for == blockers.end()) return {};  // it was given out
    node = *waited_for;
  }
  return {path.begin() + static_cast<std::ptrdiff_t>(seen_at[node]), path.end()};
}

}  // namespace easel
