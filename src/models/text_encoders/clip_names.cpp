#include "models/text_encoders/clip_names.h"

#include <algorithm>
#include <array>

namespace easel {

namespace {

struct Place {
  std::string_view prefix, encoder;  // encoder: empty where the depth tells
};
constexpr std::array<Place, 9> kPlaces{{{"cond_stage_model.transformer.", ""},
                                        {"cond_stage_model.model.", "clip_h"},
                                        {"conditioner.embedders.0.transformer.", "clip_l"},
                                        {"conditioner.embedders.0.model.", "clip_g"},
                                        {"conditioner.embedders.1.model.", "clip_g"},
                                        {"clip_l.transformer.", "clip_l"},
                                        {"clip_h.transformer.", "clip_h"},
                                        {"clip_g.transformer.", "clip_g"},
                                        {"", ""}}};

std::string encoder_by_depth(const Tensors& tensors, const std::string& layers) {
  auto has_layer = [&](const char* n) {
    auto found = tensors.lower_bound(layers + n + ".");
    return found != tensors.end() && found->first.rfind(layers + n + ".", 0) == 0;
  };
  return has_layer("30") ? "clip_g" : has_layer("22") ? "clip_h" : "clip_l";
}

using Parts = std::vector<Weights::Part>;

// transformers' name below "clip_x.transformer.". SD1's oldest checkpoints leave "text_model." out; a projection that
// lies in a checkpoint of SD1 is not used.
Parts transformers_parts(const std::string& rest, bool sd1) {
  if (rest.find("position_ids") != std::string::npos) return {};
  if (rest.rfind("text_model.", 0) == 0) return {{rest}};
  if (rest == "text_projection.weight" && !sd1) return {{rest}};
  if (sd1 && (rest.rfind("embeddings.", 0) == 0 || rest.rfind("encoder.", 0) == 0 || rest.rfind("final_", 0) == 0)) {
    return {{"text_model." + rest}};
  }
  return {};
}

Parts open_clip_parts(const std::string& rest) {
  if (rest == "token_embedding.weight") return {{"text_model.embeddings.token_embedding.weight"}};
  if (rest == "positional_embedding") return {{"text_model.embeddings.position_embedding.weight"}};
  if (rest == "text_projection") return {{.name = "text_projection.weight", .transposed = true}};
  if (rest == "text_projection.weight") return {{rest}};
  if (rest.rfind("ln_final.", 0) == 0) return {{"text_model.final_layer_norm." + rest.substr(9)}};
  constexpr std::string_view blocks = "transformer.resblocks.";
  if (rest.rfind(blocks, 0) != 0) return {};
  const auto dot = rest.find('.', blocks.size());
  if (dot == std::string::npos) return {};
  const auto layer = "text_model.encoder.layers." + rest.substr(blocks.size(), dot - blocks.size() + 1);
  const auto part = rest.substr(dot + 1);
  for (const char* kind : {"weight", "bias"}) {
    if (part == std::string("attn.in_proj_") + kind) {
      return {{layer + "self_attn.q_proj." + kind, 0, 3},
              {layer + "self_attn.k_proj." + kind, 1, 3},
              {layer + "self_attn.v_proj." + kind, 2, 3}};
    }
  }
  for (auto [theirs, ours] : {std::pair{"ln_1.", "layer_norm1."},
                              {"ln_2.", "layer_norm2."},
                              {"mlp.c_fc.", "mlp.fc1."},
                              {"mlp.c_proj.", "mlp.fc2."},
                              {"attn.out_proj.", "self_attn.out_proj."}}) {
    if (part.rfind(theirs, 0) == 0) return {{layer + ours + part.substr(std::string_view(theirs).size())}};
  }
  return {};
}

}  // namespace

std::vector<ClipInFile> clips_in(const Tensors& tensors) {
  std::vector<ClipInFile> found;
  for (const auto& place : kPlaces) {
    const std::string prefix(place.prefix);
    const bool plain = tensors.count(prefix + "text_model.embeddings.token_embedding.weight") ||
                       (!prefix.empty() && tensors.count(prefix + "embeddings.token_embedding.weight"));
    const bool open_clip =
        tensors.count(prefix + "token_embedding.weight") && tensors.count(prefix + "positional_embedding");
    if (!plain && !open_clip) continue;
    auto encoder = std::string(place.encoder);
    if (encoder.empty()) {
      encoder = encoder_by_depth(tensors, prefix + (open_clip ? "transformer.resblocks."
                                                    : tensors.count(prefix + "embeddings.token_embedding.weight")
                                                        ? "encoder.layers."
                                                        : "text_model.encoder.layers."));
    }
    const bool known = std::any_of(found.begin(), found.end(), [&](auto& other) { return other.encoder == encoder; });
    if (!known) found.push_back({encoder, prefix, open_clip});
  }
  return found;
}

Weights clip_weights(const TensorFilePtr& file) {
  const auto clips = clips_in(file->tensors());
  return Weights::split(
      file,
      [&](const std::string& name) {
        for (const auto& clip : clips) {
          if (name.rfind(clip.prefix, 0) != 0) continue;
          const auto rest = name.substr(clip.prefix.size());
          auto parts = clip.open_clip ? open_clip_parts(rest)
                                      : transformers_parts(rest, clip.prefix == "cond_stage_model.transformer.");
          for (auto& part : parts) part.name = clip.encoder + ".transformer." + part.name;
          if (!parts.empty()) return parts;
        }
        return Parts();
      },
      at::kHalf);
}

}  // namespace easel
