#include "graph/plan.h"

#include "base/error.h"

namespace easel {
namespace {

PlannedInput plan_input(const PromptInput* given) {
  if (!given) return {};
  if (const Json* constant = given->constant()) {
    const bool wrapped = constant->is_object() && constant->contains("__value__");
    return {.kind = PlannedInput::Kind::kConstant, .constant = wrapped ? &(*constant)["__value__"] : constant};
  }
  const Link& link = *given->link();
  if (link.source == Link::kMissing || link.slot < 0) return {.kind = PlannedInput::Kind::kBroken};
  return {.kind = PlannedInput::Kind::kLink, .source = link.source, .slot = static_cast<size_t>(link.slot)};
}

}  // namespace

std::vector<PlannedNode> make_plan(const Prompt& prompt, const Registry& registry) {
  std::vector<PlannedNode> plan;
  plan.reserve(prompt.nodes.size());
  for (const PromptNode& node : prompt.nodes) {
    const Node* type = node.class_type ? registry.find(*node.class_type) : nullptr;
    if (!type) fail("node {}: no node class '{}'", node.id, node.class_type.value_or(""));
    PlannedNode planned{.type = type};
    planned.inputs.reserve(type->inputs.size());
    for (const Input& input : type->inputs) planned.inputs.push_back(plan_input(node.input(input.name)));
    plan.push_back(std::move(planned));
  }
  return plan;
}

}  // namespace easel
