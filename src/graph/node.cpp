#include "graph/node.h"

#include <set>

#include "base/error.h"

namespace easel {
namespace {

// Whether a parameter of C++ type `taken` may stand for an input declared as `declared`. A COMBO's value is a string; a
// Value takes anything, which is how "*" and unions such as "IMAGE,MASK" come in.
bool agrees(const std::string& declared, const std::string& taken) {
  return declared == taken || taken == "*" || (declared == "COMBO" && taken == "STRING");
}

void check_inputs(Node& node) {
  const std::vector<Parameter>& parameters = node.run.parameters();
  if (parameters.size() != node.inputs.size())
    fail("{}: {} inputs are declared, but run takes {}", node.id, node.inputs.size(), parameters.size());
  for (size_t i = 0; i < parameters.size(); ++i) {
    Input& input = node.inputs[i];
    const Parameter& parameter = parameters[i];
    if (!agrees(input.type, parameter.type))
      fail("{}: input '{}' is {}, but run takes {}", node.id, input.name, input.type, parameter.type);
    if (parameter.list != parameters[0].list)
      fail("{}: input '{}': either all inputs are taken as lists or none is", node.id, input.name);
    if (input.optional && !parameter.optional && !parameter.list)
      fail("{}: input '{}' is optional, but run does not take a std::optional", node.id, input.name);
    input.optional = input.optional || parameter.optional;
  }
}

void fill_outputs(Node& node) {
  const auto& results = node.run.results();
  if (node.outputs.empty()) node.outputs.resize(results.size());
  if (node.outputs.size() != results.size())
    fail("{}: {} outputs are declared, but run returns {}", node.id, node.outputs.size(), results.size());
  for (size_t i = 0; i < results.size(); ++i) {
    Output& output = node.outputs[i];
    if (!output.type.empty() && !agrees(output.type, results[i].type))
      fail("{}: output {} is {}, but run returns {}", node.id, i, output.type, results[i].type);
    if (output.type.empty()) output.type = results[i].type;
    output.is_list = results[i].is_list;
  }
}

}  // namespace

void Registry::add(Node node) {
  if (node.id.empty()) fail("Registry: a node without an id was added");
  if (index_.count(node.id)) fail("Registry: node {} was added twice", node.id);
  std::set<std::string> names;
  for (const Input& input : node.inputs)
    if (!names.insert(input.name).second) fail("{}: input '{}' is declared twice", node.id, input.name);
  if (node.run) {
    check_inputs(node);
    fill_outputs(node);
  }
  for (Output& output : node.outputs)
    if (output.name.empty()) output.name = output.type;
  index_[node.id] = nodes_.size();
  nodes_.push_back(std::move(node));
}

const Node* Registry::find(const std::string& id) const {
  auto found = index_.find(id);
  return found == index_.end() ? nullptr : &nodes_[found->second];
}

}  // namespace easel
