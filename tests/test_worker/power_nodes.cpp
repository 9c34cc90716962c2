// Nodes that use what a node may do besides computing outputs from inputs.
#include "graph/graph_builder.h"
#include "test_worker/test_nodes.h"

namespace easel::test {
namespace {

std::vector<std::string> needed(Context&, bool condition, const Lazy<Value>& yes, const Lazy<Value>& no) {
  if (condition && !yes) return {"yes"};
  if (!condition && !no) return {"no"};
  return {};
}

Value choose(Context&, bool condition, Lazy<Value> yes, Lazy<Value> no) {
  return condition ? yes.value_or(Value()) : no.value_or(Value());
}

Returned block(Context&, const Value& value, bool block, const std::optional<std::string>& message) {
  if (block) return {.slots = {}, .blocked = Blocker{message}};
  return {.slots = {{value}}};
}

// value + count, by putting an addition and itself in its place until nothing is left to add.
Returned loop(Context& context, int64_t value, int64_t count) {
  if (count <= 0) return {.slots = {{Port<int64_t>::wrap(value)}}};
  GraphBuilder graph(context.graph_prefix());
  auto& sum = graph.node("TestAdd").set("a", Json(value)).set("b", Json(1));
  auto& again = graph.node("TestLoop", "Recurse").set("value", sum.link(0)).set("count", Json(count - 1));
  again.display_as(context.node_id());
  return graph.expand({again.out(0)});
}

// Where the list has an odd number: its double, by an expansion; an even one is given as it is.
Returned double_odd(Context& context, int64_t value) {
  if (value % 2 == 0) return {.slots = {{Port<int64_t>::wrap(value)}}};
  GraphBuilder graph(context.graph_prefix());
  auto& shown = graph.node("TestPass").set("value", Json(value));
  auto& sum = graph.node("TestAdd").set("a", shown.link(0)).set("b", Json(value));
  return graph.expand({sum.out(0)});
}

Returned cycle(Context& context, const Value& value) {
  GraphBuilder graph(context.graph_prefix());
  auto& one = graph.node("TestAdd").set("b", Json(1));
  auto& two = graph.node("TestAdd").set("a", one.link(0)).set("b", value);
  one.set("a", two.link(0));
  return graph.expand({two.out(0)});
}

Returned expand_badly(Context& context, const std::string& how) {
  GraphBuilder graph(context.graph_prefix());
  auto& node = graph.node(how == "unknown" ? "Nope" : "TestInt", "n").set("value", Json(1));
  Returned returned = graph.expand({how == "dangling" ? Value::of(Link{.node = "nowhere"}) : node.out(0)});
  if (how == "twice") returned.expand->push_back(returned.expand->front());
  return returned;
}

Value sleep_beside(Context& context, Value value, double seconds) {
  for (int64_t step = 1; step <= 2; ++step) {
    context.sleep(seconds / 2);
    context.progress(step, 2);
  }
  return value;
}

std::string sum_text(Context&, int64_t first, const Others& others) {
  std::string text = std::to_string(first);
  for (const auto& [name, value] : others.values) text += " " + name + "=" + std::to_string(Port<int64_t>::from(value));
  return text;
}

std::optional<std::string> check_even(const CheckQuestion& question) {
  const Json& value = question.constants.at("value");
  if (value.is_null()) return std::nullopt;  // linked
  if (value == 13) fail("13 is not looked at");
  if (value == 11) return "";
  return value.get<int64_t>() % 2 ? std::optional<std::string>(value.dump() + " is odd") : std::nullopt;
}

std::optional<std::string> check_types(const CheckQuestion& question) {
  const auto type = question.link_types.find("value");
  if (type == question.link_types.end() || type->second == "STRING") return std::nullopt;
  return "a " + type->second + " is linked";
}

}  // namespace

void add_power_nodes(Registry& registry, Probe probe) {
  const auto add = [&](Node node) {
    node.category = "test/powers";
    node.module = "test_nodes";
    registry.add(std::move(node));
  };
  const Input any = socket("value", "*");
  const auto tell = [ran = probe.ran](Context& context, const char* type) {
    if (ran) ran(context.node_id(), type);
  };

  add({.id = "TestChoose",
       .inputs = {boolean("condition"), socket("yes", "*"), socket("no", "*")},
       .run = choose,
       .needs = needed});
  add({.id = "TestBlock",
       .inputs = {any, boolean("block"), text("message")},
       .outputs = {{.type = "*", .name = "value"}},
       .run = block});
  add({.id = "TestLoop",
       .inputs = {integer("value"), integer("count")},
       .outputs = {{.type = "INT", .name = "value"}},
       .run = loop});
  add({.id = "TestDoubleOdd",
       .inputs = {integer("value")},
       .outputs = {{.type = "INT", .name = "value"}},
       .run = double_odd});
  add({.id = "TestCycle", .inputs = {any}, .outputs = {{.type = "*", .name = "value"}}, .run = cycle});
  add({.id = "TestExpandBadly",
       .inputs = {text("how")},
       .outputs = {{.type = "*", .name = "value"}},
       .run = expand_badly});
  const auto beside = [tell](Context& context, Value value, double seconds) {
    tell(context, "TestBeside");
    return sleep_beside(context, std::move(value), seconds);
  };
  add({.id = "TestBeside", .inputs = {any, real("seconds")}, .run = beside, .overlap = Overlap::kFree});
  add({.id = "TestInOrder", .inputs = {any, real("seconds")}, .run = beside, .overlap = Overlap::kInOrder});
  add({.id = "TestFailBeside",
       .inputs = {any},
       .run = [](Context& context, const Value&) -> Value {
         context.sleep(0.02);
         fail("it failed beside");
       },
       .overlap = Overlap::kFree});
  add({.id = "TestVariadic", .inputs = {integer("first")}, .run = sum_text});
  add({.id = "TestRaw", .inputs = {{.name = "link", .type = "*", .raw_link = true}}, .run = [](const Link& link) {
         return link.node + ":" + std::to_string(link.slot);
       }});
  add({.id = "TestChecked",
       .inputs = {integer("value", {.min = 0, .max = 5})},
       .run = [](int64_t value) { return value; },
       .check = {.inputs = {"value"}, .run = check_even}});
  add({.id = "TestCheckedTypes",
       .inputs = {integer("value")},
       .outputs = {{.type = "INT"}},
       .run = [](const Value& value) { return value; },
       .check = {.link_types = true, .run = check_types}});
}

}  // namespace easel::test
