#include "graph/execute.h"

#include <limits>

#include "base/error.h"
#include "base/log.h"
#include "graph/call.h"
#include "graph/failure.h"
#include "graph/plan.h"
#include "graph/schedule.h"

namespace easel {
namespace {

struct CycleError {};

// One prompt on its way.
class PromptRun {
 public:
  PromptRun(ExecutionRequest& request, const Registry& registry, OutputCache& cache, Listener& listener,
            std::stop_token interrupt)
      : request_(request), registry_(registry), cache_(cache), listener_(listener), interrupt_(interrupt) {}

  void run_all();
  void report_interrupt();
  void report_failure(const Failure& failure);
  ExecutionResult result(ExecutionResult::Status status) const;

  void check_interrupt() const {
    if (interrupt_.stop_requested()) throw Interrupted();
  }
  void show_progress(size_t node, const char* state, double value, double max);
  const std::string& id(size_t node) const { return request_.prompt.nodes[node].id; }
  const std::string& prompt_json();
  const ExecutionRequest& request() const { return request_; }
  Listener& listener() const { return listener_; }

 private:
  void take_fingerprints();
  Json fingerprint(size_t node) const;
  void find_cached();
  std::vector<size_t> targets() const;
  void execute(size_t node);

  ExecutionRequest& request_;
  const Registry& registry_;
  OutputCache& cache_;
  Listener& listener_;
  const std::stop_token interrupt_;

  std::vector<PlannedNode> plan_;
  std::vector<Json> fingerprints_;
  std::vector<std::optional<Signature>> signatures_;
  std::vector<SharedResult> results_;
  std::vector<std::string> executed_;
  std::string prompt_json_;

  size_t current_ = Prompt::kNone;  // the node that runs
  CallInputs inputs_;               // what it was given
  double steps_ = 1;                // how many it said it takes
};

// What the running node sees of the engine.
class NodeContext : public Context {
 public:
  NodeContext(PromptRun& run, size_t node) : run_(run), node_(node) {}

  const std::string& node_id() const override { return run_.id(node_); }
  const std::string& prompt_json() const override { return run_.prompt_json(); }
  const OrderedJson& extra_pnginfo() const override { return run_.request().extra_pnginfo; }
  const PreviewSettings& previews() const override { return run_.request().previews; }
  void check_interrupt() override { run_.check_interrupt(); }
  void text(const std::string& message) override { run_.listener().on_text(node_id(), valid_utf8(message)); }

  void progress(int64_t value, int64_t max, const std::function<Preview()>& preview) override {
    check_interrupt();
    run_.show_progress(node_, "running", static_cast<double>(value), static_cast<double>(max));
    run_.listener().on_progress(node_id(), value, max);
    if (preview && previews().wanted()) run_.listener().on_preview(node_id(), preview());
  }

