// Latent nodes that need no model.
#include <algorithm>

#include "nodes/budget.h"
#include "nodes/families.h"
#include "nodes/ports.h"
#include "nodes/resize.h"

namespace easel {
namespace {

constexpr int64_t kLatentPixel = 8;  // image pixels to one of the latent, for nodes that know no VAE
const std::vector<std::string> kLatentMethods = {"nearest-exact", "bilinear", "area", "bicubic", "bislerp"};

Latent empty_latent(int64_t width, int64_t height, int64_t batch_size) {
  const std::vector<int64_t> shape = {batch_size, 4, height / kLatentPixel, width / kLatentPixel};
  require_memory("EmptyLatentImage", shape);
  return {.samples = at::zeros(shape)};
}

Latent resized(const char* who, const Latent& latent, int64_t width, int64_t height, const std::string& method,
               bool crop_center = false) {
  std::vector<int64_t> shape = latent.samples.sizes().vec();
  shape[shape.size() - 2] = height;
  shape.back() = width;
  require_memory(who, shape);
  Latent made = latent;
  made.samples = resize(latent.samples, width, height, method, crop_center);
  return made;
}

// Sizes are in image pixels and at least 64; a side of 0 follows from the other one.
Latent latent_upscale(const Latent& latent, const std::string& method, int64_t width, int64_t height,
                      const std::string& crop) {
  constexpr int64_t kSmallest = 64;
  if (width == 0 && height == 0) return latent;
  const auto old_height = static_cast<double>(latent.samples.size(-2));
  const auto old_width = static_cast<double>(latent.samples.size(-1));
  if (width == 0) {
    height = std::max(kSmallest, height);
    width = std::max(kSmallest, round_half_even(old_width * static_cast<double>(height) / old_height));
  } else if (height == 0) {
    width = std::max(kSmallest, width);
    height = std::max(kSmallest, round_half_even(old_height * static_cast<double>(width) / old_width));
  } else {
    width = std::max(kSmallest, width);
    height = std::max(kSmallest, height);
  }
  return resized("LatentUpscale", latent, width / kLatentPixel, height / kLatentPixel, method, crop == "center");
}

Latent latent_upscale_by(const Latent& latent, const std::string& method, double scale) {
  const int64_t width = round_half_even(static_cast<double>(latent.samples.size(-1)) * scale);
  const int64_t height = round_half_even(static_cast<double>(latent.samples.size(-2)) * scale);
  return resized("LatentUpscaleBy", latent, width, height, method);
}

// One mask for each sample, where there are fewer, by repeating them.
Tensor masks_for(const Tensor& masks, int64_t count) {
  if (masks.size(0) >= count) return masks;
  std::vector<int64_t> times(masks.dim(), 1);
  times[0] = (count + masks.size(0) - 1) / masks.size(0);
  return masks.repeat(times).narrow(0, 0, count);
}

Latent latent_from_batch(const Latent& latent, int64_t index, int64_t length) {
  const int64_t count = latent.samples.size(0);
  index = std::min(count - 1, index);
  length = std::min(count - index, length);
  Latent made = latent;
  made.samples = latent.samples.narrow(0, index, length).clone();
  if (latent.noise_mask.defined() && latent.noise_mask.size(0) > 1)
    made.noise_mask = masks_for(latent.noise_mask, count).narrow(0, index, length).clone();
  made.batch_index.clear();
  for (int64_t i = index; i < index + length; i++)
    made.batch_index.push_back(latent.batch_index.empty() ? i : latent.batch_index.at(i));
  return made;
}

// Repeats get batch indices of their own, so that each takes other noise.
Latent repeat_latent(const Latent& latent, int64_t amount) {
  auto repeated = [&](const Tensor& x) {
    std::vector<int64_t> times(x.dim(), 1);
    times[0] = amount;
    return x.repeat(times);
  };
  std::vector<int64_t> shape = latent.samples.sizes().vec();
  shape[0] *= amount;
  require_memory("RepeatLatentBatch", shape);
  Latent made = latent;
  made.samples = repeated(latent.samples);
  if (latent.noise_mask.defined() && latent.noise_mask.size(0) > 1)
    made.noise_mask = repeated(masks_for(latent.noise_mask, latent.samples.size(0)));
  if (!latent.batch_index.empty()) {
    const auto [low, high] = std::minmax_element(latent.batch_index.begin(), latent.batch_index.end());
    const int64_t offset = *high - *low + 1;
    for (int64_t i = 1; i < amount; i++)
      for (int64_t index : latent.batch_index) made.batch_index.push_back(index + i * offset);
  }
  return made;
}

Latent set_noise_mask(const Latent& latent, const Mask& mask) {
  Latent made = latent;
  made.noise_mask = mask.values.reshape({-1, 1, mask.values.size(-2), mask.values.size(-1)});
  return made;
}

void add_upscaling(Registry& registry) {
  registry.add({
      .id = "LatentUpscale",
      .title = "Upscale Latent",
      .category = "latent",
      .about = "Resizes latents; sizes are those of the picture, and a side of 0 follows from the other one.",
      .inputs = {socket("samples", "LATENT"), choice("upscale_method", kLatentMethods),
                 integer("width", {.value = 512, .min = 0, .max = kMaxResolution, .step = 8}),
                 integer("height", {.value = 512, .min = 0, .max = kMaxResolution, .step = 8}),
                 choice("crop", {"disabled", "center"})},
      .run = latent_upscale,
  });
  registry.add({
      .id = "LatentUpscaleBy",
      .title = "Upscale Latent By",
      .category = "latent",
      .about = "Resizes latents by a factor.",
      .inputs = {socket("samples", "LATENT"), choice("upscale_method", kLatentMethods),
                 real("scale_by", {.value = 1.5, .min = 0.01, .max = 8.0, .step = 0.01})},
      .run = latent_upscale_by,
  });
}

void add_batches(Registry& registry) {
  registry.add({
      .id = "LatentFromBatch",
      .title = "Latent From Batch",
      .category = "latent/batch",
      .about = "A run of latents out of a batch; each keeps the noise it had there.",
      .inputs = {socket("samples", "LATENT"), integer("batch_index", {.value = 0, .min = 0, .max = 63}),
                 integer("length", {.value = 1, .min = 1, .max = 64})},
      .run = latent_from_batch,
  });
  registry.add({
      .id = "RepeatLatentBatch",
      .title = "Repeat Latent Batch",
      .category = "latent/batch",
      .about = "The batch several times over.",
      .inputs = {socket("samples", "LATENT"), integer("amount", {.value = 1, .min = 1, .max = 64})},
      .run = repeat_latent,
  });
}

}  // namespace

void add_latent_nodes(Registry& registry) {
  registry.add({
      .id = "EmptyLatentImage",
      .title = "Empty Latent Image",
      .category = "latent",
      .about = "An empty latent to start sampling from.",
      .inputs = {integer("width", {.value = 512,
                                   .min = 16,
                                   .max = kMaxResolution,
                                   .step = 8,
                                   .tooltip = "Width of the picture to come, in pixels."}),
                 integer("height", {.value = 512,
                                    .min = 16,
                                    .max = kMaxResolution,
                                    .step = 8,
                                    .tooltip = "Height of the picture to come, in pixels."}),
                 integer("batch_size", {.value = 1, .min = 1, .max = 4096, .tooltip = "How many at once."})},
      .run = empty_latent,
  });
  registry.add({
      .id = "SetLatentNoiseMask",
      .title = "Set Latent Noise Mask",
      .category = "latent/inpaint",
      .about = "Only what the mask covers is sampled; the rest stays as it is.",
      .inputs = {socket("samples", "LATENT"), socket("mask", "MASK")},
      .run = set_noise_mask,
  });
  add_upscaling(registry);
  add_batches(registry);
}

}  // namespace easel
