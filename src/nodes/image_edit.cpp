// Images cut, turned, put beside each other and into other sizes and batches.
#include <cmath>

#include "graph/context.h"
#include "nodes/budget.h"
#include "nodes/families.h"
#include "nodes/ports.h"
#include "nodes/resize.h"

namespace easel {
namespace {

constexpr const char* kModule = "comfy_extras.nodes_images";
const std::vector<std::string> kMethods = {"nearest-exact", "bilinear", "area", "bicubic", "lanczos"};

int64_t height_of(const Tensor& pixels) { return pixels.size(1); }
int64_t width_of(const Tensor& pixels) { return pixels.size(2); }

Tensor resized(const char* who, const Tensor& pixels, int64_t width, int64_t height, const std::string& method) {
  require_memory(who, {pixels.size(0), height, width, pixels.size(3)});
  return resize_pixels(pixels, width, height, method);
}

Image crop(const Image& image, int64_t width, int64_t height, int64_t x, int64_t y) {
  const Tensor& pixels = image.pixels;
  x = std::min(x, width_of(pixels) - 1);
  y = std::min(y, height_of(pixels) - 1);
  return {pixels.narrow(1, y, std::min(height, height_of(pixels) - y))
              .narrow(2, x, std::min(width, width_of(pixels) - x))
              .contiguous()};
}

Image rotate(const Image& image, const std::string& rotation) {
  const int64_t quarters = rotation.starts_with("90")    ? 1
                           : rotation.starts_with("180") ? 2
                           : rotation.starts_with("270") ? 3
                                                         : 0;
  return {at::rot90(image.pixels, quarters, {2, 1}).contiguous()};
}

Image flip(const Image& image, const std::string& method) {
  return {at::flip(image.pixels, {method.front() == 'x' ? 1 : 2})};
}

Image to_total_pixels(const Image& image, const std::string& method, double megapixels) {
  const auto width = static_cast<double>(width_of(image.pixels)), height = static_cast<double>(height_of(image.pixels));
  const double scale = std::sqrt(megapixels * 1024 * 1024 / (width * height));
  return {resized("ImageScaleToTotalPixels", image.pixels, round_half_even(width * scale),
                  round_half_even(height * scale), method)};
}

Image to_max_dimension(const Image& image, const std::string& method, int64_t largest) {
  const auto width = static_cast<double>(width_of(image.pixels)), height = static_cast<double>(height_of(image.pixels));
  const auto other = [&](double ratio) { return round_half_even(ratio * static_cast<double>(largest)); };
  return {resized("ImageScaleToMaxDimension", image.pixels, height > width ? other(width / height) : largest,
                  width > height ? other(height / width) : largest, method)};
}

Image resize_and_pad(const Image& image, int64_t width, int64_t height, const std::string& color,
                     const std::string& method) {
  const auto old_width = static_cast<double>(width_of(image.pixels));
  const auto old_height = static_cast<double>(height_of(image.pixels));
  const double scale = std::min(static_cast<double>(width) / old_width, static_cast<double>(height) / old_height);
  const auto inner_width = std::max<int64_t>(1, static_cast<int64_t>(old_width * scale));
  const auto inner_height = std::max<int64_t>(1, static_cast<int64_t>(old_height * scale));
  require_memory("ResizeAndPadImage", {image.pixels.size(0), height, width, image.pixels.size(3)});
  const Tensor inner = resize_pixels(image.pixels, inner_width, inner_height, method);
  const int64_t left = (width - inner_width) / 2, top = (height - inner_height) / 2;
  return {at::constant_pad_nd(inner, {0, 0, left, width - inner_width - left, top, height - inner_height - top},
                              color == "white" ? 1.0 : 0.0)};
}

Tensor color_named(const std::string& name, int64_t channels) {
  Tensor color = at::zeros({channels});
  if (name == "white") color.fill_(1);
  if (name == "red") color[0] = 1;
  if (name == "green") color[1] = 1;
  if (name == "blue") color[2] = 1;
  if (channels == 4) color[3] = 1;
  return color;
}

// Black borders above and below (or left and right), so that the side along `axis` becomes `size`.
Tensor centred(const Tensor& pixels, int64_t axis, int64_t size) {
  const int64_t before = (size - pixels.size(axis)) / 2, after = size - pixels.size(axis) - before;
  return axis == 1 ? at::constant_pad_nd(pixels, {0, 0, 0, 0, before, after})
                   : at::constant_pad_nd(pixels, {0, 0, before, after});
}

Image stitch(const Image& image1, const std::string& direction, bool match_size, int64_t spacing,
             const std::string& color, const std::optional<Image>& image2) {
  if (!image2) return image1;
  Tensor first = image1.pixels, second = image2->pixels;
  const int64_t batch = std::max(first.size(0), second.size(0)), channels = std::max(first.size(-1), second.size(-1));
  const bool beside = direction == "right" || direction == "left";
  const int64_t along = beside ? 2 : 1, across = beside ? 1 : 2;
  for (Tensor* t : {&first, &second}) {  // the last image of the shorter batch stays to its end
    if (t->size(0) < batch)
      *t = at::cat({*t, t->narrow(0, t->size(0) - 1, 1).expand({batch - t->size(0), -1, -1, -1})});
  }
  if (match_size) {
    const double ratio = static_cast<double>(width_of(second)) / static_cast<double>(height_of(second));
    const int64_t fixed = first.size(across);
    const auto other = std::max<int64_t>(
        1, static_cast<int64_t>(beside ? static_cast<double>(fixed) * ratio : static_cast<double>(fixed) / ratio));
    second = resized("ImageStitch", second, beside ? other : fixed, beside ? fixed : other, "lanczos");
  } else {
    const int64_t size = std::max(first.size(across), second.size(across));
    first = centred(first, across, size);
    second = centred(second, across, size);
  }
  for (Tensor* t : {&first, &second})
    if (t->size(-1) < channels) *t = at::constant_pad_nd(*t, {0, channels - t->size(-1)}, 1.0);
  std::vector<Tensor> parts = {first, second};
  if (direction == "left" || direction == "up") std::swap(parts[0], parts[1]);
  if (spacing > 0) {
    std::vector<int64_t> shape = first.sizes().vec();
    shape[static_cast<size_t>(along)] = spacing + spacing % 2;
    parts.insert(parts.begin() + 1, color_named(color, channels).expand(shape));
  }
  return {at::cat(parts, along)};
}

Image repeat(const Image& image, int64_t amount) {
  std::vector<int64_t> shape = image.pixels.sizes().vec();
  shape[0] *= amount;
  require_memory("RepeatImageBatch", shape);
  return {image.pixels.repeat({amount, 1, 1, 1})};
}

Image from_batch(const Image& image, int64_t index, int64_t length) {
  index = std::min(image.pixels.size(0) - 1, index);
  return {image.pixels.narrow(0, index, std::min(image.pixels.size(0) - index, length)).clone()};
}

std::tuple<int64_t, int64_t, int64_t> image_size(Context& context, const Image& image) {
  const int64_t width = width_of(image.pixels), height = height_of(image.pixels), batch = image.pixels.size(0);
  context.text(fmt::format("width: {}, height: {}\n batch size: {}", width, height, batch));
  return {width, height, batch};
}

Input pixels_input(std::string name, int64_t value, int64_t min) {
  return integer(std::move(name), {.value = value, .min = min, .max = kMaxResolution, .step = 1});
}

void add_transforms(Registry& registry) {
  constexpr const char* kCategory = "image/transform";
  registry.add({
      .id = "ImageCrop",
      .title = "Image Crop",
      .category = kCategory,
      .about = "A rectangle out of an image.",
      .inputs = {socket("image", "IMAGE"), pixels_input("width", 512, 1), pixels_input("height", 512, 1),
                 pixels_input("x", 0, 0), pixels_input("y", 0, 0)},
      .run = crop,
      .module = kModule,
  });
  registry.add({
      .id = "ImageRotate",
      .category = kCategory,
      .about = "Turns an image clockwise.",
      .inputs = {socket("image", "IMAGE"), choice("rotation", {"none", "90 degrees", "180 degrees", "270 degrees"})},
      .run = rotate,
      .module = kModule,
  });
  registry.add({
      .id = "ImageFlip",
      .category = kCategory,
      .about = "Mirrors an image.",
      .inputs = {socket("image", "IMAGE"), choice("flip_method", {"x-axis: vertically", "y-axis: horizontally"})},
      .run = flip,
      .module = kModule,
  });
  registry.add({
      .id = "ImageStitch",
      .title = "Image Stitch",
      .category = kCategory,
      .about = "Puts a second image beside, below or above the first.",
      .inputs = {socket("image1", "IMAGE"), choice("direction", {"right", "down", "left", "up"}, {.value = "right"}),
                 boolean("match_image_size", {.value = true}),
                 integer("spacing_width", {.value = 0, .min = 0, .max = 1024, .step = 2}),
                 choice("spacing_color", {"white", "black", "red", "green", "blue"}, {.value = "white"}),
                 socket("image2", "IMAGE")},
      .run = stitch,
      .module = kModule,
  });
  registry.add({
      .id = "ResizeAndPadImage",
      .category = kCategory,
      .about = "Fits an image into a size, with borders where its shape differs.",
      .inputs = {socket("image", "IMAGE"), pixels_input("target_width", 512, 1), pixels_input("target_height", 512, 1),
                 choice("padding_color", {"white", "black"}),
                 choice("interpolation", {"area", "bicubic", "nearest-exact", "bilinear", "lanczos"})},
      .run = resize_and_pad,
      .module = kModule,
  });
}

void add_sizes(Registry& registry) {
  registry.add({
      .id = "ImageScaleToTotalPixels",
      .category = "image/upscaling",
      .about = "Resizes an image to a number of pixels; its shape stays.",
      .inputs = {socket("image", "IMAGE"), choice("upscale_method", kMethods),
                 real("megapixels", {.value = 1.0, .min = 0.01, .max = 16.0, .step = 0.01})},
      .run = to_total_pixels,
      .v3 = true,
      .module = "comfy_extras.nodes_post_processing",
  });
  registry.add({
      .id = "ImageScaleToMaxDimension",
      .category = "image/upscaling",
      .about = "Resizes an image so that its longer side has a length; its shape stays.",
      .inputs = {socket("image", "IMAGE"),
                 choice("upscale_method", {"area", "lanczos", "bilinear", "nearest-exact", "bilinear", "bicubic"}),
                 pixels_input("largest_size", 512, 0)},
      .run = to_max_dimension,
      .module = kModule,
  });
  registry.add({
      .id = "GetImageSize",
      .title = "Get Image Size",
      .category = "image",
      .about = "Width, height and number of images.",
      .inputs = {socket("image", "IMAGE")},
      .outputs = {{.name = "width"}, {.name = "height"}, {.name = "batch_size"}},
      .run = image_size,
      .hidden = {{"unique_id", "UNIQUE_ID"}},
      .module = kModule,
  });
}

void add_batches(Registry& registry) {
  registry.add({
      .id = "RepeatImageBatch",
      .category = "image/batch",
      .about = "The batch several times over.",
      .inputs = {socket("image", "IMAGE"), integer("amount", {.value = 1, .min = 1, .max = 4096})},
      .run = repeat,
      .module = kModule,
  });
  registry.add({
      .id = "ImageFromBatch",
      .category = "image/batch",
      .about = "A run of images out of a batch.",
      .inputs = {socket("image", "IMAGE"), integer("batch_index", {.value = 0, .min = 0, .max = 4095}),
                 integer("length", {.value = 1, .min = 1, .max = 4096})},
      .run = from_batch,
      .module = kModule,
  });
}

}  // namespace

void add_image_edit_nodes(Registry& registry) {
  add_transforms(registry);
  add_sizes(registry);
  add_batches(registry);
}

}  // namespace easel
