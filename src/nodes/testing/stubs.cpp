// Values out of nothing, and what all testing nodes share.
#include "nodes/budget.h"
#include "nodes/testing/testing.h"

namespace easel {
namespace testing {

void add(Registry& registry, Node node) {
  if (node.category.empty()) node.category = "Testing/Nodes";
  if (node.about.empty()) node.about = "For tests of the graph engine.";
  node.module = "custom_nodes.testing-pack";
  registry.add(std::move(node));
}

Output any_output(std::string name) { return {.type = "*", .name = std::move(name)}; }

Image flat_image(double value, int64_t height, int64_t width, int64_t batch_size) {
  require_memory("a testing node", {batch_size, height, width, 3});
  return {at::full({batch_size, height, width, 3}, value, at::kFloat)};
}

}  // namespace testing

namespace {

constexpr int64_t kLargestSide = int64_t{1} << 30;

Image stub_image(const std::string& content, int64_t height, int64_t width, int64_t batch_size) {
  Image image = testing::flat_image(content == "WHITE" ? 1 : 0, height, width, batch_size);
  if (content == "NOISE") image.pixels.uniform_(0, 1);
  return image;
}

Mask stub_mask(double value, int64_t height, int64_t width, int64_t batch_size) {
  require_memory("StubMask", {batch_size, height, width});
  return {at::full({batch_size, height, width}, value, at::kFloat)};
}

std::vector<Input> with_sizes(Input first) {
  return {std::move(first), integer("height", {.value = testing::kSide, .min = 1, .max = kLargestSide, .step = 1}),
          integer("width", {.value = testing::kSide, .min = 1, .max = kLargestSide, .step = 1}),
          integer("batch_size", {.value = 1, .min = 1, .max = kLargestSide, .step = 1})};
}

}  // namespace

void add_stub_nodes(Registry& registry) {
  const auto add = [&](Node node) {
    node.category = "Testing/Stub Nodes";
    testing::add(registry, std::move(node));
  };
  const Input value = real("value", {.value = 0.5, .min = 0.0, .max = 1.0, .step = 0.01});
  add({.id = "StubImage", .inputs = with_sizes(choice("content", {"WHITE", "BLACK", "NOISE"})), .run = stub_image});
  add({.id = "StubConstantImage", .inputs = with_sizes(value), .run = testing::flat_image});
  add({.id = "StubMask", .inputs = with_sizes(value), .run = stub_mask});
  add({.id = "StubInt",
       .inputs = {integer("value", {.value = 0, .min = -0xffffffffLL, .max = 0xffffffffLL, .step = 1})},
       .run = [](int64_t v) { return v; }});
  add({.id = "StubFloat",
       .inputs = {real("value", {.value = 0.0, .min = -1.0e38, .max = 1.0e38, .step = 0.01})},
       .run = [](double v) { return v; }});
}

void add_testing_nodes(Registry& registry) {
  add_stub_nodes(registry);
  add_power_nodes(registry);
  add_expanding_nodes(registry);
  add_loop_nodes(registry);
  add_list_nodes(registry);
  add_number_nodes(registry);
  add_beside_nodes(registry);
}

}  // namespace easel
