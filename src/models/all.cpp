// The table of diffusion models. Order matters: names overlap, the first that sniffs wins.
#include "models/architecture.h"
#include "models/diffusion/unet.h"
#include "models/diffusion/unet_inputs.h"
#include "models/diffusion/unet_shape.h"

namespace easel {

namespace {

// --- Which U-Net it is. Widths are left open where they can be, so that small models of the same layout are the same
// kind.

// Of this many input channels; nothing where it is no U-Net or not such a one. 0: any number.
std::optional<UnetShape> unet_of(const Weights& w, int64_t channels) {
  for (const char* part : {"input_blocks.0.0.weight", "time_embed.0.weight", "out.2.weight"}) {
    if (!w.has(part)) return std::nullopt;  // a ControlNet has no way out
  }
  if (channels && w["input_blocks.0.0.weight"].size(1) != channels) return std::nullopt;
  const auto shape = unet_shape(w);
  return shape.temporal ? std::nullopt : std::optional(shape);
}

// SD1: attention projects by 1×1 convolutions, and there is no vector.
template <int64_t channels>
bool is_sd1(const Weights& w, const Weights&) {
  const auto shape = unet_of(w, channels);
  return shape && !shape->linear_projections && shape->vector_width == 0;
}

// SD2: attention projects by matrices, and there is no vector.
template <int64_t channels>
bool is_sd2(const Weights& w, const Weights&) {
  const auto shape = unet_of(w, channels);
  return shape && shape->linear_projections && shape->vector_width == 0;
}

// SD2 with the vector of a picture.
template <int64_t width>
bool is_unclip(const Weights& w, const Weights&) {
  const auto shape = unet_of(w, 4);
  return shape && shape->context_width == 1024 && shape->vector_width == width;
}

bool is_refiner(const Weights& w, const Weights&) {
  const auto shape = unet_of(w, 4);
  return shape && shape->context_width == 1280 && shape->vector_width == 2560;
}

// SDXL and what was cut out of it: attention by matrices, and the vector of sizes.
template <int64_t channels>
bool is_sdxl(const Weights& w, const Weights&) {
  const auto shape = unet_of(w, channels);
  return shape && shape->linear_projections && shape->vector_width > 6 * 256;
}

bool is_distilled(const Weights& w, const std::vector<int64_t>& depths) {
  const auto shape = unet_of(w, 4);
  return shape && shape->context_width == 2048 && shape->depth_in == depths;
}

// --- How they are sampled.

ModelSampling eps(const Weights&, const Weights&) { return {}; }

// SD2 is told by how far a norm's biases spread whether it predicts noise or velocity.
ModelSampling eps_or_v(const Weights& w, const Weights&) {
  constexpr double kSpreadOfV = 0.09;
  const auto bias = w.find("output_blocks.11.1.transformer_blocks.0.norm1.bias");
  const bool v = bias && bias->once(at::kFloat).std(false).item<double>() > kSpreadOfV;
  return ModelSampling::discrete(v ? Prediction::v : Prediction::eps);
}

// Checkpoints of SDXL tell their prediction by tensors beside the weights.
ModelSampling sdxl_sampling(const Weights&, const Weights& file) {
  if (file.has("edm_vpred.sigma_max")) {
    auto value = [&](const char* name, double otherwise) {
      const auto found = file.find(name);
      return found ? found->once(at::kFloat).flatten()[0].item<double>() : otherwise;
    };
    return ModelSampling::continuous_edm(Prediction::v, value("edm_vpred.sigma_min", 0.002),
                                         value("edm_vpred.sigma_max", 120.0));
  }
  if (file.has("v_pred")) {
    return ModelSampling::discrete(Prediction::v, ModelSampling::Betas{.zero_snr = file.has("ztsnr")});
  }
  return {};
}

ModelSampling playground_sampling(const Weights&, const Weights&) {
  return ModelSampling::continuous_edm(Prediction::edm, 0.002, 80.0, 0.5);
}

// --- The networks and what goes into them.

Network unet(const Weights& w, const Precision& precision) {
  const auto weights = w / "diffusion_model";
  auto network = std::make_shared<const Unet>(weights, unet_config(weights));
  return [network, dtype = precision.network](const NetInput& in) { return (*network)(in, dtype); };
}

MakeInputs inpaint_inputs(const Weights&, const ModelSampling&) {
  return [](const Conditioning& c, const RunFacts& run) -> ModelInputs {
    return {.context = c.cross_attn, .concat = inpaint_channels(c, run, kSd15Latent)};
  };
}

MakeInputs depth_inputs(const Weights&, const ModelSampling&) {
  return [](const Conditioning& c, const RunFacts& run) -> ModelInputs {
    return {.context = c.cross_attn, .concat = depth_channel(c, run)};
  };
}

MakeInputs edit_inputs(const Weights&, const ModelSampling&) {
  return [](const Conditioning& c, const RunFacts& run) -> ModelInputs {
    return {.context = c.cross_attn, .concat = edit_channels(c, run)};
  };
}

MakeInputs sdxl_inputs(const Weights&, const ModelSampling&) {
  return [](const Conditioning& c, const RunFacts& run) -> ModelInputs {
    return {.context = c.cross_attn, .y = sdxl_vector(c, run)};
  };
}

MakeInputs sdxl_inpaint_inputs(const Weights&, const ModelSampling&) {
  return [](const Conditioning& c, const RunFacts& run) -> ModelInputs {
    return {.context = c.cross_attn, .concat = inpaint_channels(c, run, kSdxlLatent), .y = sdxl_vector(c, run)};
  };
}

// CosXL's editing model takes the picture in the network's scale, the others in the VAE's.
MakeInputs sdxl_edit_inputs(const Weights&, const ModelSampling& sampling) {
  const bool cosine = sampling.prediction() == Prediction::v && sampling.sigma_max() > 100;
  return [cosine](const Conditioning& c, const RunFacts& run) -> ModelInputs {
    const auto picture = edit_channels(c, run);
    return {.context = c.cross_attn,
            .concat = cosine ? kSdxlLatent.to_network(picture) : picture,
            .y = sdxl_vector(c, run)};
  };
}

MakeInputs refiner_inputs(const Weights&, const ModelSampling&) {
  return [](const Conditioning& c, const RunFacts& run) -> ModelInputs {
    return {.context = c.cross_attn, .y = refiner_vector(c, run)};
  };
}

MakeInputs unclip_inputs(const Weights& w, const ModelSampling&) {
  const int64_t width = w["diffusion_model.label_emb.0.0.weight"].size(1) / 2;
  auto statistic = [&](const char* name, double otherwise) {
    const auto found = w.find(name);
    return found ? found->once(at::kFloat).view({1, -1}) : at::full({1, width}, otherwise, at::kFloat);
  };
  const NoiseAugmentation noised{statistic("noise_augmentor.data_mean", 0), statistic("noise_augmentor.data_std", 1)};
  return [noised, width](const Conditioning& c, const RunFacts& run) -> ModelInputs {
    constexpr uint64_t kBefore = 10;  // ComfyUI's distance between the sampler's seed and this one
    return {.context = c.cross_attn,
            .y = c.unclip_images.empty() ? at::zeros({1, 2 * width})
                                         : noised(c.unclip_images, c.noise_augment_merge, run.seed - kBefore)};
  };
}

}  // namespace

const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> table{
      {.id = "sd15_instructpix2pix",
       .name = "InstructPix2Pix",
       .sniff = is_sd1<8>,
       .latent = &kSd15Latent,
       .sampling = eps,
       .make = unet,
       .inputs = edit_inputs},
      {.id = "sd15_inpaint",
       .name = "Stable Diffusion 1.x for inpainting",
       .sniff = is_sd1<9>,
       .latent = &kSd15Latent,
       .sampling = eps,
       .make = unet,
       .inputs = inpaint_inputs},
      {.id = "sd15",
       .name = "Stable Diffusion 1.x",
       .sniff = is_sd1<4>,
       .latent = &kSd15Latent,
       .sampling = eps,
       .make = unet},
      {.id = "sd2_inpaint",
       .name = "Stable Diffusion 2.x for inpainting",
       .sniff = is_sd2<9>,
       .latent = &kSd15Latent,
       .sampling = eps,
       .make = unet,
       .inputs = inpaint_inputs},
      {.id = "sd2_depth",
       .name = "Stable Diffusion 2.x guided by depth",
       .sniff = is_sd2<5>,
       .latent = &kSd15Latent,
       .sampling = eps,
       .make = unet,
       .inputs = depth_inputs},
      {.id = "sd_x4_upscaler",
       .name = "Stable Diffusion x4 upscaler",
       .sniff =
           [](const Weights& w, const Weights&) {
             return w.has("input_blocks.0.0.weight") && w["input_blocks.0.0.weight"].size(1) == 7;
           }},
      {.id = "sd2",
       .name = "Stable Diffusion 2.x",
       .sniff = is_sd2<4>,
       .latent = &kSd15Latent,
       .sampling = eps_or_v,
       .make = unet},
      {.id = "sd21_unclip_l",
       .name = "Stable unCLIP 2.1, CLIP-L",
       .sniff = is_unclip<1536>,
       .latent = &kSd15Latent,
       .sampling = eps_or_v,
       .make = unet,
       .inputs = unclip_inputs},
      {.id = "sd21_unclip_h",
       .name = "Stable unCLIP 2.1, CLIP-H",
       .sniff = is_unclip<2048>,
       .latent = &kSd15Latent,
       .sampling = eps_or_v,
       .make = unet,
       .inputs = unclip_inputs},
      {.id = "sdxl_instructpix2pix",
       .name = "Stable Diffusion XL for editing",
       .sniff = is_sdxl<8>,
       .latent = &kSdxlLatent,
       .sampling = sdxl_sampling,
       .make = unet,
       .inputs = sdxl_edit_inputs},
      {.id = "sdxl_inpaint",
       .name = "Stable Diffusion XL for inpainting",
       .sniff = is_sdxl<9>,
       .latent = &kSdxlLatent,
       .sampling = sdxl_sampling,
       .make = unet,
       .inputs = sdxl_inpaint_inputs},
      {.id = "sdxl_refiner",
       .name = "Stable Diffusion XL refiner",
       .sniff = is_refiner,
       .latent = &kSdxlLatent,
       .sampling = eps,
       .make = unet,
       .inputs = refiner_inputs},
      {.id = "sdxl_playground",
       .name = "Playground 2.5",
       .sniff = [](const Weights& w, const Weights& file) { return is_sdxl<4>(w, file) && file.has("edm_mean"); },
       .latent = &kPlaygroundLatent,
       .sampling = playground_sampling,
       .make = unet,
       .inputs = sdxl_inputs},
      {.id = "ssd1b",
       .name = "SSD-1B",
       .sniff =
           [](const Weights& w, const Weights&) {
             return is_distilled(w, {0, 0, 2, 2, 4, 4});
           },
       .latent = &kSdxlLatent,
       .sampling = sdxl_sampling,
       .make = unet,
       .inputs = sdxl_inputs},
      {.id = "koala_700m",
       .name = "KOALA 700M",
       .sniff =
           [](const Weights& w, const Weights&) {
             return is_distilled(w, {0, 2, 5});
           },
       .latent = &kSdxlLatent,
       .sampling = sdxl_sampling,
       .make = unet,
       .inputs = sdxl_inputs},
      {.id = "koala_1b",
       .name = "KOALA 1B",
       .sniff =
           [](const Weights& w, const Weights&) {
             return is_distilled(w, {0, 2, 6});
           },
       .latent = &kSdxlLatent,
       .sampling = sdxl_sampling,
       .make = unet,
       .inputs = sdxl_inputs},
      {.id = "segmind_vega",
       .name = "Segmind Vega",
       .sniff =
           [](const Weights& w, const Weights&) {
             return is_distilled(w, {0, 0, 1, 1, 2, 2});
           },
       .latent = &kSdxlLatent,
       .sampling = sdxl_sampling,
       .make = unet,
       .inputs = sdxl_inputs},
      {.id = "sdxl",
       .name = "Stable Diffusion XL",
       .sniff = is_sdxl<4>,
       .latent = &kSdxlLatent,
       .sampling = sdxl_sampling,
       .make = unet,
       .inputs = sdxl_inputs},
      // Known by name, so that the message can say what the file is.
      {.id = "svd",
       .name = "Stable Video Diffusion",
       .sniff = [](const Weights& w,
                   const Weights&) { return w.has("input_blocks.1.0.time_stack.in_layers.0.weight"); }},
      {.id = "sd3",
       .name = "Stable Diffusion 3",
       .sniff = [](const Weights& w, const Weights&) { return w.has("joint_blocks.0.context_block.attn.qkv.weight"); }},
      {.id = "flux",
       .name = "Flux",
       .sniff = [](const Weights& w, const Weights&) { return w.has("double_blocks.0.img_attn.norm.key_norm.scale"); }},
      {.id = "wan", .name = "Wan", .sniff = [](const Weights& w, const Weights&) { return w.has("head.modulation"); }},
  };
  return table;
}

const Architecture* find_architecture(const Weights& w, const Weights& file) {
  for (const auto& architecture : architectures()) {
    if (architecture.sniff(w, file)) return &architecture;
  }
  return nullptr;
}

}  // namespace easel
