// Nodes that hold one value.
#include <limits>

#include "nodes/families.h"

namespace easel {
namespace {

template <class T>
T same(T value) {
  return value;
}

void add_primitive(Registry& registry, std::string id, std::string title, std::string about, Input value, Run run) {
  registry.add({
      .id = std::move(id),
      .title = std::move(title),
      .category = "utils/primitive",
      .about = std::move(about),
      .inputs = {std::move(value)},
      .run = std::move(run),
      .v3 = true,
      .module = "comfy_extras.nodes_primitive",
  });
}

}  // namespace

void add_primitive_nodes(Registry& registry) {
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
  add_primitive(registry, "PrimitiveString", "String", "A text of one line.", text("value", {.multiline = false}),
                same<std::string>);
  add_primitive(registry, "PrimitiveStringMultiline", "String (Multiline)", "A text.",
                text("value", {.multiline = true}), same<std::string>);
  add_primitive(registry, "PrimitiveInt", "Int", "A whole number.",
                integer("value", {.min = -kLargest, .max = kLargest, .control_after_generate = true}), same<int64_t>);
  add_primitive(registry, "PrimitiveFloat", "Float", "A number.", real("value", {.min = -kLargest, .max = kLargest}),
                same<double>);
  add_primitive(registry, "PrimitiveBoolean", "Boolean", "Yes or no.", boolean("value"), same<bool>);
}

}  // namespace easel
