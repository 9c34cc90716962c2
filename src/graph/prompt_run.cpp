#include "graph/prompt_run.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/log.h"
#include "graph/node_context.h"

namespace easel {
namespace {

std::vector<size_t> sources_of(const PlannedNode& node) {
  std::vector<size_t> sources;
  for (const PlannedInput& input : node.inputs)
    if (input.links()) sources.push_back(input.source);
  return sources;
}

}  // namespace

PromptRun::PromptRun(ExecutionRequest& request, const Registry& registry, OutputCache& cache, SideThreads& side,
                     Listener& listener, std::stop_token interrupt)
    : request_(request),
      registry_(registry),
      cache_(cache),
      side_(side),
      listener_(listener),
      lets_go_(cache.kind() == CachePolicy::Kind::kNone),
      prompt_(request.prompt),
      signer_(plan_, fingerprints_, [this](size_t node) -> const std::string& { return id(node); }),
      schedule_(plan_, [this](size_t node) { return states_[node].result != nullptr; }),
      interrupted_(interrupt, [this] { cancel_.request_stop(); }) {}

void PromptRun::run_all() {
  const auto check_interrupt = [this] {
    if (cancel_.stop_requested()) throw Interrupted();
  };
  check_interrupt();
  plan_from(0);
  find_cached();
  const std::vector<size_t> outputs = targets();
  if (lets_go_) count_uses(outputs);
  for (size_t target : outputs) schedule_.add(target);
  for (;;) {
    while (auto node = take_finished(false)) finish_calls(*node);
    if (auto node = schedule_.next()) {
      execute(*node);
    } else if (beside_ > 0) {
      if (auto finished = take_finished(true)) finish_calls(*finished);
      check_interrupt();
    } else {
      return blame_cycle();
    }
  }
}

// Plans, from this node on, those that the prompt has gained; all of them, or none if one is of no known class.
void PromptRun::plan_from(size_t first) {
  std::vector<PlannedNode> gained;
  gained.reserve(prompt_.size() - first);
  for (size_t node = first; node < prompt_.size(); ++node) gained.push_back(plan_node(prompt_.node(node), registry_));
  plan_.insert(plan_.end(), std::make_move_iterator(gained.begin()), std::make_move_iterator(gained.end()));
  fingerprints_.resize(plan_.size());
  states_.resize(plan_.size());
  for (size_t node = first; node < plan_.size(); ++node) {
    if (!plan_[node].type->fingerprint) continue;
    fingerprints_[node] = fingerprint(node);
    // As ComfyUI does: it is part of the prompt that is saved in pictures.
    if (!prompt_.is_ephemeral(node)) prompt_.node(node).others["is_changed"] = Json::array({fingerprints_[node]});
  }
}

// NaN, so that the node always runs, if it cannot be told.
Json PromptRun::fingerprint(size_t node) const {
  const PlannedNode& planned = plan_[node];
  std::vector<Argument> arguments(planned.type->inputs.size());
  for (size_t i = 0; i < arguments.size(); ++i)
    if (planned.inputs[i].kind == PlannedInput::Kind::kConstant)
      arguments[i].push_back(constant_value(*planned.inputs[i].constant, planned.type->inputs[i].type));
  try {
    return planned.type->fingerprint(arguments);
  } catch (const std::exception& error) {
    log::warn("node {} ({}): its fingerprint could not be taken: {}", id(node), planned.type->id, error.what());
    return std::numeric_limits<double>::quiet_NaN();
  }
}

void PromptRun::find_cached() {
  const auto& signatures = signer_.sign_all();
  cache_.begin(signatures, [this](const std::string& owner) {
    const size_t end = owner.rfind('\n'), node = prompt_.find(owner.substr(0, end));
    return node != Prompt::kNone && owner.substr(end + 1) == plan_[node].type->id;
  });
  std::vector<std::string> cached;
  for (size_t node = 0; node < plan_.size(); ++node) {
    states_[node].result = cache_.find(signatures[node]);
    if (states_[node].result) cached.push_back(id(node));
  }
  tell([&](Listener& listener) { listener.on_cached(cached); });
}

std::vector<size_t> PromptRun::targets() const {
  std::vector<size_t> targets;
  for (const std::string& output : request_.outputs) {
    targets.push_back(prompt_.find(output));
    if (targets.back() == Prompt::kNone) fail("execute: node {} is to be executed but is not in the prompt", output);
  }
  return targets;
}

void PromptRun::execute(size_t node) {
  current_ = node;
  State& state = states_[node];
  if (state.task) return finish(node);                                      // what it expanded into has run
  if (!state.result) state.result = cache_.find(signer_.sign_all()[node]);  // an equal node has run in this prompt
  state.result ? report_cached(node) : begin(node);
}

void PromptRun::report_cached(size_t node) {
  NodeTask task;
  task.ids = prompt_.ids(node);
  tell([&](Listener& listener) { listener.on_executed(task.ids.node, task.ids.display, states_[node].result->ui); });
  show_progress(task, "finished", 1, 1);
  schedule_.done(node);
}

void PromptRun::begin(size_t node) {
  NodeTask& task = *(states_[node].task = std::make_unique<NodeTask>());
  task.ids = prompt_.ids(node);
  show_progress(task, "running", 0, 1);
  task.inputs = gather_inputs(plan_[node], result_of_);
  tell([&](Listener& listener) { listener.on_executing(task.ids.node, task.ids.display); });
  if (ask_for_lazy(node)) return;
  goes_beside(node) ? call_beside(node) : call_here(node);
}

// What only may run beside others does so if there is something to gain by it, or it must wait for its turn there.
bool PromptRun::goes_beside(size_t node) const {
  const Overlap overlap = plan_[node].type->overlap;
  return overlap == Overlap::kFree || (overlap == Overlap::kInOrder && (in_order_ > 0 || schedule_.work_is_ready()));
}

void PromptRun::came_back(size_t node) {
  --beside_;
  if (plan_[node].type->overlap == Overlap::kInOrder) --in_order_;
}

// True if the node must wait for inputs that it has asked for.
bool PromptRun::ask_for_lazy(size_t node) {
  const PlannedNode& planned = plan_[node];
  NodeTask& task = *states_[node].task;
  if (!planned.type->needs || task.inputs.missing.empty()) return false;
  std::vector<size_t> wanted;
  for (size_t call = 0; call < count_calls(*planned.type, task.inputs); ++call) {
    NodeContext context(*this, task, call);
    context.check_interrupt();
    const auto arguments = arguments_of_call(planned, task.inputs, call);
    if (find_blocker(arguments)) continue;
    for (const std::string& name : planned.type->needs(context, arguments)) {
      const auto& inputs = planned.type->inputs;
      const auto input = std::find_if(inputs.begin(), inputs.end(), [&](const Input& i) { return i.name == name; });
      if (input == inputs.end()) fail("{}: it asks for an input '{}' that it has not", planned.type->id, name);
      const auto place = static_cast<size_t>(input - inputs.begin());
      const auto& missing = task.inputs.missing;
      if (std::find(missing.begin(), missing.end(), place) != missing.end())
        wanted.push_back(planned.inputs[place].source);
      else if (!task.inputs.lists[place])
        fail("{}: it asks for its input '{}', to which nothing is linked", planned.type->id, name);
    }
  }
  if (wanted.empty()) return false;
  states_[node].task.reset();
  schedule_.need(node, std::move(wanted));
  schedule_.put_back(node);
  return true;
}

// A blocker among the arguments: the call is not made, and this is what it gives.
std::optional<Returned> PromptRun::blocked(size_t node, const std::vector<Argument>& arguments) {
  const Blocker* blocker = find_blocker(arguments);
  if (!blocker) return std::nullopt;
  if (blocker->message)
    tell([&](Listener& listener) {
      listener.on_blocked(id(node), plan_[node].type->id, executed_, valid_utf8(*blocker->message));
    });
  return Returned{.slots = {}, .blocked = Blocker{}};
}

Returned PromptRun::call(size_t node, size_t call, const std::vector<Argument>& arguments) {
  NodeContext context(*this, *states_[node].task, call);
  context.check_interrupt();
  return plan_[node].type->run(context, arguments);
}

void PromptRun::call_here(size_t node) {
  NodeTask& task = *states_[node].task;
  const size_t calls = count_calls(*plan_[node].type, task.inputs);
  for (size_t i = 0; i < calls; ++i) {
    const auto arguments = arguments_of_call(plan_[node], task.inputs, i);
    auto refused = blocked(node, arguments);
    task.calls.push_back(refused ? std::move(*refused) : call(node, i, arguments));
  }
  finish_calls(node);
}

void PromptRun::call_beside(size_t node) {
  const Node& type = *plan_[node].type;
  NodeTask& task = *states_[node].task;
  const size_t calls = count_calls(type, task.inputs);
  task.calls.resize(calls);
  task.failures.resize(calls);
  std::vector<std::pair<size_t, std::vector<Argument>>> open;
  for (size_t i = 0; i < calls; ++i) {
    auto arguments = arguments_of_call(plan_[node], task.inputs, i);
    if (auto refused = blocked(node, arguments))
      task.calls[i] = std::move(*refused);
    else
      open.emplace_back(i, std::move(arguments));
  }
  if (open.empty()) return finish_calls(node);
  task.running = open.size();
  ++beside_;
  if (type.overlap == Overlap::kInOrder) ++in_order_;
  for (auto& [i, arguments] : open) {
    // The plan may grow while this runs: nothing of it is touched there but the node's declaration.
    const auto run = [this, node, &type, &task, i = i, arguments = std::move(arguments)] {
      try {
        NodeContext context(*this, task, i);
        context.check_interrupt();
        task.calls[i] = type.run(context, arguments);
      } catch (...) {
        task.failures[i] = std::current_exception();
      }
      std::lock_guard lock(mutex_);
      if (--task.running > 0) return;
      finished_.push_back(node);
      changed_.notify_all();
    };
    side_.start(run, type.overlap == Overlap::kInOrder);
  }
}

// A node whose calls on side threads have all ended. Waits for one, or for the interrupt.
std::optional<size_t> PromptRun::take_finished(bool wait) {
  if (beside_ == 0) return std::nullopt;
  std::unique_lock lock(mutex_);
  if (wait) changed_.wait(lock, cancel_.get_token(), [this] { return !finished_.empty(); });
  if (finished_.empty()) return std::nullopt;
  current_ = finished_.front();
  finished_.pop_front();
  came_back(current_);
  return current_;
}

void PromptRun::finish_calls(size_t node) {
  NodeTask& task = *states_[node].task;
  for (std::exception_ptr& failure : task.failures)
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
  task.ui = join_ui(task.calls);
  if (task.ui.is_object() && !task.ui.empty())
    tell([&](Listener& listener) { listener.on_executed(task.ids.node, task.ids.display, task.ui); });
  expands(task.calls) ? expand(node) : finish(node);
}

// Adds what the calls gave to the prompt; the node goes on when all that its outputs link to has run.
void PromptRun::expand(size_t node) {
  NodeTask& task = *states_[node].task;
  task.awaits_graph = true;
  states_[node].expanded = true;
  const size_t first = prompt_.size();
  for (Returned& call : task.calls)
    if (call.expand) {
      prompt_.add(std::move(*call.expand), node);
      call.expand.emplace();
    }
  plan_from(first);
  const auto& signatures = signer_.sign_all();
  cache_.expands(owner_of(node));
  for (size_t made = first; made < plan_.size(); ++made) {
    states_[made].result = cache_.find(signatures[made]);
    if (lets_go_) count_uses({made});
  }
  std::vector<size_t> sources;
  for (const Link& link : links_in(task.calls)) {
    sources.push_back(prompt_.find(link.node));
    if (sources.back() == Prompt::kNone)
      fail("{}: it gave an output of node {}, which there is not", plan_[node].type->id, link.node);
  }
  if (lets_go_)
    for (size_t source : sources) ++states_[source].uses;
  for (size_t made = first; made < plan_.size(); ++made)
    if (plan_[made].type->is_output) schedule_.add(made);
  schedule_.need(node, std::move(sources));
  schedule_.put_back(node);
}

void PromptRun::finish(size_t node) {
  State& state = states_[node];
  NodeTask& task = *state.task;
  NodeResult made = join_calls(*plan_[node].type, task.calls, [this](const std::string& name) {
    const size_t source = prompt_.find(name);
    return source == Prompt::kNone ? nullptr : states_[source].result;
  });
  made.ui = std::move(task.ui);
  state.result = std::make_shared<const NodeResult>(std::move(made));
  cache_.store(signer_.sign_all()[node], state.result, prompt_.is_ephemeral(node) ? owner_of(node) : "");
  executed_.push_back(task.ids.node);
  show_progress(task, "finished", task.steps, task.steps);
  if (lets_go_) {
    std::vector<size_t> used = sources_of(plan_[node]);
    if (task.awaits_graph)
      for (const Link& link : links_in(task.calls)) used.push_back(prompt_.find(link.node));
    use(used, -1);
  }
  state.task.reset();
  schedule_.done(node);
}

// These may run, and with them all that they are linked to in any way: counts how many nodes each result is for.
void PromptRun::count_uses(std::vector<size_t> stack) {
  while (!stack.empty()) {
    const size_t node = stack.back();
    stack.pop_back();
    if (std::exchange(states_[node].counted, true)) continue;
    use(sources_of(plan_[node]), 1);
    for (const PlannedInput& input : plan_[node].inputs)
      if (input.links() || (input.kind == PlannedInput::Kind::kRaw && input.source != Link::kMissing))
        stack.push_back(input.source);
  }
}

void PromptRun::use(const std::vector<size_t>& sources, int64_t change) {
  for (size_t source : sources) {
    State& state = states_[source];
    state.uses += change;
    if (change > 0 || state.uses != 0 || !state.result || state.expanded) continue;
    state.ui = state.result->ui;
    state.result = nullptr;
  }
}

std::string PromptRun::owner_of(size_t node) const {
  const size_t real = prompt_.real(node);
  return id(real) + "\n" + plan_[real].type->id;
}

void PromptRun::show_progress(NodeTask& task, const char* state, double value, double max) {
  tell([&](Listener& listener) {
    task.steps = max;
    listener.on_progress_state({task.ids.node, task.ids.display, task.ids.real, task.ids.parent, state, value, max});
  });
}

const std::string& PromptRun::prompt_json() {
  std::call_once(written_, [this] { prompt_json_ = prompt_to_json(request_.prompt); });
  return prompt_json_;
}

// A cycle is the fault of the node that made its nodes, if one did.
void PromptRun::blame_cycle() {
  const std::vector<size_t> cycle = schedule_.cycle();
  if (cycle.empty()) return;
  current_ = cycle.front();
  for (size_t node : cycle)
    if (prompt_.is_ephemeral(node)) {
      const size_t shown = prompt_.find(prompt_.ids(node).display);
      current_ = shown == Prompt::kNone ? prompt_.real(node) : shown;
      break;
    }
  throw CycleError();
}

void PromptRun::settle() {
  cancel_.request_stop();
  const size_t blamed = current_;
  while (beside_ > 0) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !finished_.empty(); });
    const size_t node = finished_.front();
    finished_.pop_front();
    came_back(node);
    lock.unlock();
    if (expands(states_[node].task->calls)) continue;
    try {
      finish_calls(node);
    } catch (...) {
      // It was stopped, or failed too: the first failure is the one to report.
    }
  }
  current_ = blamed;
}

