// PreviewAny: any value as text.
#include <fmt/ranges.h>

#include <cmath>

#include "nodes/families.h"
#include "nodes/ports.h"
#include "sampling/conditioning.h"

namespace easel {
namespace {

// As Python writes a float: 1.0, 1e-05, nan.
std::string number_text(double value) {
  std::string text = fmt::format("{}", value);
  const bool whole = std::isfinite(value) && text.find_first_of(".e") == std::string::npos;
  return whole ? text + ".0" : text;
}

std::string tensor_text(const char* type, const Tensor& tensor) {
  return fmt::format("{} {} {}", type, c10::toString(tensor.scalar_type()), fmt::join(tensor.sizes(), " x "));
}

std::string text_of(const Value& value) {
  if (value.empty()) return "None";
  if (auto v = value.get<std::string>()) return *v;
  if (auto v = value.get<int64_t>()) return std::to_string(*v);
  if (auto v = value.get<uint64_t>()) return std::to_string(*v);
  if (auto v = value.get<double>()) return number_text(*v);
  if (auto v = value.get<bool>()) return *v ? "True" : "False";
  if (auto v = value.get<Json>()) return v->dump(-1, ' ', false, Json::error_handler_t::replace);
  if (auto v = value.get<OrderedJson>()) return v->dump(-1, ' ', false, Json::error_handler_t::replace);
  if (auto v = value.get<Image>()) return tensor_text("IMAGE", v->pixels);
  if (auto v = value.get<Mask>()) return tensor_text("MASK", v->values);
  if (auto v = value.get<Latent>()) return tensor_text("LATENT", v->samples);
  if (auto v = value.get<Model>()) return "MODEL " + v->id();
  if (auto v = value.get<ConditioningSet>()) return fmt::format("CONDITIONING of {} entries", v->entries.size());
  return "a value that has no text form";
}

}  // namespace

void add_preview_any_node(Registry& registry) {
  registry.add({
      .id = "PreviewAny",
      .title = "Preview Any",
      .category = "utils",
      .about = "Shows any value as text.",
      .inputs = {socket("source", "*", {.tooltip = "What to show."})},
      .run =
          [](const Value& source) {
            Ui ui;
            ui.data["text"] = OrderedJson::array({text_of(source)});
            return ui;
          },
      .is_output = true,
      .module = "comfy_extras.nodes_preview_any",
  });
}

}  // namespace easel
