// Prompts and pictures as SDXL, inpainting and editing models take them.
#include "nodes/conditioning_edit.h"
#include "nodes/families.h"
#include "nodes/ports.h"

namespace easel {
namespace {

constexpr const char* kSdxlModule = "comfy_extras.nodes_clip_sdxl";

Input size(std::string name, int64_t value) {
  return integer(std::move(name), {.value = value, .min = 0, .max = kMaxResolution});
}

Input prompt(std::string name, std::string tooltip) {
  return text(std::move(name), {.multiline = true, .dynamic_prompts = true, .tooltip = std::move(tooltip)});
}

ConditioningSet encode_sdxl(const Clip& clip, int64_t width, int64_t height, int64_t crop_w, int64_t crop_h,
                            int64_t target_width, int64_t target_height, const std::string& text_g,
                            const std::string& text_l) {
  const TextEncoding encoding = clip.encode(Texts{.plain = text_g, .each = {{"g", text_g}, {"l", text_l}}});
  Conditioning entry{.cross_attn = encoding.cross_attn, .pooled = encoding.pooled};
  for (auto [name, value] : {std::pair("width", width),
                             {"height", height},
                             {"crop_w", crop_w},
                             {"crop_h", crop_h},
                             {"target_width", target_width},
                             {"target_height", target_height}}) {
    entry.numbers[name] = static_cast<double>(value);
  }
  return {{entry}};
}

ConditioningSet encode_refiner(double score, int64_t width, int64_t height, const std::string& text, const Clip& clip) {
  const TextEncoding encoding = clip.encode(text);
  Conditioning entry{.cross_attn = encoding.cross_attn, .pooled = encoding.pooled};
  entry.numbers = {
      {"aesthetic_score", score}, {"width", static_cast<double>(width)}, {"height", static_cast<double>(height)}};
  return {{entry}};
}

// [B, H, W, C] cut evenly to whole cells of the VAE.
Tensor whole_cells(const Tensor& x, int64_t vertical, int64_t cell) {
  auto cut = [&](const Tensor& t, int64_t axis) {
    const int64_t size = t.size(axis) / cell * cell;
    return t.narrow(axis, t.size(axis) % cell / 2, size);
  };
  return cut(cut(x, vertical), vertical + 1);
}

std::tuple<ConditioningSet, ConditioningSet, Latent> inpaint_model_conditioning(const ConditioningSet& positive,
                                                                                const ConditioningSet& negative,
                                                                                const Vae& vae, const Image& pixels,
                                                                                const Mask& mask, bool noise_mask) {
  const int64_t cell = vae.downscale();
  const Tensor planes = mask.values.reshape({-1, 1, mask.values.size(-2), mask.values.size(-1)});
  Tensor covered = at::upsample_bilinear2d(planes, {pixels.pixels.size(1), pixels.pixels.size(2)}, false);
  const Tensor whole = whole_cells(pixels.pixels.narrow(-1, 0, 3), 1, cell);
  covered = whole_cells(covered, 2, cell);
  const Tensor kept = (1.0 - covered.round()).squeeze(1).unsqueeze(-1);
  const Tensor masked = vae.encode((whole - 0.5) * kept + 0.5);
  const auto with = [&](const ConditioningSet& set) {
    return each(set, [&](Conditioning& entry) {
      entry.tensors["concat_latent_image"] = masked;
      entry.tensors["concat_mask"] = covered;
    });
  };
  Latent latent{.samples = vae.encode(whole)};
  if (noise_mask) latent.noise_mask = covered;
  return {with(positive), with(negative), latent};
}

std::tuple<ConditioningSet, ConditioningSet, Latent> instruct_pix_to_pix(const ConditioningSet& positive,
                                                                         const ConditioningSet& negative,
                                                                         const Vae& vae, const Image& pixels) {
  const Tensor picture = vae.encode(whole_cells(pixels.pixels.narrow(-1, 0, 3), 1, vae.downscale()));
  const auto with = [&](const ConditioningSet& set) {
    return each(set, [&](Conditioning& entry) { entry.tensors["concat_latent_image"] = picture; });
  };
  return {with(positive), with(negative), Latent{.samples = at::zeros_like(picture)}};
}

void add_prompts(Registry& registry) {
  registry.add({
      .id = "CLIPTextEncodeSDXL",
      .category = "advanced/conditioning",
      .about = "Encodes a prompt for SDXL: a text for each of its encoders, and the size and crop to pretend.",
      .inputs = {socket("clip", "CLIP"), size("width", 1024), size("height", 1024), size("crop_w", 0),
                 size("crop_h", 0), size("target_width", 1024), size("target_height", 1024),
                 prompt("text_g", "For the larger encoder."), prompt("text_l", "For the smaller one.")},
      .run = encode_sdxl,
      .v3 = true,
      .module = kSdxlModule,
  });
  registry.add({
      .id = "CLIPTextEncodeSDXLRefiner",
      .category = "advanced/conditioning",
      .about = "Encodes a prompt for SDXL's refiner, with the size and the aesthetic score to aim at.",
      .inputs = {real("ascore", {.value = 6.0, .min = 0.0, .max = 1000.0, .step = 0.01}), size("width", 1024),
                 size("height", 1024), prompt("text", "The prompt."), socket("clip", "CLIP")},
      .run = encode_refiner,
      .v3 = true,
      .module = kSdxlModule,
  });
}

void add_pictures(Registry& registry) {
  registry.add({
      .id = "InpaintModelConditioning",
      .category = "conditioning/inpaint",
      .about = "Gives a model made for inpainting the picture with the masked part taken out, and the mask.",
      .inputs = {socket("positive", "CONDITIONING"), socket("negative", "CONDITIONING"), socket("vae", "VAE"),
                 socket("pixels", "IMAGE"), socket("mask", "MASK"),
                 boolean("noise_mask",
                         {.value = true, .tooltip = "Sample only what is masked; the rest of the latent stays."})},
      .outputs = {{.name = "positive"}, {.name = "negative"}, {.name = "latent"}},
      .run = inpaint_model_conditioning,
  });
  registry.add({
      .id = "InstructPixToPixConditioning",
      .category = "conditioning/instructpix2pix",
      .about = "Gives a model made for editing the picture that the prompt changes.",
      .inputs = {socket("positive", "CONDITIONING"), socket("negative", "CONDITIONING"), socket("vae", "VAE"),
                 socket("pixels", "IMAGE")},
      .outputs = {{.name = "positive"}, {.name = "negative"}, {.name = "latent"}},
      .run = instruct_pix_to_pix,
      .v3 = true,
      .module = "comfy_extras.nodes_ip2p",
  });
}

}  // namespace

void add_sd_family_nodes(Registry& registry) {
  add_prompts(registry);
  add_pictures(registry);
}

}  // namespace easel
