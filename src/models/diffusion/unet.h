// The U-Net of Stable Diffusion 1.x, 2.x and XL (Rombach et al. 2022, "High-Resolution Image Synthesis with Latent
// Diffusion Models"; Podell et al. 2023, "SDXL"; the block layout is OpenAI's guided diffusion). Its shape is read off
// its weights: widths, depths, which levels attend, whether a vector goes in beside the time.
#pragma once
#include <variant>

#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "sampling/network.h"

namespace easel {

struct UnetConfig {
  int64_t heads = 8;       // of every attention, unless head_width is given
  int64_t head_width = 0;  // heads = width / head_width (SD2, SDXL)
};

// x + f(x, emb): two convolutions, the time embedding added between them.
struct ResBlock {
  explicit ResBlock(const Weights& w);
  // x [B, C, H, W]   silu_emb [B, E]
  Tensor operator()(const Tensor& x, const Tensor& silu_emb) const;

  nn::GroupNorm in_norm;
  nn::Conv2d in_conv;
  nn::Linear emb;
  nn::GroupNorm out_norm;
  nn::Conv2d out_conv;
  std::optional<nn::Conv2d> skip;
};

struct CrossAttention {
  CrossAttention(const Weights& w, const UnetConfig& config);
  // residual + attention of x [B, L, C] over context [B, T, D], or over x itself. What is made of a context is
  // remembered while it lives.
  Tensor add(const Tensor& x, const Tensor& context, const Tensor& residual) const;

  nn::Linear to_q, to_k, to_v, to_out;
  int64_t heads;
};

// What all blocks of one call of the network share.
struct UnetCall {
  const NetInput& in;
  Tensor context;        // [B, T, D] in the dtype of the call
  Tensor silu_emb;       // [B, E], every residual block begins with it
  int64_t attended = 0;  // transformer blocks so far
};

struct TransformerBlock {
  TransformerBlock(const Weights& w, const UnetConfig& config);
  Tensor operator()(Tensor x, UnetCall& call) const;  // x [B, L, C]

  nn::LayerNorm norm1, norm2, norm3;
  CrossAttention attn1, attn2;  // over the image, over the text
  nn::Linear ff_in, ff_out;
};

// An image as a sequence of its pixels, through transformer blocks, added back.
struct SpatialTransformer {
  SpatialTransformer(const Weights& w, const UnetConfig& config);
  Tensor operator()(const Tensor& x, UnetCall& call) const;

  nn::GroupNorm norm;
  nn::Linear proj_in, proj_out;
  std::vector<TransformerBlock> blocks;
};

struct Downsample {
  explicit Downsample(const Weights& w) : conv(w / "op", 2, 1) {}
  Tensor operator()(const Tensor& x) const { return conv(x); }
  nn::Conv2d conv;
};

struct Upsample {
  explicit Upsample(const Weights& w) : conv(w / "conv") {}
  // To height × width: the skip connection's size, which odd latents make other than double.
  Tensor operator()(const Tensor& x, int64_t height, int64_t width) const;
  nn::Conv2d conv;
};

// A list of layers numbered 0, 1, …; which layer each is shows in the names of its weights.
struct UnetBlock {
  UnetBlock(const Weights& w, const UnetConfig& config);
  // next: the size an upsampling layer goes to; empty: double
  Tensor operator()(Tensor x, UnetCall& call, at::IntArrayRef next = {}) const;
  int64_t context_width() const;  // 0 where the block does not attend to text

  using Layer = std::variant<nn::Conv2d, ResBlock, SpatialTransformer, Downsample, Upsample>;
  std::vector<Layer> layers;
};

// Timesteps and the label vector, where the model takes one, to the embedding that residual blocks read.
struct UnetEmbedding {
  explicit UnetEmbedding(const Weights& w);
  Tensor operator()(const NetInput& in, at::ScalarType dtype) const;  // [B, E]

  nn::Linear time_in, time_out;
  std::optional<nn::Linear> label_in, label_out;
};

// SD1 splits attention into 8 heads, the later ones, told by their projections, into heads 64 wide. w: a U-Net or a
// part.
UnetConfig unet_config(const Weights& w);

// The blocks numbered 0, 1, … below w.
std::vector<UnetBlock> unet_blocks(const Weights& w, const UnetConfig& config);

class Unet {
 public:
  Unet(const Weights& w, const UnetConfig& config);

  // x [B, C, H, W] in any float dtype, timesteps [B], context [B, T, D], y [B, A] where the model has a label embedding
  // -> [B, out, H, W] float32. Computed in `dtype`.
  Tensor operator()(const NetInput& in, at::ScalarType dtype) const;

  int64_t in_channels() const { return in_channels_; }
  int64_t context_width() const { return context_width_; }

 private:
  void check(const NetInput& in) const;

  int64_t in_channels_ = 0, context_width_ = 0;
  nn::Kept contexts_;
  UnetEmbedding embedding_;
  std::vector<UnetBlock> input_blocks_, output_blocks_;
  UnetBlock middle_block_;  // without layers in some distilled models
  nn::GroupNorm out_norm_;
  nn::Conv2d out_conv_;
};

}  // namespace easel