 private:
  PromptRun& run_;
  const size_t node_;
};

void PromptRun::run_all() {
  check_interrupt();
  plan_ = make_plan(request_.prompt, registry_);
  take_fingerprints();
  find_cached();
  Schedule schedule(plan_, targets(), [this](size_t node) { return results_[node] != nullptr; });
  while (auto node = schedule.next()) {
    execute(*node);
    schedule.done(*node);
  }
  if (const std::vector<size_t> cycle = schedule.cycle(); !cycle.empty()) {
    current_ = cycle.front();
    throw CycleError();
  }
}

void PromptRun::take_fingerprints() {
  fingerprints_.resize(plan_.size());
  for (size_t node = 0; node < plan_.size(); ++node) {
    if (!plan_[node].type->fingerprint) continue;
    fingerprints_[node] = fingerprint(node);
    // As ComfyUI does: it is part of the prompt that is saved in pictures.
    request_.prompt.nodes[node].others["is_changed"] = Json::array({fingerprints_[node]});
  }
}

// NaN, so that the node always runs, if it cannot be told.
Json PromptRun::fingerprint(size_t node) const {
  const PlannedNode& planned = plan_[node];
  std::vector<Argument> arguments(planned.inputs.size());
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
  signatures_ = sign(request_.prompt, plan_, fingerprints_);
  cache_.begin(signatures_);
  std::vector<std::string> cached;
  results_.resize(plan_.size());
  for (size_t node = 0; node < plan_.size(); ++node) {
    results_[node] = cache_.find(signatures_[node]);
    if (results_[node]) cached.push_back(id(node));
  }
  listener_.on_cached(cached);
}

std::vector<size_t> PromptRun::targets() const {
  std::vector<size_t> targets;
  for (const std::string& output : request_.outputs) {
    targets.push_back(request_.prompt.find(output));
    if (targets.back() == Prompt::kNone) fail("execute: node {} is to be executed but is not in the prompt", output);
  }
  return targets;
}

// Next to come here: check_lazy_status before the call, expansion and blockers after it, async nodes around it.
void PromptRun::execute(size_t node) {
  current_ = node;
  const Node& type = *plan_[node].type;
  if (!results_[node]) results_[node] = cache_.find(signatures_[node]);  // an equal node has run in this prompt
  if (results_[node]) {
    listener_.on_executed(id(node), results_[node]->ui);
    show_progress(node, "finished", 1, 1);
    return;
  }
  show_progress(node, "running", 0, 1);
  inputs_ = {};
  inputs_ = gather_inputs(plan_[node], results_);
  listener_.on_executing(id(node), id(node));
  NodeContext context(*this, node);
  results_[node] = std::make_shared<const NodeResult>(call_node(type, inputs_, context));
  inputs_ = {};
  cache_.store(signatures_[node], results_[node]);
  if (results_[node]->ui.is_object() && !results_[node]->ui.empty())
    listener_.on_executed(id(node), results_[node]->ui);
  executed_.push_back(id(node));
  show_progress(node, "finished", steps_, steps_);
}

void PromptRun::show_progress(size_t node, const char* state, double value, double max) {
  steps_ = max;
  const std::string& name = id(node);
  listener_.on_progress_state({name, name, name, std::nullopt, state, value, max});
}

const std::string& PromptRun::prompt_json() {
  if (prompt_json_.empty()) prompt_json_ = prompt_to_json(request_.prompt);
  return prompt_json_;
}

void PromptRun::report_interrupt() {
  const bool in_node = current_ != Prompt::kNone;
  listener_.on_interrupted(in_node ? id(current_) : "", in_node ? plan_[current_].type->id : "", executed_);
}

void PromptRun::report_failure(const Failure& failure) {
  ExecutionFailure report{.executed = executed_, .message = failure.message, .type = failure.type};
  if (current_ != Prompt::kNone) {
    report.node_id = id(current_);
    report.node_type = plan_[current_].type->id;
    report.current_inputs = show_inputs(*plan_[current_].type, inputs_);
  }
  report.traceback = {fmt::format("in node {} ({})\n", report.node_id, report.node_type),
                      fmt::format("{}: {}\n", failure.type, failure.message)};
  for (const PromptNode& node : request_.prompt.nodes) report.current_outputs.push_back(node.id);
  listener_.on_error(report);
}

ExecutionResult PromptRun::result(ExecutionResult::Status status) const {
  OrderedJson::object_t outputs, meta;  // emplace_back: ids differ, and a look-up for each would be quadratic
  for (size_t node = 0; node < results_.size(); ++node) {
    if (!results_[node] || !results_[node]->ui.is_object() || results_[node]->ui.empty()) continue;
    outputs.emplace_back(id(node), results_[node]->ui);
    meta.emplace_back(
        id(node),
        OrderedJson{
            {"node_id", id(node)}, {"display_node", id(node)}, {"parent_node", nullptr}, {"real_node_id", id(node)}});
  }
  return {status, std::move(outputs), std::move(meta)};
}

}  // namespace

// The one place where a node's exception ends.
ExecutionResult Executor::run(ExecutionRequest request, Listener& listener, std::stop_token interrupt) {
  using Status = ExecutionResult::Status;
  PromptRun run(request, registry_, cache_, listener, interrupt);
  listener.on_start();
  try {
    run.run_all();
    listener.on_success();
    return run.result(Status::kSuccess);
  } catch (const Interrupted&) {
    run.report_interrupt();
    return run.result(Status::kInterrupted);
  } catch (const CycleError&) {
    run.report_failure({"graph.DependencyCycleError", "Dependency cycle detected", false});
  } catch (...) {
    const Failure failure = current_failure(hooks_.is_out_of_memory);
    if (failure.out_of_memory && hooks_.on_out_of_memory) hooks_.on_out_of_memory();
    run.report_failure(failure);
  }
  return run.result(Status::kError);
}

}  // namespace easel
