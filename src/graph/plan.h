// A prompt resolved against the registry: indexes and pointers instead of names.
#pragma once
#include <cstdint>
#include <vector>

#include "graph/node.h"
#include "graph/prompt.h"

namespace easel {

// Where one input gets its value from.
struct PlannedInput {
  enum class Kind {
    kNone,
    kConstant,
    kMade,    // a value that the node which made this one gave it
    kLink,    // the output of another node
    kRaw,     // the link itself: the node behind it is not run for it
    kBroken,  // a link to a node that is not in the prompt
  };
  Kind kind = Kind::kNone;
  bool lazy = false;                   // worked out only if the node asks for it
  const Json* constant = nullptr;      // kConstant
  const PromptInput* given = nullptr;  // kMade, kRaw
  size_t source = 0, slot = 0;         // kLink, kRaw
  bool links() const { return kind == Kind::kLink; }
};

struct PlannedNode {
  const Node* type = nullptr;
  std::vector<PlannedInput> inputs;        // in the order of type->inputs; then those of `others`
  std::vector<const std::string*> others;  // names of undeclared linked inputs, where the node takes such
};

// Throws Error on an unknown class. Prompt node and registry must stay where they are while the plan is in use.
PlannedNode plan_node(const PromptNode& node, const Registry& registry);
std::vector<PlannedNode> make_plan(const Prompt& prompt, const Registry& registry);

}  // namespace easel
