#include "graph/graph_builder.h"

#include "base/error.h"

namespace easel {
namespace {

// Plain values as constants, so that they count in a signature. A list would read as a link there.
std::variant<Json, Link, Value> as_constant(const Value& value) {
  if (auto v = value.get<int64_t>()) return Json(*v);
  if (auto v = value.get<uint64_t>()) return Json(*v);
  if (auto v = value.get<double>()) return Json(*v);
  if (auto v = value.get<bool>()) return Json(*v);
  if (auto v = value.get<std::string>()) return Json(*v);
  if (auto v = value.get<Link>()) return *v;
  return value;
}

}  // namespace

NodeBuilder& NodeBuilder::put(const std::string& name, std::variant<Json, Link, Value> value) {
  if (PromptInput* input = node_.input(name))
    input->value = std::move(value);
  else
    node_.inputs.push_back({name, std::move(value)});
  return *this;
}

NodeBuilder& NodeBuilder::set(const std::string& name, Link link) { return put(name, std::move(link)); }

NodeBuilder& NodeBuilder::set(const std::string& name, const Value& value) {
  if (!value.empty()) return put(name, as_constant(value));
  std::erase_if(node_.inputs, [&](const PromptInput& input) { return input.name == name; });
  return *this;
}

NodeBuilder& NodeBuilder::set(const std::string& name, Json constant) { return put(name, std::move(constant)); }

NodeBuilder& NodeBuilder::display_as(const std::string& id) {
  node_.others["override_display_id"] = id;
  return *this;
}

NodeBuilder& GraphBuilder::node(const std::string& class_type, const std::string& name) {
  const std::string own = name.empty() ? std::to_string(++counter_) : name;
  if (!names_.emplace(own, nodes_.size()).second) fail("GraphBuilder: a second node was named '{}'", own);
  return nodes_.emplace_back(PromptNode{.id = prefix_ + own, .class_type = class_type});
}

NodeBuilder* GraphBuilder::find(const std::string& name) {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : &nodes_[found->second];
}

Returned GraphBuilder::expand(std::vector<Value> outputs) const {
  Returned returned;
  for (Value& output : outputs) returned.slots.push_back({std::move(output)});
  returned.expand.emplace();
  for (const NodeBuilder& node : nodes_) returned.expand->push_back(node.made());
  return returned;
}

}  // namespace easel
