// Mask nodes.
#include "nodes/families.h"
#include "nodes/ports.h"

namespace easel {
namespace {

Image mask_to_image(const Mask& mask) {
  const Tensor& m = mask.values;
  return {m.reshape({-1, m.size(-2), m.size(-1), 1}).expand({-1, -1, -1, 3}).contiguous()};
}

Mask image_to_mask(const Image& image, const std::string& channel) {
  const int64_t index = channel == "red" ? 0 : channel == "green" ? 1 : channel == "blue" ? 2 : 3;
  if (index >= image.pixels.size(-1))
    fail("ImageToMask: the image has {} channels, so no {}", image.pixels.size(-1), channel);
  return {image.pixels.select(-1, index).contiguous()};
}

}  // namespace

void add_mask_nodes(Registry& registry) {
  registry.add({
      .id = "MaskToImage",
      .title = "Convert Mask to Image",
      .category = "mask",
      .about = "A mask as a grey image.",
      .inputs = {socket("mask", "MASK")},
      .run = mask_to_image,
      .module = "comfy_extras.nodes_mask",
  });
  registry.add({
      .id = "ImageToMask",
      .title = "Convert Image to Mask",
      .category = "mask",
      .about = "One channel of an image as a mask.",
      .inputs = {socket("image", "IMAGE"), choice("channel", {"red", "green", "blue", "alpha"})},
      .run = image_to_mask,
      .module = "comfy_extras.nodes_mask",
  });
}

}  // namespace easel
