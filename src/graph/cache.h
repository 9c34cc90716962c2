// Outputs of nodes by signature. This is ComfyUI's classic cache: what the last prompt had is kept, the rest is let go
// when the next prompt starts. Other policies (LRU, none) are to be other classes with these four verbs.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "graph/signature.h"
#include "graph/value.h"

namespace easel {

// What running a node gave: a list of values for every output, and what it shows.
struct NodeResult {
  std::vector<std::vector<Value>> outputs;
  OrderedJson ui;  // null for nothing
};
using SharedResult = std::shared_ptr<const NodeResult>;

class OutputCache {
 public:
  // A prompt with these signatures starts: frees every result it has no use for.
  void begin(const std::vector<std::optional<Signature>>& signatures);
  SharedResult find(const std::optional<Signature>& signature) const;  // null if there is none
  void store(const std::optional<Signature>& signature, SharedResult result);
  void clear() { results_.clear(); }

 private:
  std::map<Signature, SharedResult> results_;
};

}  // namespace easel
