// The graph engine on large prompts: from JSON text to an order of execution. Everything should be linear; 100,000
// nodes should take less than a second and 200 MB, of which the counter MB tells the peak.
#include <benchmark/benchmark.h>

#include <fstream>

#include "graph/execute.h"
#include "graph/graph_builder.h"
#include "graph/schedule.h"
#include "graph/signature.h"
#include "graph/validate.h"

namespace {

using namespace easel;

Registry nodes() {
  Registry registry;
  registry.add(
      {.id = "Add", .inputs = {integer("a"), integer("b")}, .run = [](int64_t a, int64_t b) { return a + b; }});
  registry.add({.id = "Join", .inputs = {integer("first")}, .run = [](int64_t, const Others&) { return int64_t{0}; }});
  registry.add({.id = "Loop",  // into itself, as often as it says
                .inputs = {integer("count")},
                .outputs = {{.type = "INT"}},
                .run = [](Context& context, int64_t count) {
                  if (count == 0) return Returned{.slots = {{Value::of(count)}}};
                  GraphBuilder graph(context.graph_prefix());
                  return graph.expand({graph.node("Loop", "Recurse").set("count", Json(count - 1)).out(0)});
                }});
  registry.add({.id = "Show", .inputs = {integer("value")}, .run = [](int64_t) { return Ui(); }, .is_output = true});
  return registry;
}

std::string add(int64_t id, const std::string& a, const std::string& b) {
  return "\"" + std::to_string(id) + R"(": {"inputs": {"a": )" + a + R"(, "b": )" + b + R"(}, "class_type": "Add"}, )";
}
std::string link(int64_t id) { return "[\"" + std::to_string(id) + "\", 0]"; }

// Each node depends on the one before, by `links` of its two inputs.
std::string chain(int64_t count, int links) {
  std::string text = "{" + add(0, "1", "2");
  for (int64_t i = 1; i < count; ++i) text += add(i, link(i - 1), links == 2 ? link(i - 1) : std::to_string(i));
  return text + R"("show": {"class_type": "Show", "inputs": {"value": )" + link(count - 1) + "}}}";
}

// Outputs that depend on one node.
std::string wide(int64_t count) {
  std::string text = "{" + add(0, "1", "2");
  for (int64_t i = 1; i < count; ++i)
    text += "\"" + std::to_string(i) + R"(": {"class_type": "Show", "inputs": {"value": ["0", 0]}}, )";
  return text + R"("show": {"class_type": "Show", "inputs": {"value": ["0", 0]}}})";
}

// One node that depends on all others.
std::string fan_in(int64_t count) {
  std::string text = "{", join = R"("join": {"class_type": "Join", "inputs": {"first": 1)";
  for (int64_t i = 0; i < count; ++i) {
    text += add(i, std::to_string(i), "1");
    join += ", \"input" + std::to_string(i) + "\": " + link(i);
  }
  return text + join + R"(}}, "show": {"class_type": "Show", "inputs": {"value": ["join", 0]}}})";
}

// Of a line of /proc/self/status, in MB.
double status_mb(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name)) return std::stod(line.substr(name.size() + 1)) / 1024;
  return 0;
}

// How far the process's memory grows beyond what it has now.
class Peak {
 public:
  Peak() : before_(status_mb("VmRSS")) { std::ofstream("/proc/self/clear_refs") << 5; }
  double mb() const { return status_mb("VmHWM") - before_; }

 private:
  const double before_;
};

void run(benchmark::State& state, const std::string& text) {
  const Registry registry = nodes();
  const Peak peak;
  for (auto _ : state) {
    Prompt prompt = parse_prompt(text);
    const ValidationResult result = validate(prompt, registry, {});
    const auto plan = make_plan(prompt, registry);
    const std::vector<Json> fingerprints(plan.size());
    Signer signer(plan, fingerprints, [&](size_t node) -> const std::string& { return prompt.nodes[node].id; });
    benchmark::DoNotOptimize(signer.sign_all());
    std::vector<size_t> targets;
    for (const std::string& output : result.outputs_to_execute) targets.push_back(prompt.find(output));
    Schedule schedule(plan, [](size_t) { return false; });
    for (size_t target : targets) schedule.add(target);
    size_t ran = 0;
    for (; auto node = schedule.next(); ++ran) schedule.done(*node);
    if (ran != prompt.nodes.size()) state.SkipWithError("not every node was planned");
  }
  state.SetComplexityN(state.range(0));
  state.counters["MB"] = peak.mb();
}

// The whole run, cached or not: what the engine itself costs a node.
void BM_Execute(benchmark::State& state) {
  const Registry registry = nodes();
  const std::string text = chain(state.range(0), 2);
  for (auto _ : state) {
    Executor executor(registry);
    Listener nobody;
    executor.run({.prompt = parse_prompt(text), .outputs = {"show"}}, nobody);
  }
  state.SetComplexityN(state.range(0));
}

void BM_Loop(benchmark::State& state) {
  const Registry registry = nodes();
  const std::string text = R"({"loop": {"class_type": "Loop", "inputs": {"count": )" + std::to_string(state.range(0)) +
                           R"(}}, "show": {"class_type": "Show", "inputs": {"value": ["loop", 0]}}})";
  for (auto _ : state) {
    Executor executor(registry);
    Listener nobody;
    if (executor.run({.prompt = parse_prompt(text), .outputs = {"show"}}, nobody).status !=
        ExecutionResult::Status::kSuccess)
      state.SkipWithError("the loop failed");
  }
  state.SetComplexityN(state.range(0));
}

void BM_Chain(benchmark::State& state) { run(state, chain(state.range(0), 1)); }
void BM_Diamonds(benchmark::State& state) { run(state, chain(state.range(0), 2)); }
void BM_Wide(benchmark::State& state) { run(state, wide(state.range(0))); }
void BM_FanIn(benchmark::State& state) { run(state, fan_in(state.range(0))); }

}  // namespace

BENCHMARK(BM_Chain)->RangeMultiplier(10)->Range(100, 100'000)->Unit(benchmark::kMillisecond)->Complexity();
BENCHMARK(BM_Diamonds)->RangeMultiplier(10)->Range(100, 100'000)->Unit(benchmark::kMillisecond)->Complexity();
BENCHMARK(BM_Wide)->RangeMultiplier(10)->Range(100, 100'000)->Unit(benchmark::kMillisecond)->Complexity();
BENCHMARK(BM_FanIn)->RangeMultiplier(10)->Range(100, 100'000)->Unit(benchmark::kMillisecond)->Complexity();
BENCHMARK(BM_Execute)->RangeMultiplier(10)->Range(100, 100'000)->Unit(benchmark::kMillisecond)->Complexity();
BENCHMARK(BM_Loop)->RangeMultiplier(10)->Range(10, 1'000)->Unit(benchmark::kMillisecond)->Complexity();
BENCHMARK_MAIN();
