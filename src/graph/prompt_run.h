// One prompt on its way: the loop that takes nodes from the schedule, calls them, and puts what they give where others
// find it. Used by execute.cpp only.
//
// Threads: all belongs to the thread that calls run_all(), but for what a NodeContext (node_context.h) uses: the
// section "from any thread" below.
#pragma once
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>

#include "graph/call.h"
#include "graph/dynamic_prompt.h"
#include "graph/execute.h"
#include "graph/failure.h"
#include "graph/schedule.h"

namespace easel {

struct CycleError {};

// A node that has begun and not ended.
struct NodeTask {
  NodeIds ids;
  CallInputs inputs;
  std::vector<Returned> calls;
  std::vector<std::exception_ptr> failures;  // of calls on side threads
  OrderedJson ui;
  bool awaits_graph = false;  // its calls are done, the nodes they gave are not
  size_t running = 0;         // calls on side threads; guarded by PromptRun::mutex_
  double steps = 1;           // how many the node said it takes; guarded by PromptRun::telling_
};

class PromptRun {
 public:
  PromptRun(ExecutionRequest& request, const Registry& registry, OutputCache& cache, SideThreads& side,
            Listener& listener, std::stop_token interrupt);

  void run_all();  // throws what a node throws, Interrupted, CycleError
  // After run_all() threw: stops what still runs on side threads and waits for it; what ended well counts as run.
  void settle();
  void report_interrupt();
  void report_failure(const Failure& failure);
  ExecutionResult result(ExecutionResult::Status status) const;

  // ---- from any thread
  std::stop_token stop_token() const { return cancel_.get_token(); }
  const std::string& prompt_json();
  const PromptNode* find_node(const std::string& id) const { return prompt_.find_node(id); }
  const ExecutionRequest& request() const { return request_; }
  void show_progress(NodeTask& task, const char* state, double value, double max);
  template <class F>
  void tell(F say) {
    std::lock_guard lock(telling_);
    say(listener_);
  }

 private:
  struct State {
    SharedResult result;
    OrderedJson ui;  // of a result that was let go
    // Where nothing is cached:
    int64_t uses = 0;       // nodes linked to it that have not run
    bool counted = false;   // its own links are in the uses of others
    bool expanded = false;  // it cannot be made again: what it expanded into has its ids
    std::unique_ptr<NodeTask> task;
  };

  void plan_from(size_t first);
  Json fingerprint(size_t node) const;
  void find_cached();
  std::vector<size_t> targets() const;
  void execute(size_t node);
  void report_cached(size_t node);
  void begin(size_t node);
  bool ask_for_lazy(size_t node);
  void call_here(size_t node);
  void call_beside(size_t node);
  bool goes_beside(size_t node) const;
  void came_back(size_t node);
  Returned call(size_t node, size_t call, const std::vector<Argument>& arguments);
  std::optional<Returned> blocked(size_t node, const std::vector<Argument>& arguments);
  void finish_calls(size_t node);
  void expand(size_t node);
  void finish(size_t node);
  std::optional<size_t> take_finished(bool wait);
  void blame_cycle();
  void count_uses(std::vector<size_t> nodes);
  void use(const std::vector<size_t>& sources, int64_t change);
  std::string owner_of(size_t node) const;
  const std::string& id(size_t node) const { return prompt_.node(node).id; }

  ExecutionRequest& request_;
  const Registry& registry_;
  OutputCache& cache_;
  SideThreads& side_;
  Listener& listener_;  // through tell()
  const bool lets_go_;  // nothing is cached: results are let go when they have been used

  DynamicPrompt prompt_;
  std::vector<PlannedNode> plan_;
  std::vector<Json> fingerprints_;
  Signer signer_;
  std::vector<State> states_;
  Schedule schedule_;
  std::vector<std::string> executed_;
  const ResultOf result_of_ = [this](size_t node) { return states_[node].result; };
  size_t current_ = Prompt::kNone;  // the node that is at work, for reports

  std::stop_source cancel_;  // the user's interrupt, or the end of the prompt
  const std::stop_callback<std::function<void()>> interrupted_;
  std::mutex telling_;
  std::once_flag written_;
  std::string prompt_json_;

  size_t beside_ = 0;    // nodes on side threads that were not taken from finished_ yet
  size_t in_order_ = 0;  // those among them with Overlap::kInOrder
  std::mutex mutex_;     // guards what follows
  std::condition_variable_any changed_;
  std::deque<size_t> finished_;
};

}  // namespace easel
