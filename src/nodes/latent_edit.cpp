// Latents turned, cut out, laid onto each other, and put into other batches.
#include <numeric>

#include "nodes/composite.h"
#include "nodes/families.h"
#include "nodes/ports.h"
#include "nodes/resize.h"
#include "tensor/batch.h"

namespace easel {
namespace {

constexpr int64_t kLatentPixel = 8;  // image pixels to one of the latent, for nodes that know no VAE

Latent with_samples(Latent latent, Tensor samples) {
  latent.samples = std::move(samples);
  return latent;
}

Latent rotate(const Latent& latent, const std::string& rotation) {
  const int64_t quarters = rotation.starts_with("90")    ? 1
                           : rotation.starts_with("180") ? 2
                           : rotation.starts_with("270") ? 3
                                                         : 0;
  return with_samples(latent, at::rot90(latent.samples, quarters, {-1, -2}));
}

Latent flip(const Latent& latent, const std::string& method) {
  return with_samples(latent, at::flip(latent.samples, {method.front() == 'x' ? -2 : -1}));
}

Latent crop(const Latent& latent, int64_t width, int64_t height, int64_t x, int64_t y) {
  constexpr int64_t kSmallest = 8;  // cells that are left at least
  Tensor samples = latent.samples;
  const auto cut = [&](int64_t axis, int64_t from, int64_t length) {
    const int64_t size = samples.size(axis);
    from = std::max<int64_t>(0, std::min(from / kLatentPixel, size - kSmallest));
    samples = samples.narrow(axis, from, std::min(length / kLatentPixel, size - from));
  };
  cut(-2, y, height);
  cut(-1, x, width);
  return with_samples(latent, samples);
}

// A weight over a source of [B, C, h, w] that rises over `feather` cells from every edge inside the destination.
Tensor feathered(const Tensor& source, int64_t left, int64_t top, const Tensor& destination, int64_t feather) {
  const auto ramp = [&](int64_t length, int64_t offset, int64_t whole) {
    Tensor line = at::ones({length});
    for (int64_t i = 0; i < std::min(feather, length); i++) {
      const double share = static_cast<double>(i + 1) / static_cast<double>(feather);
      if (offset != 0) line[i] *= share;
      if (offset + length < whole) line[length - 1 - i] *= share;
    }
    return line;
  };
  return ramp(source.size(2), top, destination.size(2)).unsqueeze(1) *
         ramp(source.size(3), left, destination.size(3)).unsqueeze(0);
}

Latent lay(const Latent& to, const Latent& from, int64_t x, int64_t y, int64_t feather) {
  x /= kLatentPixel, y /= kLatentPixel, feather /= kLatentPixel;
  const Tensor& under = to.samples;
  const int64_t rows = std::clamp<int64_t>(under.size(2) - y, 0, from.samples.size(2));
  const int64_t columns = std::clamp<int64_t>(under.size(3) - x, 0, from.samples.size(3));
  if (rows == 0 || columns == 0) return to;
  const Tensor source = from.samples.narrow(2, 0, rows).narrow(3, 0, columns);
  const Tensor mask = feather > 0 ? feathered(source, x, y, under, feather) : Tensor();
  return with_samples(to, composite(under, source, {.x = x, .y = y}, mask));
}

Latent lay_masked(const Latent& destination, const Latent& source, int64_t x, int64_t y, bool resize_source,
                  const std::optional<Mask>& mask) {
  return with_samples(destination, composite(destination.samples, source.samples,
                                             {.x = x, .y = y, .cell = kLatentPixel, .resize_source = resize_source},
                                             mask ? mask->values : Tensor()));
}

std::vector<int64_t> indices_of(const Latent& latent) {
  if (!latent.batch_index.empty()) return latent.batch_index;
  std::vector<int64_t> indices(static_cast<size_t>(latent.samples.size(0)));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

Latent batch(const Latent& a, const Latent& b) {
  Tensor second = b.samples;
  if (second.sizes().slice(1) != a.samples.sizes().slice(1))
    second = resize(second, a.samples.size(-1), a.samples.size(-2), "bilinear", true);
  Latent made = with_samples(a, at::cat({a.samples, second}));
  made.batch_index = indices_of(a);
  const std::vector<int64_t> more = indices_of(b);
  made.batch_index.insert(made.batch_index.end(), more.begin(), more.end());
  return made;
}

// "fixed": every latent takes the noise of the first.
Latent seed_behavior(Latent latent, const std::string& behavior) {
  const int64_t first = latent.batch_index.empty() ? 0 : latent.batch_index.front();
  latent.batch_index.assign(behavior == "fixed" ? static_cast<size_t>(latent.samples.size(0)) : 0, first);
  return latent;
}

// The same latents in batches of another size; those of different shape stay apart.
std::vector<Latent> rebatch(const std::vector<Latent>& latents, const std::vector<int64_t>& batch_size) {
  const auto size = static_cast<size_t>(batch_size.at(0));
  std::vector<Latent> made;
  std::vector<Tensor> samples, masks;
  std::vector<int64_t> indices;
  const auto close = [&] {
    if (samples.empty()) return;
    made.push_back(
        {.samples = at::cat(samples), .noise_mask = masks.empty() ? Tensor() : at::cat(masks), .batch_index = indices});
    samples.clear(), masks.clear(), indices.clear();
  };
  for (const Latent& latent : latents) {
    const int64_t count = latent.samples.size(0);
    const bool masked = latent.noise_mask.defined();
    const Tensor mask = masked ? to_batch(latent.noise_mask, count) : Tensor();
    const std::vector<int64_t> index = indices_of(latent);
    for (int64_t i = 0; i < count; i++) {
      const Tensor one = latent.samples.narrow(0, i, 1), cover = masked ? mask.narrow(0, i, 1) : Tensor();
      const bool alike = samples.empty() || (samples.front().sizes() == one.sizes() && masks.empty() != masked &&
                                             (!masked || masks.front().sizes() == cover.sizes()));
      if (!alike || samples.size() == size) close();
      samples.push_back(one);
      if (masked) masks.push_back(cover);
      indices.push_back(index.at(static_cast<size_t>(i)));
    }
  }
  close();
  return made;
}

Input pixels_input(std::string name, int64_t value = 0, int64_t min = 0) {
  return integer(std::move(name), {.value = value, .min = min, .max = kMaxResolution, .step = kLatentPixel});
}

void add_turning(Registry& registry) {
  registry.add({
      .id = "LatentRotate",
      .title = "Rotate Latent",
      .category = "latent/transform",
      .about = "Turns a latent clockwise.",
      .inputs = {socket("samples", "LATENT"), choice("rotation", {"none", "90 degrees", "180 degrees", "270 degrees"})},
      .run = rotate,
  });
  registry.add({
      .id = "LatentFlip",
      .title = "Flip Latent",
      .category = "latent/transform",
      .about = "Mirrors a latent.",
      .inputs = {socket("samples", "LATENT"), choice("flip_method", {"x-axis: vertically", "y-axis: horizontally"})},
      .run = flip,
  });
  registry.add({
      .id = "LatentCrop",
      .title = "Crop Latent",
      .category = "latent/transform",
      .about = "A rectangle out of a latent, in pixels of the picture.",
      .inputs = {socket("samples", "LATENT"), pixels_input("width", 512, 64), pixels_input("height", 512, 64),
                 pixels_input("x"), pixels_input("y")},
      .run = crop,
  });
}

void add_laying(Registry& registry) {
  registry.add({
      .id = "LatentComposite",
      .title = "Latent Composite",
      .category = "latent",
      .about = "Lays one latent onto another, with soft edges if asked to; in pixels of the picture.",
      .inputs = {socket("samples_to", "LATENT"), socket("samples_from", "LATENT"), pixels_input("x"), pixels_input("y"),
                 pixels_input("feather")},
      .run = lay,
  });
  registry.add({
      .id = "LatentCompositeMasked",
      .category = "latent",
      .about = "Lays one latent onto another, through a mask if there is one; in pixels of the picture.",
      .inputs = {socket("destination", "LATENT"), socket("source", "LATENT"), pixels_input("x"), pixels_input("y"),
                 boolean("resize_source", {.value = false}), socket("mask", "MASK")},
      .run = lay_masked,
      .module = "comfy_extras.nodes_mask",
  });
}

void add_batching(Registry& registry) {
  registry.add({
      .id = "LatentBatch",
      .category = "latent/batch",
      .about = "Two latents, or batches of them, in one batch; the second is fitted to the size of the first.",
      .inputs = {socket("samples1", "LATENT"), socket("samples2", "LATENT")},
      .run = batch,
      .v3 = true,
      .module = "comfy_extras.nodes_latent",
  });
  registry.add({
      .id = "LatentBatchSeedBehavior",
      .category = "latent/advanced",
      .about = "Whether the latents of a batch each take noise of their own.",
      .inputs = {socket("samples", "LATENT"), choice("seed_behavior", {"random", "fixed"}, {.value = "fixed"})},
      .run = seed_behavior,
      .v3 = true,
      .module = "comfy_extras.nodes_latent",
  });
  registry.add({
      .id = "RebatchLatents",
      .title = "Rebatch Latents",
      .category = "latent/batch",
      .about = "The same latents in batches of another size.",
      .inputs = {socket("latents", "LATENT"), integer("batch_size", {.value = 1, .min = 1, .max = 4096})},
      .run = rebatch,
      .v3 = true,
      .module = "comfy_extras.nodes_rebatch",
  });
}

}  // namespace

void add_latent_edit_nodes(Registry& registry) {
  add_turning(registry);
  add_laying(registry);
  add_batching(registry);
}

}  // namespace easel
