// Compositing images by their alpha (Porter & Duff 1984), and taking alpha apart from colour. A mask is the inverse of
// alpha: 1 is transparent.
#include <map>

#include "nodes/composite.h"
#include "nodes/families.h"
#include "nodes/ports.h"
#include "nodes/resize.h"
#include "tensor/batch.h"

namespace easel {
namespace {

// Colour premultiplied by alpha, and alpha; [B, H, W, C] and [B, H, W, 1].
struct Layer {
  Tensor color, alpha;
};
using Operator = Layer (*)(const Layer& s, const Layer& d);

Tensor united(const Layer& s, const Layer& d) { return s.alpha + d.alpha - s.alpha * d.alpha; }
Tensor both_outside(const Layer& s, const Layer& d) { return (1 - d.alpha) * s.color + (1 - s.alpha) * d.color; }

const std::map<std::string, Operator>& operators() {
  static const std::map<std::string, Operator> kOperators{
      {"ADD",
       [](const Layer& s, const Layer& d) -> Layer {
         return {(s.color + d.color).clamp(0, 1), (s.alpha + d.alpha).clamp(0, 1)};
       }},
      {"CLEAR",
       [](const Layer& s, const Layer&) -> Layer {
         return {at::zeros_like(s.color), at::zeros_like(s.alpha)};
       }},
      {"DARKEN",
       [](const Layer& s, const Layer& d) -> Layer {
         return {both_outside(s, d) + at::minimum(s.color, d.color), united(s, d)};
       }},
      {"DST", [](const Layer&, const Layer& d) -> Layer { return d; }},
      {"DST_ATOP",
       [](const Layer& s, const Layer& d) -> Layer {
         return {s.alpha * d.color + (1 - d.alpha) * s.color, s.alpha};
       }},
      {"DST_IN",
       [](const Layer& s, const Layer& d) -> Layer {
         return {d.color * s.alpha, s.alpha * d.alpha};
       }},
      {"DST_OUT",
       [](const Layer& s, const Layer& d) -> Layer {
         return {(1 - s.alpha) * d.color, (1 - s.alpha) * d.alpha};
       }},
      {"DST_OVER",
       [](const Layer& s, const Layer& d) -> Layer {
         return {d.color + (1 - d.alpha) * s.color, d.alpha + (1 - d.alpha) * s.alpha};
       }},
      {"LIGHTEN",
       [](const Layer& s, const Layer& d) -> Layer {
         return {both_outside(s, d) + at::maximum(s.color, d.color), united(s, d)};
       }},
      {"MULTIPLY",
       [](const Layer& s, const Layer& d) -> Layer {
         return {s.color * d.color, s.alpha * d.alpha};
       }},
      {"OVERLAY",
       [](const Layer& s, const Layer& d) -> Layer {
         const Tensor light = s.alpha * d.alpha - 2 * (d.alpha - s.color) * (s.alpha - d.color);
         return {at::where(2 * d.color < d.alpha, 2 * s.color * d.color, light), united(s, d)};
       }},
      {"SCREEN",
       [](const Layer& s, const Layer& d) -> Layer {
         return {s.color + d.color - s.color * d.color, united(s, d)};
       }},
      {"SRC", [](const Layer& s, const Layer&) -> Layer { return s; }},
      {"SRC_ATOP",
       [](const Layer& s, const Layer& d) -> Layer {
         return {d.alpha * s.color + (1 - s.alpha) * d.color, d.alpha};
       }},
      {"SRC_IN",
       [](const Layer& s, const Layer& d) -> Layer {
         return {s.color * d.alpha, s.alpha * d.alpha};
       }},
      {"SRC_OUT",
       [](const Layer& s, const Layer& d) -> Layer {
         return {(1 - d.alpha) * s.color, (1 - d.alpha) * s.alpha};
       }},
      {"SRC_OVER",
       [](const Layer& s, const Layer& d) -> Layer {
         return {s.color + (1 - s.alpha) * d.color, s.alpha + (1 - s.alpha) * d.alpha};
       }},
      {"XOR",
       [](const Layer& s, const Layer& d) -> Layer {
         return {both_outside(s, d), (1 - d.alpha) * s.alpha + (1 - s.alpha) * d.alpha};
       }},
  };
  return kOperators;
}

std::vector<std::string> mode_names() {
  std::vector<std::string> names;
  for (const auto& [name, function] : operators()) names.push_back(name);
  return names;
}

// A mask as alpha [B, H, W, 1] of the image's size.
Tensor alpha_of(const Mask& mask, const Tensor& pixels) {
  Tensor planes = mask.values.reshape({-1, 1, mask.values.size(-2), mask.values.size(-1)});
  if (planes.size(2) != pixels.size(1) || planes.size(3) != pixels.size(2))
    planes = resize(planes, pixels.size(2), pixels.size(1), "bicubic", true);
  return 1 - planes.movedim(1, -1);
}

std::tuple<Image, Mask> porter_duff(const Image& source, const Mask& source_alpha, const Image& destination,
                                    const Mask& destination_alpha, const std::string& mode) {
  const Tensor& under = destination.pixels;
  Tensor over = source.pixels;
  if (over.sizes().slice(1, 2) != under.sizes().slice(1, 2))
    over = resize_pixels(over, under.size(2), under.size(1), "bicubic", true);
  Layer s{over, alpha_of(source_alpha, under)}, d{under, alpha_of(destination_alpha, under)};
  const int64_t batch = std::min({s.color.size(0), s.alpha.size(0), d.color.size(0), d.alpha.size(0)});
  for (Layer* layer : {&s, &d}) {
    layer->alpha = layer->alpha.narrow(0, 0, batch);
    layer->color = layer->color.narrow(0, 0, batch) * layer->alpha;
  }
  const Layer made = operators().at(mode)(s, d);
  constexpr double kVisible = 1e-5;  // below it there is no colour to divide by
  const Tensor color = at::where(made.alpha > kVisible, made.color / made.alpha, at::zeros_like(made.color));
  return {Image{color.clamp(0, 1)}, Mask{1 - made.alpha.squeeze(-1)}};
}

std::tuple<Image, Mask> split_alpha(const Image& image) {
  const Tensor& pixels = image.pixels;
  const Tensor alpha = pixels.size(-1) > 3 ? pixels.select(-1, 3) : at::ones_like(pixels.select(-1, 0));
  return {Image{pixels.narrow(-1, 0, std::min<int64_t>(pixels.size(-1), 3)).contiguous()}, Mask{1 - alpha}};
}

Image join_alpha(const Image& image, const Mask& alpha) {
  const Tensor& pixels = image.pixels;
  const Tensor planes = 1 - mask_planes(alpha.values, pixels.size(1), pixels.size(2)).movedim(1, -1);
  const int64_t batch = std::min(pixels.size(0), planes.size(0));
  return {at::cat({pixels.narrow(0, 0, batch).narrow(-1, 0, 3), planes.narrow(0, 0, batch)}, -1)};
}

Image composite_masked(const Image& destination, const Image& source, int64_t x, int64_t y, bool resize_source,
                       const std::optional<Mask>& mask) {
  const int64_t channels = std::max(destination.pixels.size(-1), source.pixels.size(-1));
  const auto planes = [&](const Tensor& pixels) {  // a missing alpha channel is opaque
    const Tensor whole =
        pixels.size(-1) < channels ? at::constant_pad_nd(pixels, {0, channels - pixels.size(-1)}, 1.0) : pixels;
    return whole.movedim(-1, 1);
  };
  const Tensor made = composite(planes(destination.pixels), planes(source.pixels),
                                {.x = x, .y = y, .resize_source = resize_source}, mask ? mask->values : Tensor());
  return {made.movedim(1, -1).contiguous()};
}

}  // namespace

void add_compositing_nodes(Registry& registry) {
  registry.add({
      .id = "PorterDuffImageComposite",
      .title = "Porter-Duff Image Composite",
      .category = "mask/compositing",
      .about = "Puts two images with transparency together by one of the classical operators.",
      .inputs = {socket("source", "IMAGE"), socket("source_alpha", "MASK"), socket("destination", "IMAGE"),
                 socket("destination_alpha", "MASK"), choice("mode", mode_names(), {.value = "DST"})},
      .run = porter_duff,
      .v3 = true,
      .module = "comfy_extras.nodes_compositing",
  });
  registry.add({
      .id = "SplitImageWithAlpha",
      .title = "Split Image with Alpha",
      .category = "mask/compositing",
      .about = "Colour and transparency apart.",
      .inputs = {socket("image", "IMAGE")},
      .run = split_alpha,
      .v3 = true,
      .module = "comfy_extras.nodes_compositing",
  });
  registry.add({
      .id = "JoinImageWithAlpha",
      .title = "Join Image with Alpha",
      .category = "mask/compositing",
      .about = "Gives an image the transparency of a mask.",
      .inputs = {socket("image", "IMAGE"), socket("alpha", "MASK")},
      .run = join_alpha,
      .v3 = true,
      .module = "comfy_extras.nodes_compositing",
  });
  registry.add({
      .id = "ImageCompositeMasked",
      .category = "image",
      .about = "Lays one image onto another, through a mask if there is one.",
      .inputs = {socket("destination", "IMAGE"), socket("source", "IMAGE"),
                 integer("x", {.value = 0, .min = 0, .max = kMaxResolution, .step = 1}),
                 integer("y", {.value = 0, .min = 0, .max = kMaxResolution, .step = 1}),
                 boolean("resize_source", {.value = false}), socket("mask", "MASK")},
      .run = composite_masked,
      .module = "comfy_extras.nodes_mask",
  });
}

}  // namespace easel
