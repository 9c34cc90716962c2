// Loops by expansion: the closing node puts a copy of all that lies between it and the opening node in its place, as
// long as its condition holds.
#include <set>

#include "graph/graph_builder.h"
#include "nodes/testing/testing.h"

namespace easel {
namespace {

constexpr int64_t kSockets = 5;  // values that go round
using Values = std::vector<std::optional<Value>>;

std::string name_of(int64_t i) { return "initial_value" + std::to_string(i); }
Value or_nothing(const std::optional<Value>& value) { return value.value_or(Value()); }
Value stub() { return Value::of(std::string("stub")); }

// Who is linked to each node that lies upstream of this one.
std::map<std::string, std::vector<std::string>> dependants_upstream_of(const Context& context,
                                                                       const std::string& start) {
  std::map<std::string, std::vector<std::string>> dependants;
  std::vector<std::string> stack = {start};
  while (!stack.empty()) {
    const std::string id = std::move(stack.back());
    stack.pop_back();
    const PromptNode* node = context.find_node(id);
    if (!node) continue;
    for (const PromptInput& input : node->inputs)
      if (const Link* link = input.link()) {
        if (!dependants.count(link->node)) stack.push_back(link->node);
        dependants[link->node].push_back(id);
      }
  }
  return dependants;
}

// The nodes of the loop: from the opening one down to the closing one.
std::set<std::string> nodes_between(const Context& context, const std::string& open, const std::string& close) {
  const auto dependants = dependants_upstream_of(context, close);
  std::set<std::string> between = {open, close};
  std::vector<std::string> stack = {open};
  while (!stack.empty()) {
    const auto found = dependants.find(stack.back());
    stack.pop_back();
    if (found == dependants.end()) continue;
    for (const std::string& id : found->second)
      if (between.insert(id).second) stack.push_back(id);
  }
  return between;
}

Returned once_more(Context& context, const std::string& open, const Values& values) {
  const std::string& close = context.node_id();
  const auto loop = nodes_between(context, open, close);
  GraphBuilder graph(context.graph_prefix());
  // Its copy has a name of its own, lest ids grow with every round.
  const auto copy_name = [&](const std::string& id) { return id == close ? "Recurse" : id; };
  for (const std::string& id : loop) graph.node(*context.find_node(id)->class_type, copy_name(id)).display_as(id);
  for (const std::string& id : loop)
    for (const PromptInput& input : context.find_node(id)->inputs) {
      const Link* link = input.link();
      auto& copy = *graph.find(copy_name(id));
      if (link && loop.count(link->node))
        copy.set(input.name, graph.find(copy_name(link->node))->link(link->slot));
      else
        copy.put(input.name, input.value);
    }
  for (int64_t i = 0; i < kSockets; ++i) graph.find(copy_name(open))->set(name_of(i), or_nothing(values[i]));
  std::vector<Value> results;
  for (int64_t i = 0; i < kSockets; ++i) results.push_back(graph.find("Recurse")->out(i));
  return graph.expand(std::move(results));
}

using Any = std::optional<Value>;

Returned while_open(bool, Any v0, Any v1, Any v2, Any v3, Any v4) {
  Returned returned{.slots = {{stub()}}};
  for (const Any& value : {v0, v1, v2, v3, v4}) returned.slots.push_back({or_nothing(value)});
  return returned;
}

Returned while_close(Context& context, const Link& flow, bool condition, Any v0, Any v1, Any v2, Any v3, Any v4) {
  const Values values = {v0, v1, v2, v3, v4};
  if (condition) return once_more(context, flow.node, values);
  Returned returned;
  for (const Any& value : values) returned.slots.push_back({or_nothing(value)});
  return returned;
}

// initial_value0 is how many rounds are left, from the second round on.
Returned for_open(Context& context, int64_t remaining, Any v1, Any v2, Any v3, Any v4, Any v0) {
  const Value left = v0 ? *v0 : Value::of(remaining);
  GraphBuilder graph(context.graph_prefix());
  auto& open = graph.node("TestWhileLoopOpen").set("condition", left).set(name_of(0), left);
  std::vector<Value> results = {stub(), left};
  int64_t i = 1;
  for (const Any& value : {v1, v2, v3, v4}) {
    open.set(name_of(i++), or_nothing(value));
    results.push_back(or_nothing(value));
  }
  return graph.expand(std::move(results));
}

Returned for_close(Context& context, const Link& flow, Any v1, Any v2, Any v3, Any v4) {
  GraphBuilder graph(context.graph_prefix());
  auto& left = graph.node("TestIntMathOperation").set("operation", "subtract").set("b", Json(1));
  left.set("a", Link{.node = flow.node, .slot = 1});
  auto& more = graph.node("TestToBoolNode").set("value", left.link(0));
  auto& close = graph.node("TestWhileLoopClose").set("flow_control", flow).set("condition", more.link(0));
  close.set(name_of(0), left.link(0));
  int64_t i = 1;
  for (const Any& value : {v1, v2, v3, v4}) close.set(name_of(i++), or_nothing(value));
  std::vector<Value> results;
  for (i = 1; i < kSockets; ++i) results.push_back(close.out(i));
  return graph.expand(std::move(results));
}

std::vector<Input> values_from(int64_t first, bool raw, std::vector<Input> before) {
  for (int64_t i = first; i < kSockets; ++i)
    before.push_back({.name = name_of(i), .type = "*", .optional = true, .raw_link = raw});
  return before;
}

std::vector<Output> outputs_from(int64_t first, std::vector<Output> before) {
  for (int64_t i = first; i < kSockets; ++i) before.push_back(testing::any_output("value" + std::to_string(i)));
  return before;
}

}  // namespace

void add_loop_nodes(Registry& registry) {
  const auto add = [&](Node node) {
    node.category = "Testing/Flow";
    testing::add(registry, std::move(node));
  };
  const Input flow = {.name = "flow_control", .type = "FLOW_CONTROL", .raw_link = true};
  const Output flow_output = {.type = "FLOW_CONTROL", .name = "flow_control"};
  const std::vector<std::pair<std::string, std::string>> hidden = {{"dynprompt", "DYNPROMPT"},
                                                                   {"unique_id", "UNIQUE_ID"}};
  add({.id = "TestWhileLoopOpen",
       .inputs = values_from(0, false, {boolean("condition", {.value = true})}),
       .outputs = outputs_from(0, {flow_output}),
       .run = while_open});
  add({.id = "TestWhileLoopClose",
       .inputs = values_from(0, false, {flow, boolean("condition", {.extra = {{"forceInput", true}}})}),
       .outputs = outputs_from(0, {}),
       .run = while_close,
       .hidden = hidden});
  std::vector<Input> for_inputs =
      values_from(1, false, {integer("remaining", {.value = 1, .min = 0, .max = 100'000, .step = 1})});
  for_inputs.push_back({.name = name_of(0), .type = "*", .optional = true});
  add({.id = "TestForLoopOpen",
       .inputs = std::move(for_inputs),
       .outputs = outputs_from(1, {flow_output, {.type = "INT", .name = "remaining"}}),
       .run = for_open});
  add({.id = "TestForLoopClose",
       .inputs = values_from(1, true, {flow}),
       .outputs = outputs_from(1, {}),
       .run = for_close,
       .hidden = hidden});
}

}  // namespace easel
