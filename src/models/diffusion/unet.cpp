#include "models/diffusion/unet.h"

#include "base/error.h"
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

Tensor TransformerBlock::operator()(Tensor x, const Tensor& context) const {
  const auto self = norm1(x);
  x = attn1.add(self, self, x);
  x = attn2.add(norm2(x), context, x);
  return ff_out.add(ff_in.geglu(norm3(x)), x);
}

SpatialTransformer::SpatialTransformer(const Weights& w, const UnetConfig& config)
    : norm(w / "norm", kTransformerNormEps), proj_in(w / "proj_in"), proj_out(w / "proj_out") {
  const auto list = w / "transformer_blocks";
  for (int64_t i = 0; i < list.count(); ++i) blocks.emplace_back(list / i, config);
}

Tensor SpatialTransformer::operator()(const Tensor& x, const Tensor& context) const {
  auto h = proj_in(to_sequence(norm(x)));
  for (const auto& block : blocks) h = block(h, context);
  return to_image(proj_out.add(h, to_sequence(x)), x.size(2), x.size(3));
}

Tensor Upsample::operator()(const Tensor& x, int64_t height, int64_t width) const {
  if (height == 2 * x.size(2) && width == 2 * x.size(3)) return conv(kernels::upsample_nearest_2x(x));
  return conv(at::upsample_nearest2d(x, {height, width}));
}

// A block is a list of layers numbered 0, 1, …; which layer it is shows in the names of its weights.
Unet::Block Unet::make_block(const Weights& w, const UnetConfig& config) {
  Block block;
  for (int64_t i = 0; i < w.count(); ++i) {
    const auto layer = w / i;
    if (layer.any("in_layers")) {
      block.emplace_back(ResBlock(layer));
    } else if (layer.any("transformer_blocks")) {
      block.emplace_back(SpatialTransformer(layer, config));
    } else if (layer.any("op")) {
      block.emplace_back(Downsample(layer));
    } else if (layer.any("conv")) {
      block.emplace_back(Upsample(layer));
    } else {
      block.emplace_back(nn::Conv2d(layer));
    }
  }
  return block;
}

Unet::Unet(const Weights& w, const UnetConfig& config)
    : time_in_(w / "time_embed" / 0),
      time_out_(w / "time_embed" / 2),
      label_in_(label_of(w, "0")),
      label_out_(label_of(w, "2")),
      middle_block_(make_block(w / "middle_block", config)),
      out_norm_(w / "out" / 0),
      out_conv_(w / "out" / 2) {
  for (int64_t i = 0; i < (w / "input_blocks").count(); ++i) {
    input_blocks_.push_back(make_block(w / "input_blocks" / i, config));
  }
  for (int64_t i = 0; i < (w / "output_blocks").count(); ++i) {
    output_blocks_.push_back(make_block(w / "output_blocks" / i, config));
  }
  if (input_blocks_.empty() || input_blocks_.size() != output_blocks_.size()) {
    fail(
        "Unet: '{}' has {} input blocks and {} output blocks, as many of each were wanted; perhaps the file is cut "
        "short",
        w.origin(), input_blocks_.size(), output_blocks_.size());
  }
  in_channels_ = (w / "input_blocks" / 0 / 0)["weight"].size(1);
  model_width_ = time_in_.in();
  for (const auto& layer : middle_block_) {
    if (auto* transformer = std::get_if<SpatialTransformer>(&layer)) {
      context_width_ = transformer->blocks.at(0).attn2.to_k.in();
    }
  }
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
  if (label_in_ && !in.y.defined()) fail("Unet: the model takes a vector of {} numbers, none came", label_in_->in());
}

Tensor Unet::run(const Block& block, Tensor x, const Tensor& silu_emb, const Tensor& context,
                 at::IntArrayRef next) const {
  for (const auto& layer : block) {
    if (auto* res = std::get_if<ResBlock>(&layer)) {
      x = (*res)(x, silu_emb);
    } else if (auto* transformer = std::get_if<SpatialTransformer>(&layer)) {
      x = (*transformer)(x, context);
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

Tensor Unet::operator()(const NetInput& in, at::ScalarType dtype) const {
  check(in);
  auto x = in.concat.defined() ? at::cat({in.x, in.concat}, 1) : in.x;
  x = x.to(dtype).contiguous(at::MemoryFormat::ChannelsLast);
  const auto context = contexts_.cast(in.context, dtype);

  auto emb = nn::timestep_embedding(in.timestep, model_width_).to(dtype);
  emb = time_out_(time_in_(emb, nn::Activation::kSilu));
  if (label_in_) emb = emb + (*label_out_)((*label_in_)(in.y.to(dtype), nn::Activation::kSilu));
  const auto silu_emb = kernels::silu(emb);  // every residual block begins with it

  std::vector<Tensor> skips;
  for (const auto& block : input_blocks_) skips.push_back(x = run(block, x, silu_emb, context, {}));
  x = run(middle_block_, x, silu_emb, context, {});
  for (const auto& block : output_blocks_) {
    x = kernels::concat_channels(x, skips.back());
    skips.pop_back();
    x = run(block, x, silu_emb, context, skips.empty() ? at::IntArrayRef() : skips.back().sizes());
  }
  return out_conv_(out_norm_.silu(x)).to(at::kFloat).contiguous();
}

}  // namespace easel