void PromptRun::report_interrupt() {
  const bool in_node = current_ != Prompt::kNone;
  const size_t real = in_node ? prompt_.real(current_) : Prompt::kNone;
  tell([&](Listener& listener) {
    listener.on_interrupted(in_node ? id(real) : "", in_node ? plan_[real].type->id : "", executed_);
  });
}

void PromptRun::report_failure(const Failure& failure) {
  ExecutionFailure report;
  report.executed = executed_;
  report.message = failure.message;
  report.type = failure.type;
  if (current_ != Prompt::kNone) {
    const size_t real = prompt_.real(current_);
    report.node_id = id(real);
    report.node_type = plan_[real].type->id;
    if (const auto& task = states_[current_].task) report.current_inputs = show_inputs(plan_[current_], task->inputs);
  }
  report.traceback = {fmt::format("in node {} ({})\n", report.node_id, report.node_type),
                      fmt::format("{}: {}\n", failure.type, failure.message)};
  for (const PromptNode& node : request_.prompt.nodes) report.current_outputs.push_back(node.id);
  tell([&](Listener& listener) { listener.on_error(report); });
}

ExecutionResult PromptRun::result(ExecutionResult::Status status) const {
  OrderedJson::object_t outputs, meta;  // emplace_back: ids differ, and a look-up for each would be quadratic
  for (size_t node = 0; node < states_.size(); ++node) {
    const OrderedJson& ui = states_[node].result ? states_[node].result->ui : states_[node].ui;
    if (!ui.is_object() || ui.empty()) continue;
    const NodeIds ids = prompt_.ids(node);
    outputs.emplace_back(ids.node, ui);
    meta.emplace_back(ids.node, OrderedJson{{"node_id", ids.node},
                                            {"display_node", ids.display},
                                            {"parent_node", ids.parent ? OrderedJson(*ids.parent) : OrderedJson()},
                                            {"real_node_id", ids.real}});
  }
  return {status, std::move(outputs), std::move(meta)};
}

}  // namespace easel
