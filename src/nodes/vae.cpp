// Between pixels and latents.
#include "nodes/budget.h"
#include "nodes/families.h"
#include "nodes/ports.h"

namespace easel {
namespace {

Image vae_decode(const Latent& latent, const Vae& vae) {
  require_memory("VAEDecode", {latent.samples.size(0), latent.samples.size(-2) * vae.downscale(),
                               latent.samples.size(-1) * vae.downscale(), 3});
  return {vae.decode(latent.samples)};
}

Tensor rgb(const Image& image) { return image.pixels.narrow(-1, 0, std::min<int64_t>(image.pixels.size(-1), 3)); }

Latent vae_encode(const Image& pixels, const Vae& vae) { return {.samples = vae.encode(rgb(pixels))}; }

// Sizes are in image pixels; the two temporal ones are for video. An overlap of more than a quarter makes no sense.
Image vae_decode_tiled(const Latent& latent, const Vae& vae, int64_t tile_size, int64_t overlap, int64_t, int64_t) {
  if (tile_size < overlap * 4) overlap = tile_size / 4;
  const int64_t cell = vae.downscale();
  return {vae.decode_tiled(
      latent.samples, {.tile_width = tile_size / cell, .tile_height = tile_size / cell, .overlap = overlap / cell})};
}

Latent vae_encode_tiled(const Image& pixels, const Vae& vae, int64_t tile_size, int64_t overlap, int64_t, int64_t) {
  return {.samples =
              vae.encode_tiled(rgb(pixels), {.tile_width = tile_size, .tile_height = tile_size, .overlap = overlap})};
}

// The mask grown by `pixels` on all sides together: half of it, rounded up, on each.
Tensor grown(const Tensor& mask, int64_t pixels) {
  if (pixels == 0) return mask;
  const Tensor sums = at::conv2d(mask.round(), at::ones({1, 1, pixels, pixels}), {}, 1, pixels / 2);
  return sums.clamp(0, 1);
}

// What is masked becomes grey before it is encoded; the noise mask is a little larger than the mask.
Latent encode_for_inpaint(const Image& image, const Vae& vae, const Mask& mask, int64_t grow_mask_by) {
  const int64_t cell = vae.downscale();
  Tensor pixels = rgb(image);
  const int64_t height = pixels.size(1) / cell * cell, width = pixels.size(2) / cell * cell;
  const Tensor planes = mask.values.reshape({-1, 1, mask.values.size(-2), mask.values.size(-1)});
  auto cut = [&](const Tensor& x, int64_t axis, int64_t size) { return x.narrow(axis, x.size(axis) % cell / 2, size); };
  Tensor covered = at::upsample_bilinear2d(planes, {pixels.size(1), pixels.size(2)}, false);
  pixels = cut(cut(pixels, 1, height), 2, width);
  covered = cut(cut(covered, 2, height), 3, width);
  const Tensor kept = (1.0 - covered.round()).squeeze(1).unsqueeze(-1);
  return {.samples = vae.encode((pixels - 0.5) * kept + 0.5),
          .noise_mask = grown(covered, grow_mask_by).narrow(2, 0, height).narrow(3, 0, width).round()};
}

std::vector<Input> tiled_inputs(Input first, int64_t step) {
  return {
      std::move(first),
      socket("vae", "VAE"),
      integer("tile_size", {.value = 512, .min = 64, .max = 4096, .step = step}),
      integer("overlap", {.value = 64, .min = 0, .max = 4096, .step = 32}),
      integer("temporal_size", {.value = 64,
                                .min = 8,
                                .max = 4096,
                                .step = 4,
                                .tooltip = "Video only: frames decoded or encoded at a time."}),
      integer("temporal_overlap",
              {.value = 8, .min = 4, .max = 4096, .step = 4, .tooltip = "Video only: frames that two pieces share."})};
}

void add_tiled(Registry& registry) {
  registry.add({
      .id = "VAEDecodeTiled",
      .title = "VAE Decode (Tiled)",
      .category = "_for_testing",
      .about = "Decodes latents piece by piece, with less memory.",
      .inputs = tiled_inputs(socket("samples", "LATENT"), 32),
      .run = vae_decode_tiled,
  });
  registry.add({
      .id = "VAEEncodeTiled",
      .title = "VAE Encode (Tiled)",
      .category = "_for_testing",
      .about = "Encodes images piece by piece, with less memory.",
      .inputs = tiled_inputs(socket("pixels", "IMAGE"), 64),
      .run = vae_encode_tiled,
  });
}

}  // namespace

void add_vae_nodes(Registry& registry) {
  registry.add({
      .id = "VAEDecode",
      .title = "VAE Decode",
      .category = "latent",
      .about = "Decodes latents into images.",
      .inputs = {socket("samples", "LATENT", {.tooltip = "The latents to decode."}),
                 socket("vae", "VAE", {.tooltip = "The VAE to decode them with."})},
      .outputs = {{.tooltip = "The images."}},
      .run = vae_decode,
  });
  registry.add({
      .id = "VAEEncode",
      .title = "VAE Encode",
      .category = "latent",
      .about = "Encodes images into latents.",
      .inputs = {socket("pixels", "IMAGE"), socket("vae", "VAE")},
      .run = vae_encode,
  });
  registry.add({
      .id = "VAEEncodeForInpaint",
      .title = "VAE Encode (for Inpainting)",
      .category = "latent/inpaint",
      .about = "Encodes images with the masked part taken out, to be painted anew with denoise 1.",
      .inputs = {socket("pixels", "IMAGE"), socket("vae", "VAE"), socket("mask", "MASK"),
                 integer("grow_mask_by", {.value = 6, .min = 0, .max = 64, .step = 1})},
      .run = encode_for_inpaint,
  });
  add_tiled(registry);
}

}  // namespace easel
