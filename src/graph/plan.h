// A prompt resolved against the registry: indexes and pointers instead of names.
#pragma once
#include <cstdint>
#include <vector>

#include "graph/node.h"
#include "graph/prompt.h"

namespace easel {

// Where one declared input gets its value from. Undeclared inputs of the prompt are not here: no node takes them (yet).
struct PlannedInput {
  enum class Kind { kNone, kConstant, kLink, kBroken };  // kBroken: a link to a node that is not in the prompt
  Kind kind = Kind::kNone;
  const Json* constant = nullptr;
  size_t source = 0;
  size_t slot = 0;
};

struct PlannedNode {
  const Node* type = nullptr;
  std::vector<PlannedInput> inputs;  // in the order of type->inputs
};

// Throws Error on an unknown class. The prompt and the registry must stay where they are while the plan is in use.
std::vector<PlannedNode> make_plan(const Prompt& prompt, const Registry& registry);

}  // namespace easel
