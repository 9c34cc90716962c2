#include "graph/call.h"

#include <algorithm>

#include "base/error.h"
#include "graph/failure.h"
#include "graph/python.h"

namespace easel {
namespace {

constexpr size_t kMostValuesShown = 100;
constexpr size_t kLongestTextShown = 10'000;

bool takes_lists(const Node& node) { return !node.run.parameters().empty() && node.run.parameters()[0].list; }

// How many calls, and that no list is empty.
size_t count_calls(const Node& node, const CallInputs& inputs) {
  size_t calls = 1;
  for (size_t i = 0; i < inputs.lists.size(); ++i) {
    if (!inputs.lists[i]) continue;
    if (inputs.lists[i]->empty()) fail("{}: input '{}' got an empty list", node.id, node.inputs[i].name);
    calls = std::max(calls, inputs.lists[i]->size());
  }
  return calls;
}

std::vector<Argument> arguments_of_call(const CallInputs& inputs, size_t call) {
  std::vector<Argument> arguments;
  arguments.reserve(inputs.lists.size());
  for (const auto* list : inputs.lists) {
    arguments.emplace_back();
    if (list) arguments.back().push_back((*list)[std::min(call, list->size() - 1)]);
  }
  return arguments;
}

std::vector<Argument> whole_lists(const CallInputs& inputs) {
  std::vector<Argument> arguments;
  for (const auto* list : inputs.lists) arguments.push_back(list ? *list : Argument());
  return arguments;
}

void join(NodeResult& result, Returned returned, bool is_first) {
  for (size_t slot = 0; slot < std::min(result.outputs.size(), returned.slots.size()); ++slot) {
    auto& values = returned.slots[slot];
    result.outputs[slot].insert(result.outputs[slot].end(), values.begin(), values.end());
  }
  if (is_first) {
    result.ui = std::move(returned.ui);
  } else if (result.ui.is_object() && returned.ui.is_object()) {
    for (auto& [key, list] : result.ui.items())
      if (auto more = returned.ui.find(key); more != returned.ui.end() && list.is_array() && more->is_array())
        list.insert(list.end(), more->begin(), more->end());
  }
}

OrderedJson show_value(const Value& value) {
  if (value.empty()) return nullptr;
  if (auto v = value.get<int64_t>()) return *v;
  if (auto v = value.get<uint64_t>()) return *v;
  if (auto v = value.get<double>()) return *v;
  if (auto v = value.get<bool>()) return *v;
  if (auto v = value.get<std::string>()) return valid_utf8(v->substr(0, kLongestTextShown));
  if (auto v = value.get<Json>()) return valid_utf8(python::str(*v).substr(0, kLongestTextShown));
  return readable_type(value.type_name());
}

}  // namespace

Value constant_value(const Json& constant, const std::string& type) {
  switch (constant.type()) {
    case Json::value_t::null:
      return Value();
    case Json::value_t::string:
      return Value::of(constant.get<std::string>());
    case Json::value_t::array:
    case Json::value_t::object:
      return Value::of(constant);
    default:
      break;
  }
  if (type == "FLOAT") return Value::of(constant.get<double>());
  if (type == "COMBO" || type == "STRING") return Value::of(python::str(constant));
  if (constant.is_boolean()) return Value::of(constant.get<bool>());
  if (constant.is_number_unsigned()) return Port<uint64_t>::wrap(constant.get<uint64_t>());
  if (constant.is_number_integer()) return Value::of(constant.get<int64_t>());
  return Value::of(constant.get<double>());
}

CallInputs gather_inputs(const PlannedNode& node, const std::vector<SharedResult>& results) {
  CallInputs inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const PlannedInput& input = node.inputs[i];
    const Input& declared = node.type->inputs[i];
    const std::vector<Value>* list = nullptr;
    if (input.kind == PlannedInput::Kind::kConstant) {
      list = &inputs.constants.emplace_back(1, constant_value(*input.constant, declared.type));
    } else if (input.kind == PlannedInput::Kind::kLink) {
      const SharedResult& source = results[input.source];
      if (!source || input.slot >= source->outputs.size())
        fail("{}: input '{}' is linked to output {} of a node that has none such", node.type->id, declared.name,
             input.slot);
      list = &source->outputs[input.slot];
    } else if (input.kind == PlannedInput::Kind::kBroken) {
      fail("{}: input '{}' is linked to a node that is not in the prompt", node.type->id, declared.name);
    }
    if (!list && !declared.optional) fail("{}: input '{}' has no value", node.type->id, declared.name);
    inputs.lists.push_back(list);
  }
  return inputs;
}

NodeResult call_node(const Node& node, const CallInputs& inputs, Context& context) {
  NodeResult result;
  result.outputs.resize(node.outputs.size());
  const bool by_lists = takes_lists(node);
  const size_t calls = by_lists ? 1 : count_calls(node, inputs);
  for (size_t call = 0; call < calls; ++call) {
    context.check_interrupt();
    join(result, node.run(context, by_lists ? whole_lists(inputs) : arguments_of_call(inputs, call)), call == 0);
  }
  return result;
}

OrderedJson show_inputs(const Node& node, const CallInputs& inputs) {
  OrderedJson shown = OrderedJson::object();
  for (size_t i = 0; i < inputs.lists.size(); ++i) {
    if (!inputs.lists[i]) continue;
    OrderedJson values = OrderedJson::array();
    for (size_t k = 0; k < std::min(inputs.lists[i]->size(), kMostValuesShown); ++k)
      values.push_back(show_value((*inputs.lists[i])[k]));
    shown[node.inputs[i].name] = std::move(values);
  }
  return shown;
}

}  // namespace easel
