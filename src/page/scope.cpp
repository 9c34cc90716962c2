#include "page/scope.h"

#include <algorithm>

#include "page/widgets.h"

namespace easel::page {
namespace {

constexpr int kMaxDepth = 100;

// The name of the widget that a subgraph's input leads to, perhaps through subgraphs inside it; "" if it is a socket.
std::string widget_behind(const SavedGraph& graph, size_t number, const Registry& registry, int depth = 0) {
  if (number >= graph.inputs.size() || depth > kMaxDepth) return "";
  for (const std::string& id : graph.inputs[number].links) {
    const SavedLink* link = graph.link(id);
    const SavedNode* node = link ? graph.node(link->target) : nullptr;
    if (!node) continue;
    const auto input = std::ranges::find_if(
        node->inputs, [&](const SavedSlot& slot) { return !slot.links.empty() && slot.links.front() == id; });
    if (input == node->inputs.end()) continue;
    if (!node->inside) {
      if (std::string widget = widget_of(*node, *input, registry); !widget.empty()) return widget;
      continue;
    }
    const auto same = std::ranges::find(node->inside->inputs, input->name, &SavedSlot::name);
    if (same == node->inside->inputs.end()) continue;
    const auto inner = static_cast<size_t>(same - node->inside->inputs.begin());
    if (!widget_behind(*node->inside, inner, registry, depth + 1).empty()) return input->name;
  }
  return "";
}

// "12: seed" -> "seed": an older page wrote where a widget lies into its name.
std::string without_place(const std::string& name) {
  const size_t colon = name.find(':'), digits = name.find_first_not_of("0123456789 ");
  const size_t rest = colon == std::string::npos ? colon : name.find_first_not_of(' ', colon + 1);
  return colon != std::string::npos && digits == colon && rest != std::string::npos ? without_place(name.substr(rest))
                                                                                    : name;
}

class Proxies {
 public:
  Proxies(Scope& scope, const Registry& registry) : scope_(scope), registry_(registry) {}

  void add(const Json& entry, const Json& value) {
    if (!entry.is_array() || entry.size() < 2 || !entry[1].is_string()) return;
    const std::string id = text_of_id(entry[0]), name = entry[1];
    if (id == "-1") {  // one of the subgraph's own inputs
      if (const auto number = input_called(*scope_.graph, name)) scope_.input_values[*number] = value;
      return;
    }
    const SavedNode* node = scope_.graph->node(id);
    if (!node) return;
    const std::string widget = name_on(*node, name);
    for (const SavedSlot& input : node->inputs) {
      if (input.links.empty() || (input.name != widget && input.widget != widget)) continue;
      const SavedLink* link = scope_.graph->link(input.links.front());
      if (link && link->origin == kSubgraphInput) {
        scope_.input_values[link->origin_slot] = value;
        return;
      }
    }
    scope_.widget_values[{id, widget}] = value;
  }

 private:
  static std::optional<size_t> input_called(const SavedGraph& graph, const std::string& name) {
    const auto found = std::ranges::find(graph.inputs, name, &SavedSlot::name);
    if (found == graph.inputs.end()) return std::nullopt;
    return static_cast<size_t>(found - graph.inputs.begin());
  }

  // A widget of an instance inside may be called by its own name or by that of the widget behind it.
  std::string name_on(const SavedNode& node, const std::string& name) const {
    if (!node.inside || input_called(*node.inside, name)) return name;
    const std::string plain = without_place(name);
    for (size_t i = 0; i < node.inside->inputs.size(); ++i)
      if (widget_behind(*node.inside, i, registry_) == plain) return node.inside->inputs[i].name;
    return plain;
  }

  Scope& scope_;
  const Registry& registry_;
};

}  // namespace

const Json* Scope::said_of_widget(const std::string& node, const std::string& widget) const {
  if (!host) return nullptr;
  if (const Json* said = outer->said_of_widget(host->id, widget)) return said;
  const auto found = widget_values.find({node, widget});
  return found == widget_values.end() ? nullptr : &found->second;
}

const Json* Scope::said_of_input(size_t number) const {
  if (!host || number >= graph->inputs.size()) return nullptr;
  if (const Json* said = outer->said_of_widget(host->id, graph->inputs[number].name)) return said;
  const auto found = input_values.find(number);
  return found == input_values.end() ? nullptr : &found->second;
}

const SavedSlot* Scope::host_socket(size_t number) const {
  if (!host || number >= graph->inputs.size()) return nullptr;
  return host->input(graph->inputs[number].name);
}

std::string widget_of(const SavedNode& node, const SavedSlot& input, const Registry& registry) {
  if (!input.widget.empty()) return input.widget;
  const Node* declared = registry.find(node.type);
  if (!declared) return "";
  const auto found = std::ranges::find(declared->inputs, input.name, &Input::name);
  return found != declared->inputs.end() && is_widget(*found) ? input.name : "";
}

void read_host_values(Scope& scope, const Registry& registry) {
  const Json& values = scope.host->widgets_values;
  if (values.is_object()) {
    for (size_t i = 0; i < scope.graph->inputs.size(); ++i)
      if (const auto value = values.find(scope.graph->inputs[i].name); value != values.end())
        scope.input_values[i] = *value;
    return;
  }
  if (!values.is_array()) return;
  const auto proxies = scope.host->properties.find("proxyWidgets");
  if (proxies != scope.host->properties.end() && proxies->is_array() && !proxies->empty()) {
    Proxies reader(scope, registry);
    for (size_t i = 0; i < std::min(proxies->size(), values.size()); ++i) reader.add((*proxies)[i], values[i]);
    return;
  }
  size_t place = 0;
  for (size_t i = 0; i < scope.graph->inputs.size() && place < values.size(); ++i)
    if (!widget_behind(*scope.graph, i, registry).empty()) scope.input_values[i] = values[place++];
}

}  // namespace easel::page
