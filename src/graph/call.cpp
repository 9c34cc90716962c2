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

const std::string& name_of(const PlannedNode& node, size_t input) {
  const size_t declared = node.type->inputs.size();
  return input < declared ? node.type->inputs[input].name : *node.others[input - declared];
}

const std::vector<Value>* linked_list(const PlannedNode& node, size_t i, CallInputs& inputs,
                                      const ResultOf& result_of) {
  const PlannedInput& input = node.inputs[i];
  SharedResult source = result_of(input.source);
  if (!source && input.lazy) {
    inputs.missing.push_back(i);
    return nullptr;
  }
  if (!source || input.slot >= source->outputs.size())
    fail("{}: input '{}' is linked to output {} of a node that has none such", node.type->id, name_of(node, i),
         input.slot);
  return &inputs.results.emplace_back(std::move(source))->outputs[input.slot];
}

const std::vector<Value>* list_of_input(const PlannedNode& node, size_t i, CallInputs& inputs,
                                        const ResultOf& result_of) {
  const PlannedInput& input = node.inputs[i];
  const auto one = [&](Value value) { return &inputs.constants.emplace_back(1, std::move(value)); };
  switch (input.kind) {
    case PlannedInput::Kind::kNone:
      return nullptr;
    case PlannedInput::Kind::kConstant:
      return one(constant_value(*input.constant, node.type->inputs[i].type));
    case PlannedInput::Kind::kMade:
      return one(*input.given->made());
    case PlannedInput::Kind::kRaw:
      return one(Value::of(*input.given->link()));
    case PlannedInput::Kind::kLink:
      return linked_list(node, i, inputs, result_of);
    case PlannedInput::Kind::kBroken:
      break;
  }
  fail("{}: input '{}' is linked to a node that is not in the prompt", node.type->id, name_of(node, i));
}

// Every Link among the values replaced by all that its source gave.
std::vector<Value> resolved(const std::vector<Value>& values, const std::string& who, const ResultOfId& result_of) {
  std::vector<Value> list;
  for (const Value& value : values) {
    const Link* link = value.get<Link>();
    if (!link) {
      list.push_back(value);
      continue;
    }
    const SharedResult source = result_of(link->node);
    if (!source || link->slot < 0 || static_cast<size_t>(link->slot) >= source->outputs.size())
      fail("{}: it gave output {} of node {}, which there is not", who, link->slot, link->node);
    const auto& given = source->outputs[static_cast<size_t>(link->slot)];
    list.insert(list.end(), given.begin(), given.end());
  }
  return list;
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

CallInputs gather_inputs(const PlannedNode& node, const ResultOf& result_of) {
  CallInputs inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const auto* list = list_of_input(node, i, inputs, result_of);
    const bool may_lack = i >= node.type->inputs.size() || node.type->inputs[i].optional || node.inputs[i].lazy;
    if (!list && !may_lack) fail("{}: input '{}' has no value", node.type->id, name_of(node, i));
    inputs.lists.push_back(list);
  }
  return inputs;
}

size_t count_calls(const Node& type, const CallInputs& inputs) {
  size_t calls = 1;
  if (takes_lists(type)) return calls;
  for (size_t i = 0; i < inputs.lists.size(); ++i) {
    if (!inputs.lists[i]) continue;
    if (inputs.lists[i]->empty())
      fail("{}: input '{}' got an empty list", type.id, i < type.inputs.size() ? type.inputs[i].name : "?");
    calls = std::max(calls, inputs.lists[i]->size());
  }
  return calls;
}

std::vector<Argument> arguments_of_call(const PlannedNode& node, const CallInputs& inputs, size_t call) {
  const bool whole = takes_lists(*node.type);
  const size_t declared = node.type->inputs.size();
  std::vector<Argument> arguments;
  arguments.reserve(declared + 1);
  for (size_t i = 0; i < declared; ++i) {
    const auto* list = inputs.lists[i];
    if (list && whole) {
      arguments.push_back(*list);
    } else {
      arguments.emplace_back();
      if (list) arguments.back().push_back((*list)[std::min(call, list->size() - 1)]);
    }
  }
  if (!node.type->variadic) return arguments;
  Others others;
  for (size_t i = declared; i < inputs.lists.size(); ++i)
    if (const auto* list = inputs.lists[i])
      others.values.emplace_back(name_of(node, i), (*list)[std::min(call, list->size() - 1)]);
  arguments.push_back({Value::of(std::move(others))});
  return arguments;
}

const Blocker* find_blocker(const std::vector<Argument>& arguments) {
  for (const Argument& argument : arguments)
    for (const Value& value : argument) {
      if (const Blocker* blocker = value.get<Blocker>()) return blocker;
      if (const Others* others = value.get<Others>())
        for (const auto& [name, other] : others->values)
          if (const Blocker* blocker = other.get<Blocker>()) return blocker;
    }
  return nullptr;
}

bool expands(const std::vector<Returned>& calls) {
  return std::any_of(calls.begin(), calls.end(), [](const Returned& call) { return call.expand.has_value(); });
}

std::vector<Link> links_in(const std::vector<Returned>& calls) {
  std::vector<Link> links;
  for (const Returned& call : calls)
    for (const auto& values : call.slots)
      for (const Value& value : values)
        if (const Link* link = value.get<Link>()) links.push_back(*link);
  return links;
}

OrderedJson join_ui(const std::vector<Returned>& calls) {
  OrderedJson ui;
  for (const Returned& call : calls) {
    if (ui.is_null()) {
      ui = call.ui;
    } else if (ui.is_object() && call.ui.is_object()) {
      for (auto& [key, list] : ui.items())
        if (auto more = call.ui.find(key); more != call.ui.end() && list.is_array() && more->is_array())
          list.insert(list.end(), more->begin(), more->end());
    }
  }
  return ui;
}

NodeResult join_calls(const Node& type, const std::vector<Returned>& calls, const ResultOfId& result_of) {
  NodeResult result;
  result.outputs.resize(type.outputs.size());
  const bool subgraph = expands(calls);
  for (const Returned& call : calls)
    for (size_t slot = 0; slot < result.outputs.size(); ++slot) {
      auto& output = result.outputs[slot];
      if (call.blocked) {
        output.push_back(Value::of(*call.blocked));
      } else if (slot < call.slots.size()) {
        const auto values = subgraph ? resolved(call.slots[slot], type.id, result_of) : call.slots[slot];
        output.insert(output.end(), values.begin(), values.end());
      }
    }
  return result;
}

OrderedJson show_inputs(const PlannedNode& node, const CallInputs& inputs) {
  OrderedJson shown = OrderedJson::object();
  for (size_t i = 0; i < inputs.lists.size(); ++i) {
    if (!inputs.lists[i]) continue;
    OrderedJson values = OrderedJson::array();
    for (size_t k = 0; k < std::min(inputs.lists[i]->size(), kMostValuesShown); ++k)
      values.push_back(show_value((*inputs.lists[i])[k]));
    shown[name_of(node, i)] = std::move(values);
  }
  return shown;
}

}  // namespace easel
