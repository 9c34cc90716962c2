#include "graph/describe.h"

#include "base/error.h"

namespace easel {
namespace {

// A V1 combo shows the list of names as its type. A COMBO without names of its own (some V1 nodes let the page fetch
// them) shows as any other type.
bool is_name_list(const Input& input) {
  return input.type == "COMBO" && (!input.choices.empty() || !input.source.folder.empty());
}

OrderedJson write_source(const FileSource& source) {
  OrderedJson json = {{"folder", source.folder}};
  if (!source.kind.empty()) json["kind"] = source.kind;
  if (!source.extra.empty()) json["extra"] = source.extra;
  if (source.upload) json["upload"] = true;
  return json;
}

FileSource read_source(const OrderedJson& json) {
  return {.folder = json.at("folder"),
          .kind = json.value("kind", ""),
          .extra = json.value("extra", std::vector<std::string>()),
          .upload = json.value("upload", false)};
}

OrderedJson write_input(const Input& input) {
  OrderedJson json = {{"name", input.name}, {"type", input.type}};
  if (!input.options.empty()) json["options"] = input.options;
  if (!input.choices.empty()) json["choices"] = input.choices;
  if (!input.source.folder.empty()) json["source"] = write_source(input.source);
  if (input.optional) json["optional"] = true;
  if (input.lazy) json["lazy"] = true;
  if (input.raw_link) json["raw_link"] = true;
  return json;
}

Input read_input(const OrderedJson& json) {
  return {.name = json.at("name"),
          .type = json.at("type"),
          .options = json.value("options", OrderedJson::object()),
          .choices = json.value("choices", std::vector<std::string>()),
          .source = json.contains("source") ? read_source(json["source"]) : FileSource(),
          .optional = json.value("optional", false),
          .lazy = json.value("lazy", false),
          .raw_link = json.value("raw_link", false)};
}

OrderedJson write_output(const Output& output) {
  OrderedJson json = {{"type", output.type}, {"name", output.name}};
  if (output.is_list) json["is_list"] = true;
  if (!output.tooltip.empty()) json["tooltip"] = output.tooltip;
  return json;
}

Output read_output(const OrderedJson& json) {
  return {.type = json.at("type"),
          .name = json.at("name"),
          .is_list = json.value("is_list", false),
          .tooltip = json.value("tooltip", "")};
}

OrderedJson write_check(const Check& check) {
  OrderedJson json = {{"inputs", check.inputs}};
  if (check.all_inputs) json["all_inputs"] = true;
  if (check.link_types) json["link_types"] = true;
  return json;
}

Check read_check(const OrderedJson& json) {
  return {.inputs = json.at("inputs"),
          .all_inputs = json.value("all_inputs", false),
          .link_types = json.value("link_types", false),
          .run = {}};
}

OrderedJson write_node(const Node& node) {
  OrderedJson json = {{"id", node.id}, {"title", node.title}, {"category", node.category}, {"about", node.about}};
  json["inputs"] = json["outputs"] = OrderedJson::array();
  for (const Input& input : node.inputs) json["inputs"].push_back(write_input(input));
  for (const Output& output : node.outputs) json["outputs"].push_back(write_output(output));
  json["module"] = node.module;
  if (node.is_output) json["is_output"] = true;
  if (node.v3) json["v3"] = true;
  if (node.deprecated) json["deprecated"] = true;
  if (node.experimental) json["experimental"] = true;
  if (node.not_idempotent) json["not_idempotent"] = true;
  if (!node.hidden.empty()) json["hidden"] = node.hidden;
  if (node.check) json["check"] = write_check(node.check);
  if (node.overlap != Overlap::kNone) json["overlap"] = node.overlap == Overlap::kFree ? "free" : "in_order";
  if (node.variadic) json["variadic"] = true;
  return json;
}

Node read_node(const OrderedJson& json) {
  Node node;
  node.id = json.at("id");
  node.title = json.at("title");
  node.category = json.at("category");
  node.about = json.at("about");
  for (const OrderedJson& input : json.at("inputs")) node.inputs.push_back(read_input(input));
  for (const OrderedJson& output : json.at("outputs")) node.outputs.push_back(read_output(output));
  node.module = json.at("module");
  node.is_output = json.value("is_output", false);
  node.v3 = json.value("v3", false);
  node.deprecated = json.value("deprecated", false);
  node.experimental = json.value("experimental", false);
  node.not_idempotent = json.value("not_idempotent", false);
  if (json.contains("hidden")) node.hidden = json["hidden"];
  if (json.contains("check")) node.check = read_check(json["check"]);
  if (json.contains("overlap")) node.overlap = json["overlap"] == "free" ? Overlap::kFree : Overlap::kInOrder;
  node.variadic = json.value("variadic", false);
  return node;
}

}  // namespace

bool is_v1_combo(const Node& node, const Input& input) {
  // A few V1 nodes are written the V3 way: "COMBO", and the names among the options
  return !node.v3 && is_name_list(input) && !input.options.contains("options");
}

OrderedJson input_info(const Node& node, const Input& input, const Choices& choices) {
  OrderedJson options = input.options;
  if (input.lazy) options["lazy"] = true;
  if (input.raw_link) options["rawLink"] = true;
  if (is_v1_combo(node, input)) {
    OrderedJson info = OrderedJson::array({choices_of(input, choices)});
    if (!options.empty()) info.push_back(std::move(options));
    return info;
  }
  if (node.v3 && is_name_list(input)) {
    options["multiselect"] = options.value("multiselect", false);
    options["options"] = choices_of(input, choices);
  }
  OrderedJson info = OrderedJson::array({input.type});
  if (node.v3 || !options.empty()) info.push_back(std::move(options));
  return info;
}

std::vector<std::string> choices_of(const Input& input, const Choices& choices) {
  if (input.source.folder.empty()) return input.choices;
  std::vector<std::string> names = choices ? choices(input.source) : std::vector<std::string>();
  names.insert(names.end(), input.source.extra.begin(), input.source.extra.end());
  return names;
}

OrderedJson object_info(const Node& node, const Choices& choices) {
  // "required" is always there, the other sections only where they hold something.
  OrderedJson inputs = {{"required", OrderedJson::object()}}, order = {{"required", OrderedJson::array()}};
  for (bool optional : {false, true}) {
    const char* section = optional ? "optional" : "required";
    for (const Input& input : node.inputs) {
      if (input.optional != optional) continue;
      inputs[section][input.name] = input_info(node, input, choices);
      order[section].push_back(input.name);
    }
  }
  for (const auto& [name, type] : node.hidden) {
    inputs["hidden"][name] = node.v3 ? OrderedJson::array({type}) : OrderedJson(type);
    order["hidden"].push_back(name);
  }
  OrderedJson types = OrderedJson::array(), lists = types, names = types, tooltips = types;
  bool has_tooltip = false;
  for (const Output& output : node.outputs) {
    types.push_back(output.type);
    lists.push_back(output.is_list);
    names.push_back(output.name);
    tooltips.push_back(output.tooltip.empty() ? OrderedJson() : OrderedJson(output.tooltip));
    has_tooltip = has_tooltip || !output.tooltip.empty();
  }
  OrderedJson title = node.title.empty() ? (node.v3 ? OrderedJson() : OrderedJson(node.id)) : OrderedJson(node.title);
  OrderedJson info = {
      {"input", std::move(inputs)},         {"input_order", std::move(order)}, {"output", std::move(types)},
      {"output_is_list", std::move(lists)}, {"output_name", std::move(names)}, {"name", node.id},
      {"display_name", std::move(title)},   {"description", node.about},       {"python_module", node.module},
      {"category", node.category},          {"output_node", node.is_output}};
  if (node.v3 || has_tooltip) info["output_tooltips"] = std::move(tooltips);
  if (node.v3 || node.deprecated) info["deprecated"] = node.deprecated;
  if (node.v3 || node.experimental) info["experimental"] = node.experimental;
  if (node.v3) info["api_node"] = false;
  return info;
}

std::string describe(const Registry& registry) {
  OrderedJson nodes = OrderedJson::array();
  for (const Node& node : registry.all()) nodes.push_back(write_node(node));
  return nodes.dump(1) + "\n";
}

Registry read_nodes(const std::string& text) {
  Registry registry;
  try {
    for (const OrderedJson& node : OrderedJson::parse(text)) registry.add(read_node(node));
  } catch (const OrderedJson::exception& error) {
    fail("read_nodes: {}; perhaps nodes.json is damaged or of another version", error.what());
  }
  return registry;
}

}  // namespace easel
