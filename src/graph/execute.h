// Runs prompts, one at a time, and keeps what they gave for the next.
#pragma once
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "graph/cache.h"
#include "graph/listener.h"
#include "graph/node.h"
#include "graph/prompt.h"

namespace easel {

struct ExecutionRequest {
  Prompt prompt;
  std::vector<std::string> outputs;  // ids of the nodes to execute, with all they depend on
  OrderedJson extra_pnginfo = OrderedJson::object();
  PreviewSettings previews;
};

struct ExecutionResult {
  enum class Status { kSuccess, kError, kInterrupted };
  Status status = Status::kSuccess;
  OrderedJson outputs = OrderedJson::object();  // id: what the node shows, cached nodes too
  OrderedJson meta = OrderedJson::object();     // id: {node_id, display_node, parent_node, real_node_id}
};

struct MemoryHooks {
  std::function<bool()> is_out_of_memory;  // asked inside a catch block, see current_failure
  std::function<void()> on_out_of_memory;  // lets models go
};

// One thread at a time. The registry must outlive it.
class Executor {
 public:
  explicit Executor(const Registry& registry, MemoryHooks hooks = {}) : registry_(registry), hooks_(std::move(hooks)) {}

  // Reports to `listener`; never throws what a node throws: that ends the prompt as kError. `interrupt` is looked at
  // before every call of a node and at every step that a node reports.
  ExecutionResult run(ExecutionRequest request, Listener& listener, std::stop_token interrupt = {});

  void forget_all() { cache_.clear(); }

 private:
  const Registry& registry_;
  const MemoryHooks hooks_;
  OutputCache cache_;
};

}  // namespace easel
