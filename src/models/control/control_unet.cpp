#include "models/control/control_unet.h"

#include <mutex>

#include "base/error.h"
#include "models/diffusion/diffusers_names.h"
#include "models/diffusion/unet.h"
#include "models/diffusion/unet_shape.h"
#include "tensor/kernels/attention.h"
#include "tensor/kernels/norm.h"

namespace easel {

namespace {

// Eight convolutions from the picture to the width of the U-Net at an eighth of the size.
struct HintEncoder {
  explicit HintEncoder(const Weights& w) {
    for (int64_t i = 0; i <= 14; i += 2) convs.emplace_back(w / i, i == 4 || i == 8 || i == 12 ? 2 : 1, 1);
  }
  Tensor operator()(Tensor x) const {
    for (size_t i = 0; i + 1 < convs.size(); ++i) x = convs[i](x, nn::Activation::kSilu);
    return convs.back()(x);
  }
  std::vector<nn::Conv2d> convs;
};

// ControlNet++: which kinds of hint there are goes into the embedding, and moves the encoded hint.
struct Union {
  explicit Union(const Weights& w)
      : types_in(w / "control_add_embedding" / "linear_1"),
        types_out(w / "control_add_embedding" / "linear_2"),
        task_embedding(w["task_embedding"]),
        ln_1(w / "transformer_layes" / 0 / "ln_1"),
        ln_2(w / "transformer_layes" / 0 / "ln_2"),
        in_proj(w / "transformer_layes" / 0 / "attn" / "in_proj"),
        out_proj(w / "transformer_layes" / 0 / "attn" / "out_proj"),
        c_fc(w / "transformer_layes" / 0 / "mlp" / "c_fc"),
        c_proj(w / "transformer_layes" / 0 / "mlp" / "c_proj"),
        spatial(w / "spatial_ch_projs") {}

  Tensor embedding(const std::vector<int64_t>& types, at::ScalarType dtype) const {
    const int64_t count = task_embedding.size(0);
    auto present = at::zeros({count});
    for (int64_t type : types) {
      if (type < 0 || type >= count) fail("ControlNet: hints of type {}, the network knows 0 to {}", type, count - 1);
      present[type] = 1;
    }
    const auto sinusoids = nn::timestep_embedding(present, types_in.in() / count).view({1, -1}).to(dtype);
    return types_out(types_in(sinusoids, nn::Activation::kSilu));
  }

  // hint [B, C, h, w], encoded -> moved by what attention makes of its mean and its type
  Tensor moved(const Tensor& hint, int64_t type) const {
    constexpr int64_t kHeads = 8;
    auto x = (hint.mean({2, 3}) + task_embedding.like(hint)[type]).unsqueeze(1);
    const auto qkv = in_proj(ln_1(x)).chunk(3, 2);
    x = out_proj.add(kernels::attention(qkv[0], qkv[1], qkv[2], kHeads), x);
    x = c_proj.add(kernels::quick_gelu(c_fc(ln_2(x))), x);
    return hint + spatial(x.select(1, 0)).unsqueeze(-1).unsqueeze(-1);
  }

  nn::Linear types_in, types_out;
  Weight task_embedding;
  nn::LayerNorm ln_1, ln_2;
  nn::Linear in_proj, out_proj, c_fc, c_proj, spatial;
};

struct ControlUnet {
  ControlUnet(const Weights& w, at::ScalarType dtype)
      : dtype(dtype),
        embedding(w),
        hint_encoder(w / "input_hint_block"),
        input_blocks(unet_blocks(w / "input_blocks", unet_config(w))),
        middle_block(w / "middle_block", unet_config(w)),
        middle_out(w / "middle_block_out" / 0) {
    if (w.any("control_add_embedding")) types.emplace(w);
    for (size_t i = 0; i < input_blocks.size(); ++i) {
      zero_convs.emplace_back(w / "zero_convs" / static_cast<int64_t>(i) / 0);
    }
  }

  Residuals operator()(const NetInput& in, const Tensor& picture, const std::vector<int64_t>& kinds) const {
    auto emb = embedding(in, dtype);
    auto hint = hint_encoder(picture.to(dtype).contiguous(at::MemoryFormat::ChannelsLast));
    if (types) {
      emb = emb + types->embedding(kinds, dtype);
      if (!kinds.empty()) hint = types->moved(hint, kinds[0]);
    }
    const Tensor context = in.context.defined() ? in.context.to(dtype) : Tensor();
    UnetCall call{.in = in, .context = context, .silu_emb = kernels::silu(emb)};
    auto x = in.x.to(dtype).contiguous(at::MemoryFormat::ChannelsLast);
    Residuals out;
    for (size_t i = 0; i < input_blocks.size(); ++i) {
      x = input_blocks[i](x, call);
      if (i == 0) x = x + hint;
      out.skips.push_back(zero_convs[i](x));
    }
    out.middle = {middle_out(middle_block(x, call))};
    return out;
  }

  at::ScalarType dtype;
  UnetEmbedding embedding;
  HintEncoder hint_encoder;
  std::vector<UnetBlock> input_blocks;
  UnetBlock middle_block;
  std::vector<nn::Conv2d> zero_convs;
  nn::Conv2d middle_out;
  std::optional<Union> types;
};

class WholeControl : public ControlModel {
 public:
  WholeControl(const Weights& w, const Precision& precision) : unet_(w, precision.network) {}
  Residuals run(const NetInput& in, const Tensor& hint, const std::vector<int64_t>& types,
                const std::function<Weights()>&) const override {
    return unet_(in, hint, types);
  }

