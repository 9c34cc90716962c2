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
#include "graph/side_threads.h"

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

// Every function may stay empty.
struct ExecutorOptions {
  std::function<bool()> is_out_of_memory;  // asked inside a catch block, see current_failure
  std::function<void()> on_out_of_memory;  // lets models go
  CachePolicy cache;
  size_t side_threads = 32;                                              // on which nodes with an Overlap run
  std::function<void(const std::function<void()>&)> around_side_thread;  // sets such a thread up and calls
};

// One thread at a time. The registry must outlive it.
class Executor {
 public:
  explicit Executor(const Registry& registry, ExecutorOptions options = {})
      : registry_(registry),
        options_(std::move(options)),
        cache_(options_.cache),
        side_(options_.side_threads, options_.around_side_thread) {}

  // Reports to `listener`; never throws what a node throws: that ends the prompt as kError. `interrupt` is looked at
  // before every call of a node and at every step that a node reports. Nothing of it runs any more when it returns.
  ExecutionResult run(ExecutionRequest request, Listener& listener, std::stop_token interrupt = {});

  void forget_all() { cache_.clear(); }

 private:
  const Registry& registry_;
  const ExecutorOptions options_;
  OutputCache cache_;
  SideThreads side_;
};

}  // namespace easel
