// Calling one node: its inputs are lists, and it runs once for each element.
#pragma once
#include <deque>
#include <vector>

#include "graph/cache.h"
#include "graph/plan.h"

namespace easel {

// The values of a node's declared inputs, in declared order; null where nothing is connected.
struct CallInputs {
  std::vector<const std::vector<Value>*> lists;
  std::deque<std::vector<Value>> constants;  // what lists points at, where it is not a result of another node
};

// `results`: what each node of the plan gave. Throws Error on a link to a node without a result or to a slot it has
// not.
CallInputs gather_inputs(const PlannedNode& node, const std::vector<SharedResult>& results);

// A constant as the input's type wants it: FLOAT is a double, COMBO a string, lists and objects are Json.
Value constant_value(const Json& constant, const std::string& type);

// Runs the node. One call with the whole lists, if that is how it takes them; else as many calls as the longest list
// has elements, where shorter lists repeat their last. The outputs of the calls are joined, what they show too, by the
// keys of the first.
NodeResult call_node(const Node& node, const CallInputs& inputs, Context& context);

// For an error report: {name: [values]}; what is no number, truth value or text shows as its type.
OrderedJson show_inputs(const Node& node, const CallInputs& inputs);

}  // namespace easel