 private:
  const ControlUnet unet_;
};

// Control-LoRA: the sampled model's own weights with differences of low rank, beside what is the network's alone.
class ControlLora : public ControlModel {
 public:
  ControlLora(Weights file, const Precision& precision) : file_(std::move(file)), precision_(precision) {}

  Residuals run(const NetInput& in, const Tensor& hint, const std::vector<int64_t>& types,
                const std::function<Weights()>& base) const override {
    std::shared_ptr<const ControlUnet> unet;
    {
      std::lock_guard lock(mutex_);
      if (!base) fail("Control-LoRA: it lies over the sampled model's weights, and this sampling gives none");
      const auto weights = base();
      if (!unet_ || weights.origin() != over_) {
        unet_ = std::make_shared<const ControlUnet>(laid_over(weights), precision_.network);
        over_ = weights.origin();
      }
      unet = unet_;
    }
    return (*unet)(in, hint, types);
  }

 private:
  Weights laid_over(const Weights& base) const {
    std::map<std::string, Tensor> own;
    Patches patches;
    for (const auto& name : file_.names()) {
      if (name == "lora_controlnet" || name.ends_with(".down")) continue;
      if (!name.ends_with(".up")) {
        own[name] = file_[name].at_rest();
        continue;
      }
      const auto module = name.substr(0, name.size() - 3);
      patches[module + ".weight"] = {Patch([up = file_[name], down = file_[module + ".down"]](const Tensor& weight) {
        const auto product = at::mm(up.once(at::kFloat).flatten(1), down.once(at::kFloat).flatten(1));
        return weight + product.reshape(weight.sizes());
      })};
    }
    std::map<std::string, Tensor> shared;
    const auto unet = base / "diffusion_model";
    for (const auto& name : unet.names()) {
      const bool first_half = name.rfind("input_blocks.", 0) == 0 || name.rfind("middle_block.", 0) == 0 ||
                              name.rfind("time_embed.", 0) == 0 || name.rfind("label_emb.", 0) == 0;
      if (first_half) shared[name] = unet[name].at_rest();
    }
    return Weights(shared, file_.origin()).patched(patches).joined(Weights(own, file_.origin()));
  }

  const Weights file_;
  const Precision precision_;
  mutable std::mutex mutex_;  // guards what follows
  mutable std::shared_ptr<const ControlUnet> unet_;
  mutable std::string over_;
};

// The paper's name of a tensor in diffusers' layout.
std::map<std::string, std::string> names_of_diffusers(const Weights& file) {
  std::map<std::string, std::string> names;
  for (const auto& [theirs, ours] : diffusers_unet_names(diffusers_unet_shape(file))) names[theirs] = ours;
  for (const char* part : {".weight", ".bias"}) {
    auto add = [&](const std::string& theirs, const std::string& ours) { names[theirs + part] = ours + part; };
    for (int64_t i = 0; file.any("controlnet_down_blocks." + std::to_string(i)); ++i) {
      add("controlnet_down_blocks." + std::to_string(i), "zero_convs." + std::to_string(i) + ".0");
    }
    add("controlnet_mid_block", "middle_block_out.0");
    add("controlnet_cond_embedding.conv_in", "input_hint_block.0");
    for (int64_t i = 0; i < 6; ++i) {
      add("controlnet_cond_embedding.blocks." + std::to_string(i), "input_hint_block." + std::to_string(2 * i + 2));
    }
    add("controlnet_cond_embedding.conv_out", "input_hint_block.14");
  }
  return names;
}

Weights from_diffusers(const TensorFilePtr& file) {
  const auto names = names_of_diffusers(Weights(file, ""));
  return Weights(file, [&](const std::string& name) -> std::optional<std::string> {
    if (auto found = names.find(name); found != names.end()) return found->second;
    auto union_name = name;
    if (auto at = name.find(".attn.in_proj_"); at != std::string::npos) union_name.replace(at, 14, ".attn.in_proj.");
    return union_name;
  });
}

// The base model's weights added, for files that hold the difference to it.
Weights over_base(const Weights& difference, const Weights& base) {
  Patches patches;
  for (const auto& name : difference.names()) {
    const auto found = base.find("diffusion_model." + name);
    if (!found || found->sizes() != difference[name].sizes()) continue;
    patches[name] = {Patch([weight = *found](const Tensor& d) { return d + weight.once(at::kFloat); })};
  }
  return difference.patched(patches);
}

}  // namespace

std::shared_ptr<const ControlModel> make_control_unet(const TensorFilePtr& file, const Precision& precision,
                                                      const std::optional<Weights>& base) {
  if (file->find("lora_controlnet")) return std::make_shared<const ControlLora>(Weights(file, ""), precision);
  if (file->find("controlnet_cond_embedding.conv_in.weight")) {
    return std::make_shared<const WholeControl>(from_diffusers(file), precision);
  }
  for (const char* prefix : {"control_model.", ""}) {
    if (!file->find(std::string(prefix) + "zero_convs.0.0.weight")) continue;
    Weights weights(file, prefix);
    if (file->find("difference")) {
      if (!base) {
        fail("load_control_net: '{}' holds differences to a model; load it with DiffControlNetLoader",
             file->path().filename().string());
      }
      weights = over_base(weights, *base);
    }
    return std::make_shared<const WholeControl>(weights, precision);
  }
  return nullptr;
}

}  // namespace easel
