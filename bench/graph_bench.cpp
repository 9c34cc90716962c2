// The graph engine on large prompts: from JSON text to an order of execution. Everything should be linear.
#include <benchmark/benchmark.h>

#include "graph/schedule.h"
#include "graph/signature.h"
#include "graph/validate.h"

namespace {

using namespace easel;

Registry nodes() {
  Registry registry;
  registry.add(
      {.id = "Add", .inputs = {integer("a"), integer("b")}, .run = [](int64_t a, int64_t b) { return a + b; }});
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

void run(benchmark::State& state, const std::string& text) {
  const Registry registry = nodes();
  for (auto _ : state) {
    Prompt prompt = parse_prompt(text);
    const ValidationResult result = validate(prompt, registry, {});
    const auto plan = make_plan(prompt, registry);
    benchmark::DoNotOptimize(sign(prompt, plan, std::vector<Json>(plan.size())));
    std::vector<size_t> targets;
    for (const std::string& output : result.outputs_to_execute) targets.push_back(prompt.find(output));
    Schedule schedule(plan, targets, [](size_t) { return false; });
    size_t ran = 0;
    for (; auto node = schedule.next(); ++ran) schedule.done(*node);
    if (ran != prompt.nodes.size()) state.SkipWithError("not every node was planned");
  }
  state.SetComplexityN(state.range(0));
}

void BM_Chain(benchmark::State& state) { run(state, chain(state.range(0), 1)); }
void BM_Diamonds(benchmark::State& state) { run(state, chain(state.range(0), 2)); }
void BM_Wide(benchmark::State& state) { run(state, wide(state.range(0))); }

}  // namespace

BENCHMARK(BM_Chain)->RangeMultiplier(10)->Range(100, 100'000)->Unit(benchmark::kMillisecond)->Complexity();
BENCHMARK(BM_Diamonds)->RangeMultiplier(10)->Range(100, 100'000)->Unit(benchmark::kMillisecond)->Complexity();
BENCHMARK(BM_Wide)->RangeMultiplier(10)->Range(100, 100'000)->Unit(benchmark::kMillisecond)->Complexity();
BENCHMARK_MAIN();
