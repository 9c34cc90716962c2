#include "page/group_node.h"

#include <algorithm>
#include <map>
#include <set>

#include "page/widgets.h"

namespace easel::page {
namespace {

// The name of the definition, or "": "workflow>Name", in old files "workflow/Name".
std::string group_name(const std::string& type) {
  for (const char* prefix : {"workflow>", "workflow/"})
    if (type.starts_with(prefix)) return type.substr(std::string_view(prefix).size());
  return "";
}

// Builds the subgraph of a definition. The page names a group's sockets after the inner nodes' and numbers its widgets
// in the order of the inner nodes; a socket that is linked inside is not shown.
class Group {
 public:
  Group(const Json& definition, const Registry& registry) : definition_(definition), registry_(registry) {}

  // host: takes the group's widget values, as an object by "inner id.widget".
  std::unique_ptr<SavedGraph> build(SavedNode& host) {
    graph_ = std::make_unique<SavedGraph>();
    read_nodes();
    read_links();
    mark_converted(host);
    for (SavedNode& node : graph_->nodes) add_widgets(node, host);
    for (SavedNode& node : graph_->nodes) add_sockets(node, false);
    for (SavedNode& node : graph_->nodes) add_sockets(node, true);  // converted widgets come last
    for (const SavedNode& node : graph_->nodes) add_outputs(node);
    // The host's own sockets stand in the order in which they were made, whatever they are called by now.
    std::set<std::string> names;
    for (const SavedSlot& input : host.inputs) names.insert(input.name);
    for (size_t i = 0; i < std::min(host.inputs.size(), graph_->inputs.size()); ++i)
      if (!names.contains(graph_->inputs[i].name)) graph_->inputs[i].name = host.inputs[i].name;
    return std::move(graph_);
  }

 private:
  static const Json& list(const Json& object, const char* key) {
    static const Json kEmpty = Json::array();
    return object.is_object() && object.contains(key) && object[key].is_array() ? object[key] : kEmpty;
  }

  void read_nodes() {
    for (const Json& json : list(definition_, "nodes")) {
      SavedNode node = json.is_object() ? read_node(json) : SavedNode();
      node.id = std::to_string(graph_->nodes.size());
      for (SavedSlot& input : node.inputs) input.links.clear();  // numbers of the graph it was made from
      for (SavedSlot& output : node.outputs) output.links.clear();
      graph_->index[node.id] = graph_->nodes.size();
      graph_->nodes.push_back(std::move(node));
    }
  }

  std::string add_link(SavedLink link) {
    std::string id = std::to_string(graph_->links.size());
    graph_->links[id] = std::move(link);
    return id;
  }

  void read_links() {  // [from, slot, to, slot, …]; null for what was outside
    const auto number = [](const Json& json) {
      return json.is_number_integer() && json >= 0 ? json.get<size_t>() : SIZE_MAX;
    };
    for (const Json& json : list(definition_, "links")) {
      if (!json.is_array() || json.size() < 4) continue;
      const size_t from = number(json[0]), to = number(json[2]), slot = number(json[3]);
      if (from >= graph_->nodes.size() || to >= graph_->nodes.size() || slot >= graph_->nodes[to].inputs.size())
        continue;
      graph_->nodes[to].inputs[slot].links = {
          add_link({std::to_string(from), std::to_string(to), number(json[1]), slot})};
      used_.insert({from, number(json[1])});
    }
    for (const Json& json : list(definition_, "external"))
      if (json.is_array() && json.size() >= 2) external_.insert({number(json[0]), number(json[1])});
  }

  bool hidden(const SavedNode& node, const char* what, const std::string& key) const {
    const auto config = definition_.find("config");
    if (config == definition_.end() || !config->is_object() || !config->contains(node.id)) return false;
    const Json& of_node = (*config)[node.id];
    if (!of_node.is_object() || !of_node.contains(what) || !of_node[what].is_object()) return false;
    const Json& slots = of_node[what];
    return slots.contains(key) && slots[key].is_object() && slots[key].value("visible", Json()) == false;
  }

  // Old definitions list those widgets as inputs that were made sockets, newer ones list all of them. Which it is shows
  // in the number of values that the host has: all of them then, those linked inside aside.
  void mark_converted(const SavedNode& host) {
    size_t all = 0;
    for (const SavedNode& node : graph_->nodes) {
      if (node.type == "PrimitiveNode" && used_.contains({graph_->index[node.id], 0})) all += 2;
      const Node* declared = registry_.find(node.type);
      for (const Input* input : declared ? layout(*declared) : std::vector<const Input*>()) {
        const SavedSlot* slot = node.input(input->name);
        if (!slot || slot->links.empty()) all += values_taken(*input);
      }
    }
    if (!host.widgets_values.is_array() || host.widgets_values.size() != all) return;
    for (SavedNode& node : graph_->nodes)
      std::erase_if(node.inputs, [](const SavedSlot& slot) { return !slot.widget.empty() && slot.links.empty(); });
  }

