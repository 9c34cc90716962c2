#include "graph/input.h"

namespace easel {
namespace {

void put(OrderedJson& options, const char* key, const Json& value) {
  if (!value.is_null()) options[key] = value;
}

// The keys every widget may have come last: the tooltip and what the caller adds.
Input finish(std::string name, std::string type, OrderedJson options, const std::string& tooltip, const Json& extra) {
  if (!tooltip.empty()) options["tooltip"] = tooltip;
  for (const auto& [key, value] : extra.items()) options[key] = value;
  return {.name = std::move(name), .type = std::move(type), .options = std::move(options)};
}

}  // namespace

Input integer(std::string name, const IntOptions& options) {
  OrderedJson shown = OrderedJson::object();
  put(shown, "default", options.value);
  put(shown, "min", options.min);
  put(shown, "max", options.max);
  put(shown, "step", options.step);
  put(shown, "control_after_generate", options.control_after_generate);
  return finish(std::move(name), "INT", std::move(shown), options.tooltip, options.extra);
}

Input real(std::string name, const FloatOptions& options) {
  OrderedJson shown = OrderedJson::object();
  put(shown, "default", options.value);
  put(shown, "min", options.min);
  put(shown, "max", options.max);
  put(shown, "step", options.step);
  put(shown, "round", options.round);
  return finish(std::move(name), "FLOAT", std::move(shown), options.tooltip, options.extra);
}

Input text(std::string name, const TextOptions& options) {
  OrderedJson shown = OrderedJson::object();
  put(shown, "default", options.value);
  put(shown, "multiline", options.multiline);
  put(shown, "dynamicPrompts", options.dynamic_prompts);
  put(shown, "placeholder", options.placeholder);
  return finish(std::move(name), "STRING", std::move(shown), options.tooltip, options.extra);
}

Input boolean(std::string name, const ChoiceOptions& options) { return socket(std::move(name), "BOOLEAN", options); }

Input choice(std::string name, std::vector<std::string> choices, const ChoiceOptions& options) {
  Input input = socket(std::move(name), "COMBO", options);
  input.choices = std::move(choices);
  return input;
}

Input files(std::string name, FileSource source, const ChoiceOptions& options) {
  Input input = socket(std::move(name), "COMBO", options);
  input.source = std::move(source);
  return input;
}

Input socket(std::string name, std::string type, const ChoiceOptions& options) {
  OrderedJson shown = OrderedJson::object();
  put(shown, "default", options.value);
  return finish(std::move(name), std::move(type), std::move(shown), options.tooltip, options.extra);
}

}  // namespace easel
