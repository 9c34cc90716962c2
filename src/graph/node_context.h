// What a running node sees of the engine: one call of it. Used by prompt_run.cpp only.
#pragma once
#include "base/json.h"
#include "graph/prompt_run.h"

namespace easel {

class NodeContext : public Context {
 public:
  NodeContext(PromptRun& run, NodeTask& task, size_t call) : run_(run), task_(task), call_(call) {}

  const std::string& node_id() const override { return task_.ids.node; }
  const std::string& prompt_json() const override { return run_.prompt_json(); }
  const OrderedJson& extra_pnginfo() const override { return run_.request().extra_pnginfo; }
  const PromptNode* find_node(const std::string& id) const override { return run_.find_node(id); }
  std::string graph_prefix() override {
    return node_id() + "." + std::to_string(call_) + "." + std::to_string(graphs_++) + ".";
  }
  const PreviewSettings& previews() const override { return run_.request().previews; }
  std::stop_token stop_token() const override { return run_.stop_token(); }
  void check_interrupt() override {
    if (stop_token().stop_requested()) throw Interrupted();
  }
  void text(const std::string& message) override {
    run_.tell([&](Listener& listener) { listener.on_text(node_id(), valid_utf8(message)); });
  }
  void progress(int64_t value, int64_t max, const std::function<Preview()>& preview) override {
    check_interrupt();
    run_.show_progress(task_, "running", static_cast<double>(value), static_cast<double>(max));
    run_.tell([&](Listener& listener) { listener.on_progress(node_id(), value, max); });
    if (!preview || !previews().wanted()) return;
    Preview picture = preview();
    run_.tell([&](Listener& listener) { listener.on_preview(task_.ids, std::move(picture)); });
  }

 private:
  PromptRun& run_;
  NodeTask& task_;
  const size_t call_;
  size_t graphs_ = 0;
};

}  // namespace easel
