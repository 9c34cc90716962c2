#include "page/saved_graph.h"

#include <algorithm>

#include "base/error.h"

namespace easel::page {
namespace {

constexpr int kMuted = 2, kBypassed = 4;  // LiteGraph's numbers; all others run

std::string text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// A list, or an empty one where the key is absent or something else.
const Json& list(const Json& object, const char* key) {
  static const Json kEmpty = Json::array();
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : kEmpty;
}

size_t index_of(const Json& number) {
  if (number.is_string()) {  // group nodes of old write "0"
    const std::string digits = number.get<std::string>();
    const bool fits = !digits.empty() && digits.size() < 9 &&
                      std::ranges::all_of(digits, [](unsigned char c) { return std::isdigit(c); });
    return fits ? std::stoul(digits) : SIZE_MAX;
  }
  return number.is_number_integer() && number >= 0 ? number.get<size_t>() : SIZE_MAX;
}

SavedSlot read_slot(const Json& slot) {
  SavedSlot read;
  if (!slot.is_object()) return read;
  read.name = text(slot, "name");
  const auto type = slot.find("type");
  if (type != slot.end() && type->is_string()) read.type = *type;
  if (type != slot.end() && !type->is_string()) read.type = "*";  // 0 and -1 are wildcards
  if (const auto widget = slot.find("widget"); widget != slot.end() && widget->is_object())
    read.widget = text(*widget, "name");
  if (const auto link = slot.find("link"); link != slot.end() && !link->is_null()) read.links = {text_of_id(*link)};
  for (const char* key : {"links", "linkIds"})
    for (const Json& link : list(slot, key)) read.links.push_back(text_of_id(link));
  return read;
}

std::vector<SavedSlot> read_slots(const Json& slots) {
  std::vector<SavedSlot> read;
  for (const Json& slot : slots) read.push_back(read_slot(slot));
  return read;
}

void read_link(const Json& link, SavedGraph& graph) {
  if (link.is_array() && link.size() >= 5) {
    graph.links[text_of_id(link[0])] = {text_of_id(link[1]), text_of_id(link[3]), index_of(link[2]), index_of(link[4])};
  } else if (link.is_object()) {
    const auto at = [&](const char* key) { return link.contains(key) ? link[key] : Json(); };
    graph.links[text_of_id(at("id"))] = {text_of_id(at("origin_id")), text_of_id(at("target_id")),
                                         index_of(at("origin_slot")), index_of(at("target_slot"))};
  }
}

void read_graph(const Json& json, SavedGraph& graph) {
  for (const Json& node : list(json, "nodes")) {
    if (!node.is_object()) fail("workflow: a node is {}, an object was wanted", node.type_name());
    SavedNode read = read_node(node);
    graph.index.try_emplace(read.id, graph.nodes.size());
    graph.nodes.push_back(std::move(read));
  }
  for (const Json& link : list(json, "links")) read_link(link, graph);
  graph.inputs = read_slots(list(json, "inputs"));
  graph.outputs = read_slots(list(json, "outputs"));
}

void point_to_subgraphs(SavedGraph& graph, const SavedWorkflow& workflow) {
  for (SavedNode& node : graph.nodes) {
    const auto found = workflow.subgraphs.find(node.type);
    if (found != workflow.subgraphs.end()) node.inside = found->second.get();
  }
}

}  // namespace

void Budget::spend(size_t steps) {
  if (steps > left_) fail("workflow: its links go in a circle, or it is made to take very long");
  left_ -= steps;
}

const SavedSlot* SavedNode::input(std::string_view name) const {
  const auto found = std::ranges::find(inputs, name, &SavedSlot::name);
  return found == inputs.end() ? nullptr : &*found;
}

const SavedNode* SavedGraph::node(const std::string& id) const {
  const auto found = index.find(id);
  return found == index.end() ? nullptr : &nodes[found->second];
}

const SavedLink* SavedGraph::link(const std::string& id) const {
  const auto found = links.find(id);
  return found == links.end() ? nullptr : &found->second;
}

std::string text_of_id(const Json& id) {
  return id.is_string() ? id.get<std::string>() : id.is_null() ? "" : id.dump();
}

SavedNode read_node(const Json& node) {
  SavedNode read;
  read.id = text_of_id(node.value("id", Json()));
  read.type = text(node, "type");
  read.title = text(node, "title");
  const Json mode = node.value("mode", Json(0)), order = node.value("order", Json(0));
  read.mode = mode == kMuted ? Mode::kMuted : mode == kBypassed ? Mode::kBypassed : Mode::kRuns;
  read.order = order.is_number() ? order.get<double>() : 0;
  read.inputs = read_slots(list(node, "inputs"));
  read.outputs = read_slots(list(node, "outputs"));
  read.widgets_values = node.value("widgets_values", Json());
  read.properties = node.value("properties", Json::object());
  if (!read.properties.is_object()) read.properties = Json::object();
  return read;
}

SavedWorkflow read_workflow(const Json& json) {
  if (!json.is_object() || !json.contains("nodes") || !json["nodes"].is_array())
    fail("workflow: an object with a list of nodes was wanted, as the page saves it");
  SavedWorkflow workflow;
  read_graph(json, workflow.root);
  if (const auto definitions = json.find("definitions"); definitions != json.end() && definitions->is_object()) {
    for (const Json& subgraph : list(*definitions, "subgraphs")) {
      if (!subgraph.is_object()) continue;
      auto& place = workflow.subgraphs[text_of_id(subgraph.value("id", Json()))];
      place = std::make_unique<SavedGraph>();
      read_graph(subgraph, *place);
    }
  }
  point_to_subgraphs(workflow.root, workflow);
  for (auto& [id, subgraph] : workflow.subgraphs) point_to_subgraphs(*subgraph, workflow);
  if (const auto extra = json.find("extra"); extra != json.end() && extra->is_object())
    if (const auto groups = extra->find("groupNodes"); groups != extra->end() && groups->is_object())
      workflow.groups = *groups;
  return workflow;
}

}  // namespace easel::page
