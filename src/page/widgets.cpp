#include "page/widgets.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace easel::page {
namespace {

bool truthy(const OrderedJson& options, const char* key) {
  const auto found = options.find(key);
  return found != options.end() && (found->is_boolean() ? found->get<bool>() : found->is_string());
}

bool forced_input(const Input& input) { return truthy(input.options, "forceInput"); }

// Seeds have a control behind them even where their declaration does not ask for one.
size_t controls_behind(const Input& input) {
  const bool said = input.options.contains("control_after_generate");
  const bool wanted = truthy(input.options, "control_after_generate");
  if (input.type == "INT") return wanted || (!said && (input.name == "seed" || input.name == "noise_seed")) ? 1 : 0;
  if (input.type == "COMBO") return wanted ? 2 : 0;
  return 0;
}

// Pages of old gave a forced input a place among the values. If the list is as long as that would make it, those places
// are left out.
Json without_forced(const Node& node, const Json& saved) {
  std::vector<bool> forced;
  for (const Input* input : layout(node)) {
    if (!is_widget(*input) && !forced_input(*input)) continue;
    forced.push_back(forced_input(*input));
    if (truthy(input->options, "control_after_generate")) forced.push_back(false);
  }
  if (forced.size() != saved.size()) return saved;
  Json kept = Json::array();
  for (size_t i = 0; i < forced.size(); ++i)
    if (!forced[i]) kept.push_back(saved[i]);
  return kept;
}

Json default_of(const Input& input, const Choices& choices) {
  if (const auto found = input.options.find("default"); found != input.options.end()) return Json(*found);
  if (input.type == "INT" || input.type == "FLOAT") return 0;
  if (input.type == "STRING") return "";
  if (input.type == "BOOLEAN") return false;
  if (input.type == "COMBO") {
    const auto names = choices_of(input, choices);
    return names.empty() ? Json() : Json(names.front());
  }
  return {};
}

}  // namespace

bool is_widget(const Input& input) {
  static constexpr std::array<std::string_view, 12> kTypes = {
      "INT",    "FLOAT",        "STRING",      "BOOLEAN", "COMBO", "MARKDOWN", "COLOR", "LOAD_3D", "LOAD_3D_ANIMATION",
      "WEBCAM", "AUDIO_RECORD", "BOUNDING_BOX"};
  return !forced_input(input) && std::ranges::find(kTypes, input.type) != kTypes.end();
}

std::vector<const Input*> layout(const Node& node) {
  std::vector<const Input*> inputs;
  for (const bool optional : {false, true})
    for (const Input& input : node.inputs)
      if (input.optional == optional) inputs.push_back(&input);
  return inputs;
}

size_t values_taken(const Input& input) { return is_widget(input) ? 1 + controls_behind(input) : 0; }

std::vector<WidgetValue> widget_values(const Node& node, const Json& saved, const Choices& choices) {
  const Json by_place = saved.is_array() ? without_forced(node, saved) : Json::array();
  std::vector<WidgetValue> values;
  size_t place = 0;
  for (const Input* input : layout(node)) {
    if (!is_widget(*input)) continue;
    Json value;
    bool given = false;
    if (saved.is_object() && saved.contains(input->name)) {
      value = saved[input->name], given = true;
    } else if (place < by_place.size()) {
      value = by_place[place], given = true;
    }
    place += values_taken(*input);
    if (!given) value = default_of(*input, choices);
    if (given || !value.is_null()) values.push_back({input, std::move(value)});
  }
  return values;
}

}  // namespace easel::page
