// The table of diffusion models. Order matters: names overlap, the first that sniffs wins.
#include "models/architecture.h"
#include "models/diffusion/unet.h"

namespace easel {

namespace {

bool is_unet(const Weights& w) { return w.has("input_blocks.0.0.weight") && w.has("time_embed.0.weight"); }

// SD1's U-Net: attention projects by 1×1 convolutions and there is no label embedding. Widths are left open, so that
// small models of the same layout are the same kind.
bool is_sd1(const Weights& w, int64_t channels) {
  if (!is_unet(w) || w.any("label_emb") || w["input_blocks.0.0.weight"].size(1) != channels) return false;
  auto proj_in = w.find("middle_block.1.proj_in.weight");
  return proj_in && proj_in->dim() == 4;
}

bool is_sd2(const Weights& w) {
  auto proj_in = is_unet(w) ? w.find("middle_block.1.proj_in.weight") : std::nullopt;
  return proj_in && proj_in->dim() == 2 && !w.any("label_emb");
}

Network sd1_network(const Weights& w, const Precision& precision) {
  auto unet = std::make_shared<const Unet>(w / "diffusion_model", UnetConfig{.heads = 8});
  return [unet, dtype = precision.network](const NetInput& in) { return (*unet)(in, dtype); };
}

ModelSampling eps_sampling() { return {}; }

}  // namespace

const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> table{
      {.id = "sd15",
       .name = "Stable Diffusion 1.x",
       .sniff = [](const Weights& w) { return is_sd1(w, 4); },
       .latent = &kSd15Latent,
       .sampling = eps_sampling,
       .make = sd1_network},
      // Known by name, so that the message can say what the file is.
      {.id = "sd15_inpaint",
       .name = "Stable Diffusion 1.x for inpainting",
       .sniff = [](const Weights& w) { return is_sd1(w, 9); },
       .latent = &kSd15Latent},
      {.id = "sd15_instructpix2pix",
       .name = "InstructPix2Pix",
       .sniff = [](const Weights& w) { return is_sd1(w, 8); },
       .latent = &kSd15Latent},
      {.id = "sd2", .name = "Stable Diffusion 2.x", .sniff = is_sd2},
      {.id = "sdxl",
       .name = "Stable Diffusion XL",
       .sniff = [](const Weights& w) { return is_unet(w) && w.any("label_emb"); }},
      {.id = "sd3",
       .name = "Stable Diffusion 3",
       .sniff = [](const Weights& w) { return w.has("joint_blocks.0.context_block.attn.qkv.weight"); }},
      {.id = "flux",
       .name = "Flux",
       .sniff = [](const Weights& w) { return w.has("double_blocks.0.img_attn.norm.key_norm.scale"); }},
      {.id = "wan", .name = "Wan", .sniff = [](const Weights& w) { return w.has("head.modulation"); }},
  };
  return table;
}

const Architecture* find_architecture(const Weights& w) {
  for (const auto& architecture : architectures()) {
    if (architecture.sniff(w)) return &architecture;
  }
  return nullptr;
}

}  // namespace easel
