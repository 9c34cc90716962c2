// A node is a value next to a typed function (DESIGN §3). The server's registry, read from nodes.json, holds the same
// struct without `run`.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "graph/check.h"
#include "graph/input.h"
#include "graph/run.h"

namespace easel {

inline constexpr int64_t kMaxResolution = 16384;

// Whether calls of a node may run on other threads while the prompt goes on; then run must bear being called from
// several threads at once.
enum class Overlap {
  kNone,     // runs where the models run, alone
  kFree,     // beside everything (ComfyUI's "async def"): it waits, or uses the CPU a little
  kInOrder,  // beside others where that saves time, but not beside its own kind: these run one after another in the
             // order of the schedule, so that files get the same numbers as without
};

struct Node {
  std::string id;
  std::string title;  // display name; the id where none is given (null in /object_info for a V3 node)
  std::string category;
  std::string about;
  std::vector<Input> inputs;
  std::vector<Output> outputs;  // names and tooltips; types and is_list are filled in from the signature
  Run run;
  bool is_output = false;
  bool v3 = false;  // which of ComfyUI's two dialects /object_info uses for it
  bool deprecated = false, experimental = false;
  std::vector<std::pair<std::string, std::string>> hidden;  // {"prompt", "PROMPT"}, …; the values come from Context
  std::string module = "nodes";                             // python_module: which of ComfyUI's files declares it
  bool not_idempotent = false;

  // IS_CHANGED: called once a prompt with the constants (in declared order, links empty); a change of the returned JSON
  // re-runs the node. NaN never equals itself.
  std::function<Json(const std::vector<Argument>&)> fingerprint;

  Needs needs;  // check_lazy_status; wanted where a parameter of run is Lazy
  Check check;  // VALIDATE_INPUTS
  Overlap overlap = Overlap::kNone;
  bool variadic = false;  // run takes Others; filled in from the signature
};

// The nodes, in the order they were added. Adding checks the declaration against the signature and throws
// ("EmptyLatentImage: input 'width' is INT, but run takes FLOAT").
class Registry {
 public:
  void add(Node node);
  const Node* find(const std::string& id) const;  // null if there is none
  const std::vector<Node>& all() const { return nodes_; }

 private:
  std::vector<Node> nodes_;
  std::map<std::string, size_t> index_;
};

}  // namespace easel
