#include "graph/plan.h"

#include <algorithm>

#include "base/error.h"

namespace easel {
namespace {

PlannedInput plan_link(const PromptInput& given, bool raw) {
  const Link& link = *given.link();
  if (link.source == Link::kMissing || link.slot < 0) {
    if (!raw) return {.kind = PlannedInput::Kind::kBroken};
    return {.kind = PlannedInput::Kind::kRaw, .given = &given, .source = Link::kMissing};
  }
  const auto slot = static_cast<size_t>(link.slot);
  if (raw) return {.kind = PlannedInput::Kind::kRaw, .given = &given, .source = link.source, .slot = slot};
  return {.kind = PlannedInput::Kind::kLink, .source = link.source, .slot = slot};
}

PlannedInput plan_input(const PromptInput* given, const Input& declared) {
  if (!given) return {};
  if (given->made()) return {.kind = PlannedInput::Kind::kMade, .given = given};
  if (const Json* constant = given->constant()) {
    const bool wrapped = constant->is_object() && constant->contains("__value__");
    return {.kind = PlannedInput::Kind::kConstant, .constant = wrapped ? &(*constant)["__value__"] : constant};
  }
  PlannedInput planned = plan_link(*given, declared.raw_link);
  planned.lazy = declared.lazy;
  return planned;
}

bool is_declared(const Node& type, const std::string& name) {
  return std::any_of(type.inputs.begin(), type.inputs.end(), [&](const Input& input) { return input.name == name; });
}

}  // namespace

PlannedNode plan_node(const PromptNode& node, const Registry& registry) {
  const Node* type = node.class_type ? registry.find(*node.class_type) : nullptr;
  if (!type) fail("node {}: no node class '{}'", node.id, node.class_type.value_or(""));
  PlannedNode planned{.type = type};
  planned.inputs.reserve(type->inputs.size());
  for (const Input& input : type->inputs) planned.inputs.push_back(plan_input(node.input(input.name), input));
  if (!type->variadic) return planned;
  for (const PromptInput& given : node.inputs) {
    if (given.constant() || is_declared(*type, given.name)) continue;
    planned.inputs.push_back(given.link() ? plan_link(given, false)
                                          : PlannedInput{.kind = PlannedInput::Kind::kMade, .given = &given});
    planned.others.push_back(&given.name);
  }
  return planned;
}

std::vector<PlannedNode> make_plan(const Prompt& prompt, const Registry& registry) {
  std::vector<PlannedNode> plan;
  plan.reserve(prompt.nodes.size());
  for (const PromptNode& node : prompt.nodes) plan.push_back(plan_node(node, registry));
  return plan;
}

}  // namespace easel
