// For nodes that put other nodes in their own place: names the nodes of a graph so that the same call gives the same
// ids, whatever else runs.
//
//   GraphBuilder graph(context.graph_prefix());
//   auto& mask = graph.node("SolidMask").set("value", 0.5);
//   return graph.expand({mask.out(0)});
#pragma once
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "graph/run.h"

namespace easel {

class NodeBuilder {
 public:
  explicit NodeBuilder(PromptNode node) : node_(std::move(node)) {}

  NodeBuilder& set(const std::string& name, Link link);
  NodeBuilder& set(const std::string& name, const Value& value);  // nothing takes the input away
  NodeBuilder& set(const std::string& name, Json constant);
  NodeBuilder& set(const std::string& name, const char* text) { return set(name, Json(text)); }
  NodeBuilder& put(const std::string& name, std::variant<Json, Link, Value> value);  // whichever it is
  NodeBuilder& display_as(const std::string& id);  // the node on which clients see it run

  Value out(int64_t slot) const { return Value::of(link(slot)); }
  Link link(int64_t slot) const { return {.node = node_.id, .slot = slot}; }
  const PromptNode& made() const { return node_; }

 private:
  PromptNode node_;
};

class GraphBuilder {
 public:
  explicit GraphBuilder(std::string prefix) : prefix_(std::move(prefix)) {}

  // Its id is the prefix and the name, or the prefix and a running number. Throws Error on a name that is taken.
  NodeBuilder& node(const std::string& class_type, const std::string& name = "");
  NodeBuilder* find(const std::string& name);  // null if there is none

  // The graph as what a node returns, with one value or link for each of its outputs.
  Returned expand(std::vector<Value> outputs) const;

 private:
  const std::string prefix_;
  std::deque<NodeBuilder> nodes_;  // references to them stay good
  std::map<std::string, size_t> names_;
  size_t counter_ = 0;
};

}  // namespace easel
