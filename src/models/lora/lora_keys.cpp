#include "models/lora/lora_keys.h"

#include <algorithm>
#include <set>

#include "models/diffusion/diffusers_names.h"

namespace easel {

namespace {

std::string without(const std::string& name, std::string_view end) {
  return name.ends_with(end) ? name.substr(0, name.size() - end.size()) : name;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

}  // namespace

LoraTargets unet_lora_targets(const std::vector<std::string>& names, const UnetShape& shape) {
  constexpr std::string_view prefix = "diffusion_model.";
  LoraTargets targets;
  for (const auto& name : names) {
    if (name.rfind(prefix, 0) != 0) continue;
    targets[without(name, ".weight")] = name;
    if (!name.ends_with(".weight")) continue;
    targets["lora_unet_" + replaced(without(name.substr(prefix.size()), ".weight"), ".", "_")] = name;
  }
  for (const auto& [theirs, ours] : diffusers_unet_names(shape)) {
    if (!theirs.ends_with(".weight")) continue;
    const auto target = std::string(prefix) + ours, module = without(theirs, ".weight");
    targets["lora_unet_" + replaced(module, ".", "_")] = target;
    targets["lycoris_" + replaced(module, ".", "_")] = target;
    auto dotted = replaced(module, ".to_", ".processor.to_");
    if (dotted.ends_with(".to_out.0")) dotted = without(dotted, ".0");
    targets[dotted] = target;
    targets["unet." + dotted] = target;
  }
  return targets;
}

LoraTargets clip_lora_targets(const std::vector<std::string>& names) {
  static const std::set<std::string> adapted{"mlp.fc1",          "mlp.fc2",          "self_attn.q_proj",
                                             "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"};
  constexpr std::string_view layers = "transformer.text_model.encoder.layers.";
  const bool has_l = std::any_of(names.begin(), names.end(), [](auto& name) { return name.rfind("clip_l.", 0) == 0; });
  LoraTargets targets;
  for (const auto& name : names) {
    if (!name.ends_with(".weight")) continue;
    const auto module = without(name, ".weight");
    targets["text_encoders." + module] = name;
    if (module == "clip_l.transformer.text_projection") targets["lora_te1_text_projection"] = name;
    if (module == "clip_g.transformer.text_projection") {
      targets[has_l ? "lora_te2_text_projection" : "lora_prior_te_text_projection"] = name;
    }
    const auto encoder = module.substr(0, module.find('.'));
    const auto below = module.substr(std::min(module.size(), encoder.size() + 1));
    if (below.rfind(layers, 0) != 0) continue;
    const auto inside = below.substr(layers.size());  // "3.mlp.fc1"
    if (!adapted.count(inside.substr(inside.find('.') + 1))) continue;
    const auto dotted = "text_model.encoder.layers." + inside, joined = replaced(dotted, ".", "_");
    const bool second = encoder == "clip_g" && has_l;  // SDXL's larger encoder
    targets[(second ? "text_encoder_2." : "text_encoder.") + dotted] = name;
    if (second) {
      targets["lora_te2_" + joined] = name;
    } else {
      targets["lora_te_" + joined] = name;
      targets[(encoder == "clip_g" ? "lora_prior_te_" : "lora_te1_") + joined] = name;
    }
  }
  return targets;
}

}  // namespace easel
