#include "models/file_kind.h"

#include <algorithm>

#include "models/architecture.h"
#include "models/diffusion/diffusers_names.h"
#include "models/text_encoders/clip_names.h"

namespace easel {

namespace {

bool any_contains(const Tensors& tensors, std::initializer_list<std::string_view> parts) {
  return std::any_of(tensors.begin(), tensors.end(), [&](const auto& entry) {
    return std::any_of(parts.begin(), parts.end(),
                       [&](auto part) { return entry.first.find(part) != std::string::npos; });
  });
}

// ComfyUI's choice: the prefix with the most tensors if those are more than a few, else the diffusion model is bare.
std::string diffusion_prefix(const Tensors& tensors) {
  std::string best;
  size_t most = 5;
  for (const char* prefix : {"model.diffusion_model.", "model.model.", "net.", "diffusion_model."}) {
    size_t count = 0;
    for (auto at = tensors.lower_bound(prefix); at != tensors.end() && at->first.rfind(prefix, 0) == 0; ++at) ++count;
    if (count > most) {
      most = count;
      best = prefix;
    }
  }
  return best;
}

// The family that an adapter is for shows in the width of the text that its cross-attention reads.
std::string adapted_family(const Tensors& tensors) {
  for (const auto& [name, span] : tensors) {
    const bool reads_text =
        name.find("attn2_to_k.") != std::string::npos || name.find("attn2.to_k.") != std::string::npos;
    const bool down = name.find("lora_down") != std::string::npos || name.find("lora_A") != std::string::npos ||
                      name.find("lora.down") != std::string::npos || name.find("hada_w1_b") != std::string::npos;
    if (!reads_text || !down || span.shape.size() < 2) continue;
    if (span.shape[1] == 768) return " for Stable Diffusion 1.x";
    if (span.shape[1] == 1024) return " for Stable Diffusion 2.x";
    if (span.shape[1] == 2048) return " for Stable Diffusion XL";
  }
  return "";
}

std::string main_dtype(const TensorFile& file) {
  const auto summary = describe(file);
  auto most = std::max_element(summary.dtypes.begin(), summary.dtypes.end(),
                               [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == summary.dtypes.end() ? "empty" : most->first;
}

bool is_embedding(const TensorFile& file) {
  if (file.find("emb_params") || file.find("string_to_param.*")) return true;
  const auto& tensors = file.tensors();
  return !tensors.empty() && tensors.size() <= 2 && tensors.begin()->second.shape.size() == 2 &&
         tensors.begin()->second.shape[0] <= 128;
}

void find_vae(const Tensors& tensors, FileKind& kind) {
  for (const char* prefix : {"first_stage_model.", "vae.", ""}) {
    for (const char* name : {"decoder.conv_in.weight", "encoder.conv_in.weight"}) {
      if (kind.has_vae || !tensors.count(std::string(prefix) + name)) continue;
      kind.has_vae = true;
      kind.vae_prefix = prefix;
    }
  }
}

// Kinds that are recognised by a telling name; the loader's node follows.
struct Telling {
  std::string_view part, name, loader;
};
constexpr Telling kTelling[] = {
    {"lora_controlnet", "ControlNet LoRA", "ControlNetLoader"},
    {"controlnet_cond_embedding.", "ControlNet", "ControlNetLoader"},
    {"zero_convs.0.0.weight", "ControlNet", "ControlNetLoader"},
    {"controlnet_blocks.0.", "ControlNet", "ControlNetLoader"},
    {"layer.0.SelfAttention.q.weight", "T5 text encoder", "CLIPLoader"},
    {"vision_model.encoder.layers.0.", "CLIP vision model", "CLIPVisionLoader"},
    {"RDB1.conv1.", "upscale model", "UpscaleModelLoader"},
    {"conv_first.weight", "upscale model", "UpscaleModelLoader"},
};

}  // namespace

FileKind file_kind(const TensorFile& file) {
  const auto& tensors = file.tensors();
  const auto dtype = main_dtype(file);
  FileKind kind;
  if (any_contains(tensors, {".lora_up.weight", ".lora_down.weight", ".lora_A.", ".lora.up.", "_lora.up.",
                             ".lora_linear_layer.", ".hada_w1_", ".lokr_w", ".oft_blocks", ".a1.weight"}) &&
      !any_contains(tensors, {"lora_controlnet"})) {
    kind.name = "LoRA" + adapted_family(tensors) + ", " + dtype;
    kind.loader = "LoraLoader";
    return kind;
  }
  kind.diffusion_prefix = diffusion_prefix(tensors);
  const auto shared = TensorFilePtr(TensorFilePtr(), &file);  // borrowed for the length of this call
  kind.diffusers = is_diffusers_unet(tensors);
  const auto* architecture =
      find_architecture(kind.diffusers ? diffusers_unet_weights(shared, "") : Weights(shared, kind.diffusion_prefix),
                        Weights(shared, ""));
  kind.has_diffusion_model = architecture || !kind.diffusion_prefix.empty();
  find_vae(tensors, kind);
  kind.has_text_encoder = !clips_in(tensors).empty();

  if (kind.has_diffusion_model) {
    const std::string family = architecture ? architecture->name : "unknown";
    const bool whole = kind.has_vae || kind.has_text_encoder;
    kind.name = family + (whole ? " checkpoint (diffusion model" : " diffusion model");
    if (whole) kind.name += std::string(kind.has_text_encoder ? ", CLIP" : "") + (kind.has_vae ? ", VAE" : "") + ")";
    kind.loader = whole ? "CheckpointLoaderSimple" : "UNETLoader";
  } else if (kind.has_vae || kind.has_text_encoder) {
    kind.name = kind.has_vae ? "VAE" : "CLIP text encoder";
    kind.loader = kind.has_vae ? "VAELoader" : "CLIPLoader";
  } else if (is_embedding(file)) {
    kind.name = "textual inversion";
    kind.loader = "a prompt: embedding:" + file.path().stem().string();
  } else {
    kind.name = "unknown model";
    for (const auto& telling : kTelling) {
      if (!any_contains(tensors, {telling.part})) continue;
      kind.name = telling.name;
      kind.loader = telling.loader;
      break;
    }
  }
  kind.name += ", " + dtype;
  return kind;
}

}  // namespace easel
