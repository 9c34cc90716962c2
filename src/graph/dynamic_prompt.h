// A prompt that grows while it runs: the nodes that were sent, and those that nodes have put in their place
// ("ephemeral" ones). A node never moves or goes away.
#pragma once
#include <deque>
#include <map>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

#include "graph/prompt.h"

namespace easel {

// Who a node is to a client: itself, the node it is shown on, the one that made it, and the node of the prompt as sent
// from which it comes. All the same, without a parent, where nothing was expanded.
struct NodeIds {
  std::string node, display, real;
  std::optional<std::string> parent;
};

// Grown by one thread; find_node may be called from any.
class DynamicPrompt {
 public:
  explicit DynamicPrompt(Prompt& original) : original_(original) {}

  size_t size() const { return original_.nodes.size() + made_.size(); }
  PromptNode& node(size_t index);
  const PromptNode& node(size_t index) const { return const_cast<DynamicPrompt&>(*this).node(index); }
  size_t find(std::string_view id) const;  // Prompt::kNone if there is none
  const PromptNode* find_node(const std::string& id) const;

  bool is_ephemeral(size_t index) const { return index >= original_.nodes.size(); }
  size_t real(size_t index) const;  // the original node it comes from
  NodeIds ids(size_t index) const;

  // Adds what `parent` expands into and resolves its links; gives the index of the first, the rest follow. Throws Error
  // on an id that is taken, or when there are too many nodes; then nothing was added.
  size_t add(std::vector<PromptNode> nodes, size_t parent);

 private:
  struct Made {
    PromptNode node;
    size_t parent, real;
    std::string display;
  };
  std::string display_of(const PromptNode& node, size_t parent) const;

  Prompt& original_;
  mutable std::shared_mutex growing_;  // guards the shape of what follows, not the nodes
  std::deque<Made> made_;
  std::map<std::string, size_t, std::less<>> made_index_;
};

}  // namespace easel
