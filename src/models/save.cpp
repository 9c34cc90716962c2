#include "models/save.h"

#include <array>

namespace easel {

namespace {

constexpr std::array<const char*, 3> kEncoders{"clip_l", "clip_h", "clip_g"};

// A tensor of a transformers layout in OpenCLIP's. Query, key and value are one tensor there, made with the query.
void add_open_clip(NamedTensors& out, const Weights& encoder, const std::string& name, const std::string& prefix) {
  constexpr std::string_view layers = "text_model.encoder.layers.";
  auto put = [&](const std::string& theirs, const Tensor& tensor) { out.emplace_back(prefix + theirs, tensor); };
  const auto tensor = [&] { return encoder[name].at_rest(); };
  if (name == "text_model.embeddings.token_embedding.weight") return put("token_embedding.weight", tensor());
  if (name == "text_model.embeddings.position_embedding.weight") return put("positional_embedding", tensor());
  if (name == "text_projection.weight") return put("text_projection", tensor().t().contiguous());
  if (name.rfind("text_model.final_layer_norm.", 0) == 0) return put("ln_final." + name.substr(28), tensor());
  if (name.rfind(layers, 0) != 0) return;
  const auto dot = name.find('.', layers.size());
  const auto block = "transformer.resblocks." + name.substr(layers.size(), dot - layers.size() + 1);
  const auto part = name.substr(dot + 1);
  const auto kind = part.substr(part.rfind('.') + 1);
  if (part.rfind("self_attn.q_proj.", 0) == 0) {
    std::vector<Tensor> three;
    for (const char* which : {"q", "k", "v"}) {
      three.push_back(encoder[name.substr(0, dot + 1) + "self_attn." + which + "_proj." + kind].at_rest());
    }
    return put(block + "attn.in_proj_" + kind, at::cat(three));
  }
  for (auto [ours, theirs] : {std::pair{"self_attn.out_proj.", "attn.out_proj."},
                              {"layer_norm1.", "ln_1."},
                              {"layer_norm2.", "ln_2."},
                              {"mlp.fc1.", "mlp.c_fc."},
                              {"mlp.fc2.", "mlp.c_proj."}}) {
    if (part.rfind(ours, 0) == 0) return put(block + theirs + kind, tensor());
  }
}

}  // namespace

NamedTensors model_tensors(const Model& model, bool bare) {
  constexpr std::string_view own = "diffusion_model.";
  NamedTensors out;
  const auto weights = model.weights();
  for (const auto& name : weights.names()) {
    const bool inside = name.rfind(own, 0) == 0;
    if (!inside && bare) continue;
    out.emplace_back(bare ? name.substr(own.size()) : inside ? "model." + name : name, weights[name].at_rest());
  }
  const bool marked = model.id().rfind("sdxl", 0) == 0 && model.sampling.prediction() == Prediction::v;
  if (marked) {  // how checkpoints of SDXL tell
    constexpr double kHighestWithoutZeroSnr = 20, kHighestDiscrete = 1000;
    const auto highest = static_cast<double>(model.sampling.sigma_max());
    out.emplace_back("v_pred", at::empty({0}));
    if (highest > kHighestDiscrete) out.emplace_back("ztsnr", at::empty({0}));
    if (highest > kHighestWithoutZeroSnr && highest < kHighestDiscrete) {
      out.back() = {"edm_vpred.sigma_max", at::full({}, highest)};
      out.emplace_back("edm_vpred.sigma_min", at::full({}, model.sampling.sigma_min()));
    }
  }
  return out;
}

std::map<std::string, NamedTensors> clip_tensors(const Clip& clip) {
  std::map<std::string, NamedTensors> out;
  const auto weights = clip.weights();
  for (const char* encoder : kEncoders) {
    const auto below = weights / encoder / "transformer";
    for (const auto& name : below.names()) out[encoder].emplace_back(name, below[name].at_rest());
  }
  return out;
}

NamedTensors clip_checkpoint_tensors(const Clip& clip) {
  const auto weights = clip.weights();
  const bool xl = weights.any("clip_g");
  NamedTensors out;
  for (const char* encoder : kEncoders) {
    const auto below = weights / encoder / "transformer";
    const bool plain = std::string(encoder) == "clip_l";
    const bool second = std::string(encoder) == "clip_g" && weights.any("clip_l");
    const auto prefix = plain ? (xl ? "conditioner.embedders.0.transformer." : "cond_stage_model.transformer.")
                        : xl  ? (second ? "conditioner.embedders.1.model." : "conditioner.embedders.0.model.")
                              : "cond_stage_model.model.";
    for (const auto& name : below.names()) {
      if (!plain) {
        add_open_clip(out, below, name, prefix);
      } else if (name != "text_projection.weight") {  // checkpoints keep none of CLIP-L's
        out.emplace_back(prefix + name, below[name].at_rest());
      }
    }
  }
  return out;
}

NamedTensors vae_tensors(const Vae& vae, const std::string& prefix) {
  NamedTensors out;
  const auto weights = vae.weights();
  for (const auto& name : weights.names()) out.emplace_back(prefix + name, weights[name].at_rest());
  return out;
}

}  // namespace easel
