// Calling one node: its inputs are lists, and it runs once for each element.
#pragma once
#include <deque>
#include <functional>
#include <vector>

#include "graph/cache.h"
#include "graph/plan.h"

namespace easel {

// The values of a node's inputs, in the order of the plan; null where nothing is connected, or not worked out yet.
struct CallInputs {
  std::vector<const std::vector<Value>*> lists;
  std::vector<size_t> missing;               // lazy inputs whose source has not run
  std::deque<std::vector<Value>> constants;  // what lists points at, where it is not a result of another node
  std::vector<SharedResult> results;         // where it is: kept as long as the node runs
};

// What a node of the plan gave; null if it has not run.
using ResultOf = std::function<SharedResult(size_t node)>;

// Throws Error on a link to a node without a result or to a slot it has not, and on an input that must have a value and
// has none.
CallInputs gather_inputs(const PlannedNode& node, const ResultOf& result_of);

// A constant as the input's type wants it: FLOAT is a double, COMBO a string, lists and objects are Json.
Value constant_value(const Json& constant, const std::string& type);

// One call with the whole lists, if that is how the node takes them; else as many as the longest list has elements,
// where shorter lists repeat their last. Throws Error on an empty list in the second case.
size_t count_calls(const Node& type, const CallInputs& inputs);
std::vector<Argument> arguments_of_call(const PlannedNode& node, const CallInputs& inputs, size_t call);

// The first blocker among the arguments; null if the call can be made.
const Blocker* find_blocker(const std::vector<Argument>& arguments);

// Whether a call gave nodes to be run in its place.
bool expands(const std::vector<Returned>& calls);

// What the node gives: the outputs of its calls joined, and what they show, by the keys of the first that shows
// something. A Link that a call gave that expands stands for all that its source gave there.
using ResultOfId = std::function<SharedResult(const std::string& id)>;
NodeResult join_calls(const Node& type, const std::vector<Returned>& calls, const ResultOfId& result_of);
OrderedJson join_ui(const std::vector<Returned>& calls);

// All links among what was returned.
std::vector<Link> links_in(const std::vector<Returned>& calls);

// For an error report: {name: [values]}; what is no number, truth value or text shows as its type.
OrderedJson show_inputs(const PlannedNode& node, const CallInputs& inputs);

}  // namespace easel
