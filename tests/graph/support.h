// What the tests of graph/ share: a registry of test nodes, and a listener that writes down what it hears.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "graph/execute.h"
#include "graph/validate.h"
#include "test_worker/test_nodes.h"

namespace easel::test {

inline Registry test_registry(Probe probe = {}) {
  Registry registry;
  const std::string folder = std::filesystem::temp_directory_path() / ("easel_graph_test_" + std::to_string(getpid()));
  add_test_nodes(registry, probe);
  add_power_nodes(registry, probe);
  add_recorded_nodes(registry, folder + "/output", folder + "/temp");
  return registry;
}

// Recorded data; nothing where it is not on this machine.
inline std::optional<std::string> read_parity(const std::string& name) {
  const char* folder = std::getenv("EASEL_PARITY");
  const char* source = std::getenv("EASEL_SOURCE_DIR");
  const std::filesystem::path root =
      folder ? folder : std::filesystem::path(source ? source : ".") / "../shared/parity";
  std::ifstream file(root / name);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// What to sign a prompt with: all its signatures.
inline std::vector<std::optional<Signature>> sign(const Prompt& prompt, const std::vector<PlannedNode>& plan,
                                                  const std::vector<Json>& fingerprints) {
  return Signer(plan, fingerprints, [&](size_t node) -> const std::string& { return prompt.nodes[node].id; })
      .sign_all();
}

// One line for each event: "cached 1 2", "executing 3", "executed 3 {…}", "error 3 RuntimeError: …".
class Journal : public Listener {
 public:
  std::vector<std::string> lines;
  std::vector<NodeProgress> states;
  std::optional<ExecutionFailure> failure;
  std::function<void()> on_step = [] {};

  void on_start() override { lines.push_back("start"); }
  void on_cached(const std::vector<std::string>& nodes) override { lines.push_back("cached" + joined(nodes)); }
  void on_executing(const std::string& node, const std::string&) override { lines.push_back("executing " + node); }
  void on_progress(const std::string& node, int64_t value, int64_t max) override {
    lines.push_back("progress " + node + " " + std::to_string(value) + "/" + std::to_string(max));
    on_step();
  }
  void on_progress_state(const NodeProgress& changed) override { states.push_back(changed); }
  void on_preview(const NodeIds& node, Preview preview) override {
    lines.push_back("preview " + node.node + " " + preview.mime);
  }
  void on_text(const std::string& node, const std::string& text) override {
    lines.push_back("text " + node + " " + text);
  }
  void on_executed(const std::string& node, const std::string& display_node, const OrderedJson& ui) override {
    lines.push_back("executed " + node + (display_node == node ? "" : " on " + display_node) + " " + ui.dump());
  }
  void on_blocked(const std::string& node, const std::string& type, const std::vector<std::string>&,
                  const std::string& message) override {
    lines.push_back("blocked " + node + " " + type + ": " + message);
  }
  void on_success() override { lines.push_back("success"); }
  void on_error(const ExecutionFailure& failed) override {
    failure = failed;
    lines.push_back("error " + failed.node_id + " " + failed.type + ": " + failed.message);
  }
  void on_interrupted(const std::string& node, const std::string&, const std::vector<std::string>&) override {
    lines.push_back("interrupted " + node);
  }

 private:
  static std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += " " + word;
    return text;
  }
};

// Validates and runs, as server and worker together do. What is refused is not run.
struct Outcome {
  ValidationResult validation;
  ExecutionResult result;
  Journal journal;
};
inline Outcome run(Executor& executor, const Registry& registry, const std::string& json,
                   std::stop_token interrupt = {}) {
  Outcome outcome;
  Prompt prompt = parse_prompt(json);
  outcome.validation = validate(prompt, registry, {});
  if (!outcome.validation.ok) return outcome;
  outcome.result =
      executor.run({.prompt = parse_prompt(prompt_to_json(prompt)), .outputs = outcome.validation.outputs_to_execute},
                   outcome.journal, interrupt);
  return outcome;
}

}  // namespace easel::test
