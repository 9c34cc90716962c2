#include "page/scope.h"

#include <algorithm>

#include "page/widgets.h"

namespace easel::page {
namespace {

// "12: seed" -> "seed": an older page wrote where a widget lies into its name.
std::string without_place(std::string_view name) {
  for (;;) {
    const size_t colon = name.find(':');
    if (colon == name.npos || name.find_first_not_of("0123456789 ") != colon) return std::string(name);
    const size_t rest = name.find_first_not_of(' ', colon + 1);
    if (rest == name.npos) return std::string(name);
    name.remove_prefix(rest);
  }
}

class Proxies {
 public:
  Proxies(Scope& scope, InputWidgets& widgets, Budget& budget) : scope_(scope), widgets_(widgets), budget_(budget) {}

  void add(const Json& entry, const Json& value) {
    if (!entry.is_array() || entry.size() < 2 || !entry[1].is_string()) return;
    const std::string id = text_of_id(entry[0]), name = entry[1];
    budget_.spend(scope_.graph->inputs.size());
    if (id == "-1") {  // one of the subgraph's own inputs
      if (const auto number = input_called(*scope_.graph, name)) scope_.input_values[*number] = value;
      return;
    }
    const SavedNode* node = scope_.graph->node(id);
    if (!node) return;
    budget_.spend(node->inputs.size() + (node->inside ? 2 * node->inside->inputs.size() : 0));
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
    const auto& behind = widgets_.of(*node.inside);
    const auto found = std::ranges::find(behind, plain);
    return found == behind.end() ? plain : node.inside->inputs[static_cast<size_t>(found - behind.begin())].name;
  }

  Scope& scope_;
  InputWidgets& widgets_;
  Budget& budget_;
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

const std::vector<std::string>& InputWidgets::of(const SavedGraph& graph) {
  const auto [place, is_new] = known_.try_emplace(&graph);
  if (is_new) {  // a subgraph that contains itself finds the empty list here
    std::vector<std::string> names;
    for (const SavedSlot& input : graph.inputs) names.push_back(find(graph, input));
    place->second = std::move(names);
  }
  return place->second;
}

std::string InputWidgets::find(const SavedGraph& graph, const SavedSlot& input) {
  for (const std::string& id : input.links) {
    const SavedLink* link = graph.link(id);
    const SavedNode* node = link ? graph.node(link->target) : nullptr;
    if (!node) continue;
    budget_.spend(node->inputs.size() + (node->inside ? node->inside->inputs.size() : 0));
    const auto slot = std::ranges::find_if(
        node->inputs, [&](const SavedSlot& in) { return !in.links.empty() && in.links.front() == id; });
    if (slot == node->inputs.end()) continue;
    if (!node->inside) {
      if (std::string widget = widget_of(*node, *slot, registry_); !widget.empty()) return widget;
      continue;
    }
    const auto& behind = of(*node->inside);
    for (size_t i = 0; i < behind.size(); ++i)
      if (node->inside->inputs[i].name == slot->name && !behind[i].empty()) return slot->name;
  }
  return "";
}

void read_host_values(Scope& scope, InputWidgets& widgets, Budget& budget) {
  const Json& values = scope.host->widgets_values;
  if (values.is_object()) {
    for (size_t i = 0; i < scope.graph->inputs.size(); ++i)
      if (const auto value = values.find(scope.graph->inputs[i].name); value != values.end())
        scope.input_values[i] = *value;
    return;
  }
  if (!values.is_array()) return;
  std::vector<size_t> shown;  // inputs that the host has a widget for
  const auto& behind = widgets.of(*scope.graph);
  for (size_t i = 0; i < behind.size(); ++i)
    if (!behind[i].empty()) shown.push_back(i);

  const auto proxies = scope.host->properties.find("proxyWidgets");
  const bool listed = proxies != scope.host->properties.end() && proxies->is_array() && !proxies->empty();
  // A page that knows no proxies keeps them when it saves, but the values are then its own: one for each input shown.
  if (listed && (values.size() == proxies->size() || values.size() != shown.size())) {
    Proxies reader(scope, widgets, budget);
    for (size_t i = 0; i < std::min(proxies->size(), values.size()); ++i) reader.add((*proxies)[i], values[i]);
    return;
  }
  for (size_t i = 0; i < std::min(shown.size(), values.size()); ++i) scope.input_values[shown[i]] = values[i];
}

}  // namespace easel::page
