// Mask nodes.
#include "nodes/budget.h"
#include "nodes/families.h"
#include "nodes/ports.h"

namespace easel {
namespace {

constexpr const char* kModule = "comfy_extras.nodes_mask";

// [B, H, W], also of a mask without a batch
Tensor planes(const Mask& mask) { return mask.values.reshape({-1, mask.values.size(-2), mask.values.size(-1)}); }

Image mask_to_image(const Mask& mask) { return {planes(mask).unsqueeze(-1).expand({-1, -1, -1, 3}).contiguous()}; }

Mask image_to_mask(const Image& image, const std::string& channel) {
  const int64_t index = channel == "red" ? 0 : channel == "green" ? 1 : channel == "blue" ? 2 : 3;
  if (index >= image.pixels.size(-1))
    fail("ImageToMask: the image has {} channels, so no {}", image.pixels.size(-1), channel);
  return {image.pixels.select(-1, index).contiguous()};
}

Mask color_to_mask(const Image& image, int64_t color) {
  if (image.pixels.size(-1) < 3) fail("ImageColorToMask: the image has no colours but one channel");
  const Tensor bytes = (image.pixels.clamp(0, 1) * 255).round().to(at::kInt);
  const Tensor packed = bytes.select(-1, 0) * 0x10000 + bytes.select(-1, 1) * 0x100 + bytes.select(-1, 2);
  return {packed.eq(color).to(at::kFloat)};
}

Mask solid_mask(double value, int64_t width, int64_t height) {
  require_memory("SolidMask", {1, height, width});
  return {at::full({1, height, width}, value)};
}

// What is left of [first, first + length) in a side of `whole`
std::pair<int64_t, int64_t> inside(int64_t first, int64_t length, int64_t whole) {
  first = std::min(first, whole);
  return {first, std::min(length, whole - first)};
}

Mask crop_mask(const Mask& mask, int64_t x, int64_t y, int64_t width, int64_t height) {
  const Tensor all = planes(mask);
  const auto [top, rows] = inside(y, height, all.size(1));
  const auto [left, columns] = inside(x, width, all.size(2));
  return {all.narrow(1, top, rows).narrow(2, left, columns).clone()};
}

Mask combine_masks(const Mask& destination, const Mask& source, int64_t x, int64_t y, const std::string& operation) {
  Tensor made = planes(destination).clone();
  const Tensor from = planes(source);
  const auto [top, rows] = inside(y, from.size(1), made.size(1));
  const auto [left, columns] = inside(x, from.size(2), made.size(2));
  Tensor place = made.narrow(1, top, rows).narrow(2, left, columns);
  const Tensor part = from.narrow(1, 0, rows).narrow(2, 0, columns);
  const auto solid = [](const Tensor& t) { return t.round().to(at::kBool); };
  if (operation == "multiply") place.copy_(place * part);
  if (operation == "add") place.copy_(place + part);
  if (operation == "subtract") place.copy_(place - part);
  if (operation == "and") place.copy_(solid(place).logical_and(solid(part)));
  if (operation == "or") place.copy_(solid(place).logical_or(solid(part)));
  if (operation == "xor") place.copy_(solid(place).logical_xor(solid(part)));
  return {made.clamp(0, 1)};
}

// The right and bottom edges fade from the column before the last inwards, the very first column with them: recorded
// behaviour.
Mask feather_mask(const Mask& mask, int64_t left, int64_t top, int64_t right, int64_t bottom) {
  Tensor made = planes(mask).clone();
  const auto fade = [&](int64_t axis, int64_t length, bool from_end) {
    const int64_t size = made.size(axis);
    length = std::min(length, size);
    for (int64_t i = 0; i < length; i++)
      made.select(axis, from_end && i > 0 ? size - i : i)
          .mul_(static_cast<double>(i + 1) / static_cast<double>(length));
  };
  fade(2, left, false);
  fade(2, right, true);
  fade(1, top, false);
  fade(1, bottom, true);
  return {made};
}

// Grows by the largest of the neighbours, again and again; without corners only the four nearest count, which gives a
// diamond.
Mask grow_mask(const Mask& mask, int64_t expand, bool tapered_corners) {
  Tensor made = planes(mask).unsqueeze(1);
  if (expand < 0) made = -made;  // the largest of the negated is the smallest
  const int64_t times = std::min(std::abs(expand), made.size(2) + made.size(3));  // then nothing changes any more
  const auto largest = [](const Tensor& t, int64_t rows, int64_t columns) {
    return at::max_pool2d(t, {2 * rows + 1, 2 * columns + 1}, {1, 1}, {rows, columns});
  };
  for (int64_t i = 0; i < times; i++)
    made = tapered_corners ? at::maximum(largest(made, 0, 1), largest(made, 1, 0)) : largest(made, 1, 1);
  return {(expand < 0 ? -made : made).squeeze(1)};
}

void add_making(Registry& registry) {
  registry.add({
      .id = "MaskToImage",
      .title = "Convert Mask to Image",
      .category = "mask",
      .about = "A mask as a grey image.",
      .inputs = {socket("mask", "MASK")},
      .run = mask_to_image,
      .module = kModule,
  });
  registry.add({
      .id = "ImageToMask",
      .title = "Convert Image to Mask",
      .category = "mask",
      .about = "One channel of an image as a mask.",
      .inputs = {socket("image", "IMAGE"), choice("channel", {"red", "green", "blue", "alpha"})},
      .run = image_to_mask,
      .module = kModule,
  });
  registry.add({
      .id = "ImageColorToMask",
      .category = "mask",
      .about = "Masks what has exactly one colour.",
      .inputs = {socket("image", "IMAGE"),
                 integer("color", {.value = 0, .min = 0, .max = 0xFFFFFF, .step = 1, .extra = {{"display", "color"}}})},
      .run = color_to_mask,
      .module = kModule,
  });
  registry.add({
      .id = "SolidMask",
      .category = "mask",
      .about = "A mask of one value.",
      .inputs = {real("value", {.value = 1.0, .min = 0.0, .max = 1.0, .step = 0.01}),
                 integer("width", {.value = 512, .min = 1, .max = kMaxResolution, .step = 1}),
                 integer("height", {.value = 512, .min = 1, .max = kMaxResolution, .step = 1})},
      .run = solid_mask,
      .module = kModule,
  });
}

Input pixels_input(std::string name, int64_t value = 0, int64_t min = 0) {
  return integer(std::move(name), {.value = value, .min = min, .max = kMaxResolution, .step = 1});
}

void add_changing(Registry& registry) {
  registry.add({
      .id = "InvertMask",
      .category = "mask",
      .about = "Masks what was not masked.",
      .inputs = {socket("mask", "MASK")},
      .run = [](const Mask& mask) { return Mask{1 - mask.values}; },
      .module = kModule,
  });
  registry.add({
      .id = "ThresholdMask",
      .category = "mask",
      .about = "Masks wholly what is masked by more than a value, and the rest not at all.",
      .inputs = {socket("mask", "MASK"), real("value", {.value = 0.5, .min = 0.0, .max = 1.0, .step = 0.01})},
      .run = [](const Mask& mask, double value) { return Mask{mask.values.gt(value).to(at::kFloat)}; },
      .module = kModule,
  });
  registry.add({
      .id = "CropMask",
      .category = "mask",
      .about = "A rectangle out of a mask.",
      .inputs = {socket("mask", "MASK"), pixels_input("x"), pixels_input("y"), pixels_input("width", 512, 1),
                 pixels_input("height", 512, 1)},
      .run = crop_mask,
      .module = kModule,
  });
  registry.add({
      .id = "GrowMask",
      .category = "mask",
      .about = "Grows a mask by some pixels, or shrinks it.",
      .inputs = {socket("mask", "MASK"), pixels_input("expand", 0, -kMaxResolution),
                 boolean("tapered_corners", {.value = true})},
      .run = grow_mask,
      .module = kModule,
  });
  registry.add({
      .id = "FeatherMask",
      .category = "mask",
      .about = "Fades a mask out towards its edges.",
      .inputs = {socket("mask", "MASK"), pixels_input("left"), pixels_input("top"), pixels_input("right"),
                 pixels_input("bottom")},
      .run = feather_mask,
      .module = kModule,
  });
  registry.add({
      .id = "MaskComposite",
      .category = "mask",
      .about = "Puts one mask into another.",
      .inputs = {socket("destination", "MASK"), socket("source", "MASK"), pixels_input("x"), pixels_input("y"),
                 choice("operation", {"multiply", "add", "subtract", "and", "or", "xor"})},
      .run = combine_masks,
      .module = kModule,
  });
}

}  // namespace

void add_mask_nodes(Registry& registry) {
  add_making(registry);
  add_changing(registry);
}

}  // namespace easel