  // Values of the host, one after the other, to the inner nodes' widgets that were not converted.
  void add_widgets(SavedNode& node, SavedNode& host) {
    if (!host.widgets_values.is_array()) return;
    const auto take = [&](size_t count) {
      const size_t at = next_value_;
      next_value_ += count;
      return at < host.widgets_values.size() ? host.widgets_values[at] : Json();
    };
    if (node.type == "PrimitiveNode") {
      if (!used_.contains({graph_->index[node.id], 0})) return;
      if (Json value = take(2); !value.is_null()) node.widgets_values = Json::array({std::move(value)});
      return;
    }
    const Node* declared = registry_.find(node.type);
    if (!declared) return;
    Json values = Json::object();
    for (const auto& [input, value] : widget_values(*declared, node.widgets_values, {})) values[input->name] = value;
    for (const Input* input : layout(*declared)) {
      const SavedSlot* slot = node.input(input->name);
      if (!is_widget(*input) || (slot && !slot->widget.empty())) continue;
      if (Json value = take(values_taken(*input)); !value.is_null()) values[input->name] = std::move(value);
    }
    node.widgets_values = std::move(values);
  }

  std::string shown_name(const SavedNode& node, const SavedSlot& input) {
    std::string name = input.name;
    if (names_.contains(name)) {
      const std::string before = (node.title.empty() ? node.type : node.title) + " ";
      const std::string with_node = before + input.name;
      name = names_.contains(with_node) ? before + std::to_string(names_[with_node]) + " " + input.name : with_node;
      names_.try_emplace(with_node, 1).first->second++;
    } else {
      names_[name] = 2;
    }
    return name;
  }

  void add_sockets(SavedNode& node, bool converted) {
    for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
      SavedSlot& input = node.inputs[slot];
      if (!input.links.empty() || input.widget.empty() == converted) continue;
      if (hidden(node, "input", input.name)) continue;
      const std::string link = add_link({kSubgraphInput, node.id, graph_->inputs.size(), slot});
      graph_->inputs.push_back({.name = shown_name(node, input), .type = input.type, .links = {link}});
      input.links = {link};
    }
  }

  void add_outputs(const SavedNode& node) {
    const size_t number = graph_->index[node.id];
    for (size_t slot = 0; slot < node.outputs.size(); ++slot) {
      const bool inside_only = used_.contains({number, slot}) && !external_.contains({number, slot});
      if (inside_only || hidden(node, "output", std::to_string(slot))) continue;
      if (is_internal(node)) continue;
      const std::string link = add_link({node.id, "-20", slot, graph_->outputs.size()});
      graph_->outputs.push_back({.name = node.outputs[slot].name, .type = node.outputs[slot].type, .links = {link}});
    }
  }

  static bool is_internal(const SavedNode& node) {
    return node.type == "Note" || node.type == "MarkdownNote" || node.type == "PrimitiveNode";
  }

  const Json& definition_;
  const Registry& registry_;
  std::unique_ptr<SavedGraph> graph_;
  std::set<std::pair<size_t, size_t>> used_, external_;  // outputs linked inside; outputs shown all the same
  std::map<std::string, int> names_;
  size_t next_value_ = 0;
};

}  // namespace

void expand_groups(SavedWorkflow& workflow, const Registry& registry, Budget& budget) {
  std::map<std::string, size_t> sizes;  // of the definitions, by name
  for (SavedNode& node : workflow.root.nodes) {
    const std::string name = group_name(node.type);
    const auto definition = name.empty() ? workflow.groups.end() : workflow.groups.find(name);
    if (definition == workflow.groups.end() || !definition->is_object()) continue;
    const auto [size, is_new] = sizes.try_emplace(name, 0);
    if (is_new) size->second = definition->flatten().size();
    budget.spend(size->second);  // each instance has a copy of its own
    auto& inside = workflow.subgraphs["group " + node.id];
    inside = Group(*definition, registry).build(node);
    node.inside = inside.get();
    node.widgets_values = Json();  // they are with the inner nodes now
  }
}

}  // namespace easel::page
