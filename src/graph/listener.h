// Who wants to know how a prompt goes. Calls are made one at a time, in the order in which things happen, though not
// all by the thread that runs the prompt.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "graph/context.h"
#include "graph/dynamic_prompt.h"

namespace easel {

struct NodeProgress {
  std::string node_id, display_node_id, real_node_id;
  std::optional<std::string> parent_node_id;
  std::string state;  // "running" | "finished"
  double value = 0, max = 1;
};

struct ExecutionFailure {
  std::string node_id, node_type;
  std::vector<std::string> executed;
  std::string message, type;
  std::vector<std::string> traceback;
  OrderedJson current_inputs = OrderedJson::object();  // name: list of values
  std::vector<std::string> current_outputs;
};

class Listener {
 public:
  virtual ~Listener() = default;
  virtual void on_start() {}
  virtual void on_cached(const std::vector<std::string>& /*nodes*/) {}
  virtual void on_executing(const std::string& /*node*/, const std::string& /*display_node*/) {}
  virtual void on_progress(const std::string& /*node*/, int64_t /*value*/, int64_t /*max*/) {}
  virtual void on_progress_state(const NodeProgress& /*changed*/) {}
  virtual void on_preview(const NodeIds& /*node*/, Preview /*preview*/) {}
  virtual void on_text(const std::string& /*node*/, const std::string& /*text*/) {}
  // `ui` is null for a cached node that shows nothing.
  virtual void on_executed(const std::string& /*node*/, const std::string& /*display_node*/,
                           const OrderedJson& /*ui*/) {}
  // A blocker that has a message was met; the prompt goes on.
  virtual void on_blocked(const std::string& /*node*/, const std::string& /*type*/,
                          const std::vector<std::string>& /*executed*/, const std::string& /*message*/) {}
  // Exactly one of the following is the last call.
  virtual void on_success() {}
  virtual void on_error(const ExecutionFailure& /*failure*/) {}
  virtual void on_interrupted(const std::string& /*node*/, const std::string& /*type*/,
                              const std::vector<std::string>& /*executed*/) {}
};

}  // namespace easel
