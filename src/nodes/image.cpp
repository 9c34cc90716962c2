// Image nodes: pixels in, pixels out.
#include <cmath>

#include "nodes/budget.h"
#include "nodes/families.h"
#include "nodes/ports.h"
#include "nodes/resize.h"

namespace easel {
namespace {

const std::vector<std::string> kImageMethods = {"nearest-exact", "bilinear", "area", "bicubic", "lanczos"};

// A side given as 0 follows from the other one and the image's ratio.
Image image_scale(const Image& image, const std::string& method, int64_t width, int64_t height,
                  const std::string& crop) {
  if (width == 0 && height == 0) return image;
  const auto old_height = static_cast<double>(image.pixels.size(1)),
             old_width = static_cast<double>(image.pixels.size(2));
  if (width == 0) width = std::max<int64_t>(1, round_half_even(old_width * static_cast<double>(height) / old_height));
  if (height == 0) height = std::max<int64_t>(1, round_half_even(old_height * static_cast<double>(width) / old_width));
  require_memory("ImageScale", {image.pixels.size(0), height, width, image.pixels.size(3)});
  return {resize_pixels(image.pixels, width, height, method, crop == "center")};
}

Image image_scale_by(const Image& image, const std::string& method, double scale) {
  const int64_t width = round_half_even(static_cast<double>(image.pixels.size(2)) * scale);
  const int64_t height = round_half_even(static_cast<double>(image.pixels.size(1)) * scale);
  require_memory("ImageScaleBy", {image.pixels.size(0), height, width, image.pixels.size(3)});
  return {resize_pixels(image.pixels, width, height, method)};
}

Image image_invert(const Image& image) { return {1.0 - image.pixels}; }

// The second image takes the size of the first; a missing alpha channel is opaque.
Image image_batch(const Image& image1, const Image& image2) {
  Tensor first = image1.pixels, second = image2.pixels;
  auto with_channels = [](const Tensor& x, int64_t channels) {
    return x.size(-1) < channels ? at::constant_pad_nd(x, {0, channels - x.size(-1)}, 1.0) : x;
  };
  const int64_t channels = std::max(first.size(-1), second.size(-1));
  first = with_channels(first, channels);
  second = with_channels(second, channels);
  if (first.sizes().slice(1) != second.sizes().slice(1))
    second = resize_pixels(second, first.size(2), first.size(1), "bilinear", true);
  return {at::cat({first, second})};
}

Image empty_image(int64_t width, int64_t height, int64_t batch_size, int64_t color) {
  require_memory("EmptyImage", {batch_size, height, width, 3});
  const Tensor rgb = at::tensor({(color >> 16) & 0xFF, (color >> 8) & 0xFF, color & 0xFF}, at::kFloat) / 255;
  return {rgb.expand({batch_size, height, width, 3}).contiguous()};
}

// How far each pixel of the image is from the nearest side that grows, as a mask falling off quadratically.
Tensor feather(int64_t height, int64_t width, int64_t left, int64_t top, int64_t right, int64_t bottom,
               int64_t feathering) {
  auto distance = [](int64_t length, bool before, bool after) {
    const Tensor i = at::arange(length, at::kFloat);
    const Tensor far = at::full({length}, static_cast<double>(length));
    return at::minimum(before ? i : far, after ? static_cast<double>(length) - i : far);
  };
  const Tensor d = at::minimum(distance(height, top != 0, bottom != 0).unsqueeze(1),
                               distance(width, left != 0, right != 0).unsqueeze(0));
  return ((static_cast<double>(feathering) - d) / static_cast<double>(feathering)).clamp_min(0).square();
}

std::tuple<Image, Mask> pad_for_outpaint(const Image& image, int64_t left, int64_t top, int64_t right, int64_t bottom,
                                         int64_t feathering) {
  const int64_t height = image.pixels.size(1), width = image.pixels.size(2);
  require_memory("ImagePadForOutpaint",
                 {image.pixels.size(0), height + top + bottom, width + left + right, image.pixels.size(3)});
  const Tensor padded = at::constant_pad_nd(image.pixels, {0, 0, left, right, top, bottom}, 0.5);
  Tensor inside = at::zeros({height, width});
  if (feathering > 0 && feathering * 2 < height && feathering * 2 < width)
    inside = feather(height, width, left, top, right, bottom, feathering);
  return {Image{padded}, Mask{at::constant_pad_nd(inside, {left, right, top, bottom}, 1.0).unsqueeze(0)}};
}

void add_scaling(Registry& registry) {
  registry.add({
      .id = "ImageScale",
      .title = "Upscale Image",
      .category = "image/upscaling",
      .about = "Resizes images; a side of 0 follows from the other one.",
      .inputs = {socket("image", "IMAGE"), choice("upscale_method", kImageMethods),
                 integer("width", {.value = 512, .min = 0, .max = kMaxResolution, .step = 1}),
                 integer("height", {.value = 512, .min = 0, .max = kMaxResolution, .step = 1}),
                 choice("crop", {"disabled", "center"})},
      .run = image_scale,
  });
  registry.add({
      .id = "ImageScaleBy",
      .title = "Upscale Image By",
      .category = "image/upscaling",
      .about = "Resizes images by a factor.",
      .inputs = {socket("image", "IMAGE"), choice("upscale_method", kImageMethods),
                 real("scale_by", {.value = 1.0, .min = 0.01, .max = 8.0, .step = 0.01})},
      .run = image_scale_by,
  });
}

}  // namespace

void add_image_nodes(Registry& registry) {
  add_scaling(registry);
  registry.add({
      .id = "ImageInvert",
      .title = "Invert Image",
      .category = "image",
      .about = "The negative of an image.",
      .inputs = {socket("image", "IMAGE")},
      .run = image_invert,
  });
  registry.add({
      .id = "ImageBatch",
      .title = "Batch Images",
      .category = "image",
      .about = "Two images, or batches, in one batch; the second is fitted to the size of the first.",
      .inputs = {socket("image1", "IMAGE"), socket("image2", "IMAGE")},
      .run = image_batch,
  });
  registry.add({
      .id = "EmptyImage",
      .category = "image",
      .about = "Images of one colour.",
      .inputs = {integer("width", {.value = 512, .min = 1, .max = kMaxResolution, .step = 1}),
                 integer("height", {.value = 512, .min = 1, .max = kMaxResolution, .step = 1}),
                 integer("batch_size", {.value = 1, .min = 1, .max = 4096}),
                 integer("color", {.value = 0, .min = 0, .max = 0xFFFFFF, .step = 1, .extra = {{"display", "color"}}})},
      .run = empty_image,
  });
  registry.add({
      .id = "ImagePadForOutpaint",
      .title = "Pad Image for Outpainting",
      .category = "image",
      .about = "Adds grey borders and gives the mask of what is to be painted, softened towards the image.",
      .inputs = {socket("image", "IMAGE"), integer("left", {.value = 0, .min = 0, .max = kMaxResolution, .step = 8}),
                 integer("top", {.value = 0, .min = 0, .max = kMaxResolution, .step = 8}),
                 integer("right", {.value = 0, .min = 0, .max = kMaxResolution, .step = 8}),
                 integer("bottom", {.value = 0, .min = 0, .max = kMaxResolution, .step = 8}),
                 integer("feathering", {.value = 40, .min = 0, .max = kMaxResolution, .step = 1})},
      .run = pad_for_outpaint,
  });
}

}  // namespace easel
