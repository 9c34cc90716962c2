#include "models/diffusion/unet.h"

#include <fmt/ranges.h>

#include "base/error.h"
#include "base/log.h"
#include "tensor/kernels/attention.h"
#include "tensor/kernels/norm.h"

namespace easel {

namespace {

constexpr double kTransformerNormEps = 1e-6;  // the residual blocks' norms use 1e-5

std::optional<nn::Conv2d> skip_of(const Weights& w) {
  if (w.any("skip_connection")) return nn::Conv2d(w / "skip_connection");
  return std::nullopt;
}

std::optional<nn::Linear> label_of(const Weights& w, const char* name) {
  if (w.any("label_emb")) return nn::Linear(w / "label_emb" / 0 / name);
  return std::nullopt;
}

// [B, C, H, W] channels-last -> [B, H*W, C], the same memory.
Tensor to_sequence(const Tensor& x) { return x.permute({0, 2, 3, 1}).reshape({x.size(0), -1, x.size(1)}); }

Tensor to_image(const Tensor& x, int64_t height, int64_t width) {
  return x.view({x.size(0), height, width, -1}).permute({0, 3, 1, 2});
}

}  // namespace

ResBlock::ResBlock(const Weights& w)
    : in_norm(w / "in_layers" / 0),
      in_conv(w / "in_layers" / 2),
      emb(w / "emb_layers" / 1),
      out_norm(w / "out_layers" / 0),
      out_conv(w / "out_layers" / 3),
      skip(skip_of(w)) {}

Tensor ResBlock::operator()(const Tensor& x, const Tensor& silu_emb) const {
  const auto h = in_conv(in_norm.silu(x));
  return out_conv.add(out_norm.silu(h, emb(silu_emb)), skip ? (*skip)(x) : x);
}

CrossAttention::CrossAttention(const Weights& w, const UnetConfig& config)
    : to_q(w / "to_q"), to_k(w / "to_k"), to_v(w / "to_v"), to_out(w / "to_out" / 0) {
  heads = config.head_width ? to_q.out() / config.head_width : config.heads;
}

Tensor CrossAttention::add(const Tensor& x, const Tensor& context, const Tensor& residual) const {
  const bool is_self = context.is_same(x);
  const auto k = is_self ? to_k(x) : to_k.kept(context), v = is_self ? to_v(x) : to_v.kept(context);
  return to_out.add(kernels::attention(to_q(x), k, v, heads), residual);
}

TransformerBlock::TransformerBlock(const Weights& w, const UnetConfig& config)
    : norm1(w / "norm1"),
      norm2(w / "norm2"),
      norm3(w / "norm3"),
      attn1(w / "attn1", config),
      attn2(w / "attn2", config),
      ff_in(w / "ff" / "net" / 0 / "proj"),
      ff_out(w / "ff" / "net" / 2) {}

Tensor TransformerBlock::operator()(Tensor x, UnetCall& call) const {
  const auto self = norm1(x);
  x = attn1.add(self, self, x);
  if (call.in.between_attentions) x = call.in.between_attentions(x, call.attended);
  ++call.attended;
  x = attn2.add(norm2(x), call.context, x);
  return ff_out.add(ff_in.geglu(norm3(x)), x);
}

SpatialTransformer::SpatialTransformer(const Weights& w, const UnetConfig& config)
    : norm(w / "norm", kTransformerNormEps), proj_in(w / "proj_in"), proj_out(w / "proj_out") {
  const auto list = w / "transformer_blocks";
  for (int64_t i = 0; i < list.count(); ++i) blocks.emplace_back(list / i, config);
}

Tensor SpatialTransformer::operator()(const Tensor& x, UnetCall& call) const {
  auto h = proj_in(to_sequence(norm(x)));
  for (const auto& block : blocks) h = block(h, call);
  return to_image(proj_out.add(h, to_sequence(x)), x.size(2), x.size(3));
}

Tensor Upsample::operator()(const Tensor& x, int64_t height, int64_t width) const {
  if (height == 2 * x.size(2) && width == 2 * x.size(3)) return conv(kernels::upsample_nearest_2x(x));
  return conv(at::upsample_nearest2d(x, {height, width}));
}

UnetBlock::UnetBlock(const Weights& w, const UnetConfig& config) {
  for (int64_t i = 0; i < w.count(); ++i) {
    const auto layer = w / i;
    if (layer.any("in_layers")) {
      layers.emplace_back(ResBlock(layer));
    } else if (layer.any("transformer_blocks")) {
      layers.emplace_back(SpatialTransformer(layer, config));
    } else if (layer.any("op")) {
      layers.emplace_back(Downsample(layer));
    } else if (layer.any("conv")) {
      layers.emplace_back(Upsample(layer));
    } else {
      layers.emplace_back(nn::Conv2d(layer));
    }
  }
}

Tensor UnetBlock::operator()(Tensor x, UnetCall& call, at::IntArrayRef next) const {
  for (const auto& layer : layers) {
    if (auto* res = std::get_if<ResBlock>(&layer)) {
      x = (*res)(x, call.silu_emb);
    } else if (auto* transformer = std::get_if<SpatialTransformer>(&layer)) {
      x = (*transformer)(x, call);
    } else if (auto* down = std::get_if<Downsample>(&layer)) {
      x = (*down)(x);
    } else if (auto* up = std::get_if<Upsample>(&layer)) {
      x = next.empty() ? (*up)(x, 2 * x.size(2), 2 * x.size(3)) : (*up)(x, next[2], next[3]);
    } else {
      x = std::get<nn::Conv2d>(layer)(x);
    }
  }
  return x;
}

int64_t UnetBlock::context_width() const {
  for (const auto& layer : layers) {
    auto* transformer = std::get_if<SpatialTransformer>(&layer);
    if (transformer && !transformer->blocks.empty()) return transformer->blocks[0].attn2.to_k.in();
  }
  return 0;
}

UnetConfig unet_config(const Weights& w) {
  for (const auto& name : w.names()) {
    if (name.ends_with(".1.proj_in.weight") && w[name].dim() == 4) return {.heads = 8};
  }
  return {.head_width = 64};
}

std::vector<UnetBlock> unet_blocks(const Weights& w, const UnetConfig& config) {
  std::vector<UnetBlock> blocks;
  for (int64_t i = 0; i < w.count(); ++i) blocks.emplace_back(w / i, config);
  return blocks;
}

UnetEmbedding::UnetEmbedding(const Weights& w)
    : time_in(w / "time_embed" / 0),
      time_out(w / "time_embed" / 2),
      label_in(label_of(w, "0")),
      label_out(label_of(w, "2")) {}

Tensor UnetEmbedding::operator()(const NetInput& in, at::ScalarType dtype) const {
  auto emb = time_out(time_in(nn::timestep_embedding(in.timestep, time_in.in()).to(dtype), nn::Activation::kSilu));
  if (!label_in) return emb;
  if (!in.y.defined() || in.y.size(-1) != label_in->in()) {
    fail("Unet: the model takes a vector of {} numbers beside the text, {} came; perhaps the text encoder is another's",
         label_in->in(), in.y.defined() ? in.y.size(-1) : 0);
  }
  return emb + (*label_out)((*label_in)(in.y.to(dtype), nn::Activation::kSilu));
}

Unet::Unet(const Weights& w, const UnetConfig& config)
    : embedding_(w),
      input_blocks_(unet_blocks(w / "input_blocks", config)),
      output_blocks_(unet_blocks(w / "output_blocks", config)),
      middle_block_(w / "middle_block", config),
      out_norm_(w / "out" / 0),
      out_conv_(w / "out" / 2) {
  if (input_blocks_.empty() || input_blocks_.size() != output_blocks_.size()) {
    fail(
        "Unet: '{}' has {} input blocks and {} output blocks, as many of each were wanted; perhaps the file is cut "
        "short",
        w.origin(), input_blocks_.size(), output_blocks_.size());
  }
  in_channels_ = (w / "input_blocks" / 0 / 0)["weight"].size(1);
  for (const auto& block : input_blocks_) context_width_ = std::max(context_width_, block.context_width());
}

void Unet::check(const NetInput& in) const {
  const int64_t channels = in.x.size(1) + (in.concat.defined() ? in.concat.size(1) : 0);
  if (channels != in_channels_) {
    fail(
        "Unet: the model takes {} channels, {} came; perhaps it is an inpainting or editing model that wants its own "
        "conditioning node, or the latent belongs to another family",
        in_channels_, channels);
  }
  if (!in.context.defined() || in.context.size(-1) != context_width_) {
    fail("Unet: the model takes text vectors of width {}, {} came; perhaps the text encoder belongs to another model",
         context_width_, in.context.defined() ? in.context.size(-1) : 0);
  }
}

namespace {

// x with the residual at that place added; one of another shape belongs to another family and is left out, as in
// ComfyUI.
Tensor with_residual(const Tensor& x, const std::vector<Tensor>& residuals, size_t i) {
  if (i >= residuals.size() || !residuals[i].defined()) return x;
  const auto& residual = residuals[i];
  if (residual.dim() != 4 || residual.size(1) != x.size(1) || residual.size(2) != x.size(2) ||
      residual.size(3) != x.size(3)) {
    log::warn("a control network of another family gives [{}] where [{}] is wanted, and is left out",
              fmt::join(residual.sizes(), ", "), fmt::join(x.sizes(), ", "));
    return x;
  }
  return x + residual.to(x.scalar_type());
}

}  // namespace

Tensor Unet::operator()(const NetInput& in, at::ScalarType dtype) const {
  check(in);
  static const Residuals none;
  const auto& residuals = in.residuals ? *in.residuals : none;
  auto x = in.concat.defined() ? at::cat({in.x, in.concat}, 1) : in.x;
  x = x.to(dtype).contiguous(at::MemoryFormat::ChannelsLast);
  UnetCall call{
      .in = in, .context = contexts_.cast(in.context, dtype), .silu_emb = kernels::silu(embedding_(in, dtype))};

  std::vector<Tensor> skips;
  for (size_t i = 0; i < input_blocks_.size(); ++i) {
    skips.push_back(x = with_residual(input_blocks_[i](x, call), residuals.input, i));
  }
  x = with_residual(middle_block_(x, call), residuals.middle, 0);
  for (const auto& block : output_blocks_) {
    x = kernels::concat_channels(x, with_residual(skips.back(), residuals.skips, skips.size() - 1));
    skips.pop_back();
    x = block(x, call, skips.empty() ? at::IntArrayRef() : skips.back().sizes());
  }
  return out_conv_(out_norm_.silu(x)).to(at::kFloat).contiguous();
}

}  // namespace easel
