#include "base/log.h"
#include "models/checkpoint.h"
#include "models/lora/adapter.h"
#include "models/lora/lora_keys.h"

namespace easel {

namespace {

Patches patches_of(const Lora& lora, const LoraTargets& targets, double strength) {
  Patches patches;
  for (const auto& [module, target] : targets) {
    auto [weight, bias] = module_patches(lora.weights, module, strength);
    if (weight) patches[target] = {*weight};
    constexpr std::string_view end = ".weight";
    if (bias && target.ends_with(end)) patches[target.substr(0, target.size() - end.size()) + ".bias"] = {*bias};
  }
  return patches;
}

bool is_for_text(const std::string& name) {
  return name.rfind("lora_te", 0) == 0 || name.find("text_encoder") != std::string::npos ||
         name.find("text_model") != std::string::npos;
}

// Tensors of the file that nothing took, of those meant for this half of the model.
void log_unknown(const Lora& lora, bool for_text) {
  std::vector<std::string> unknown;
  for (const auto& name : lora.weights.unused()) {
    if (is_for_text(name) == for_text) unknown.push_back(name);
  }
  if (unknown.empty()) return;
  log::warn(
      "with_lora: {} tensors of '{}' have no counterpart in this {} and are left out, '{}' first; perhaps it was "
      "made for another family",
      unknown.size(), lora.weights.origin(), for_text ? "text encoder" : "model", unknown[0]);
}

}  // namespace

Model with_lora(const Model& model, const Lora& lora, double strength) {
  if (strength == 0) return model;
  const auto weights = model.weights();
  const auto targets = unet_lora_targets(weights.names(), unet_shape(weights / "diffusion_model"));
  const auto patches = patches_of(lora, targets, strength);
  log_unknown(lora, false);
  return model.with_patches(patches);
}

Clip with_lora(const Clip& clip, const Lora& lora, double strength) {
  if (strength == 0) return clip;
  const auto patches = patches_of(lora, clip_lora_targets(clip.weights().names()), strength);
  log_unknown(lora, true);
  return clip.with_patches(patches);
}

}  // namespace easel
