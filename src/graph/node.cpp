#include "graph/node.h"

#include <algorithm>
#include <set>

#include "base/error.h"

namespace easel {
namespace {

// Whether a parameter of C++ type `taken` may stand for an input declared as `declared`. A COMBO's value is a string; a
// Value takes anything, which is how "*" and unions such as "IMAGE,MASK" come in.
bool agrees(const std::string& declared, const std::string& taken) {
  return declared == taken || taken == "*" || (declared == "COMBO" && taken == "STRING");
}

void check_lazy(const Node& node) {
  const auto lazy = [](const Parameter& parameter) { return parameter.lazy; };
  const auto& taken = node.run.parameters();
  const auto& looked_at = node.needs.parameters();
  if (!node.needs && std::any_of(taken.begin(), taken.end(), lazy))
    fail("{}: run takes a Lazy input, but nothing (.needs) says when it is needed", node.id);
  if (node.needs && looked_at.size() != taken.size())
    fail("{}: run takes {} inputs, but needs takes {}", node.id, taken.size(), looked_at.size());
  for (size_t i = 0; i < looked_at.size(); ++i)
    if (looked_at[i].type != taken[i].type || looked_at[i].list != taken[i].list)
      fail("{}: input {} is {} for run, but {} for needs", node.id, i, taken[i].type, looked_at[i].type);
}

void check_input(const Node& node, Input& input, const Parameter& parameter) {
  const std::string wanted = input.raw_link && parameter.type != "*" ? "LINK" : input.type;
  if (!agrees(wanted, parameter.type))
    fail("{}: input '{}' is {}, but run takes {}", node.id, input.name, wanted, parameter.type);
  if (parameter.list != node.run.parameters()[0].list)
    fail("{}: input '{}': either all inputs are taken as lists or none is", node.id, input.name);
  if (input.optional && !parameter.optional && !parameter.list && !parameter.lazy)
    fail("{}: input '{}' is optional, but run does not take a std::optional", node.id, input.name);
  input.optional = input.optional || parameter.optional;
  input.lazy = input.lazy || parameter.lazy;
}

void check_inputs(Node& node) {
  const std::vector<Parameter>& parameters = node.run.parameters();
  node.variadic = !parameters.empty() && parameters.back().others;
  const size_t taken = parameters.size() - (node.variadic ? 1 : 0);
  if (taken != node.inputs.size())
    fail("{}: {} inputs are declared, but run takes {}", node.id, node.inputs.size(), taken);
  if (node.variadic && parameters[0].list) fail("{}: Others are not taken as lists", node.id);
  for (size_t i = 0; i < taken; ++i) check_input(node, node.inputs[i], parameters[i]);
  check_lazy(node);
}

void fill_outputs(Node& node) {
  if (!node.run.declares_results()) {
    for (const Output& output : node.outputs)
      if (output.type.empty()) fail("{}: run returns what it likes, so every output declares its type", node.id);
    return;
  }
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
