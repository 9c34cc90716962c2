// The autoencoder of latent diffusion (Rombach et al. 2022, §3.1, the KL variant): pixels in -1..1 to a latent of 1/8
// the size and back. Widths and depths are read off its weights.
#pragma once
#include "models/vae/vae_network.h"
#include "nn/linear.h"
#include "nn/norm.h"

namespace easel {

namespace kl {

// x + two convolutions; norms with eps 1e-6, as everywhere in this model.
struct ResBlock {
  explicit ResBlock(const Weights& w);
  Tensor operator()(const Tensor& x) const;

  nn::GroupNorm norm1;
  nn::Conv2d conv1;
  nn::GroupNorm norm2;
  nn::Conv2d conv2;
  std::optional<nn::Conv2d> shortcut;
};

// x + attention of every pixel over all, one head.
struct Attention {
  explicit Attention(const Weights& w);
  Tensor operator()(const Tensor& x) const;

  nn::GroupNorm norm;
  nn::Linear q, k, v, proj_out;
};

struct Middle {
  explicit Middle(const Weights& w) : block_1(w / "block_1"), attn_1(w / "attn_1"), block_2(w / "block_2") {}
  Tensor operator()(const Tensor& x) const { return block_2(attn_1(block_1(x))); }

  ResBlock block_1;
  Attention attn_1;
  ResBlock block_2;
};

struct Level {
  std::vector<ResBlock> blocks;
  std::optional<nn::Conv2d> resample;  // the convolution beside the change of size
};

struct Encoder {
  explicit Encoder(const Weights& w);
  Tensor operator()(Tensor x) const;  // [B, 3, H, W] -> [B, 2 z, H/8, W/8]

  nn::Conv2d conv_in;
  std::vector<Level> down;
  Middle mid;
  nn::GroupNorm norm_out;
  nn::Conv2d conv_out;
};

struct Decoder {
  explicit Decoder(const Weights& w);
  Tensor operator()(Tensor z) const;  // [B, z, h, w] -> [B, 3, 8 h, 8 w]

  nn::Conv2d conv_in;
  Middle mid;
  std::vector<Level> up;  // up[0] is the finest, which comes last
  nn::GroupNorm norm_out;
  nn::Conv2d conv_out;
};

}  // namespace kl

class Autoencoder : public VaeNetwork {
 public:
  // Either half may be missing (a decoder alone is a file people have); using what is not there fails.
  explicit Autoencoder(const Weights& w);

  // z [B, C, h, w] -> [B, 3, f h, f w], about -1..1. x's dtype is the one computed in.
  Tensor decode(const Tensor& z) const override;
  // x [B, 3, H, W] in -1..1, sides multiples of factor() -> the posterior's mean [B, C, H/f, W/f]
  Tensor encode(const Tensor& x) const override;

  // About the bytes that work on an image of this size takes at its peak, beside the weights.
  int64_t working_bytes(int64_t height, int64_t width, at::ScalarType dtype) const override;

  int64_t factor() const override { return factor_; }
  int64_t latent_channels() const override { return latent_channels_; }

 private:
  std::optional<kl::Encoder> encoder_;
  std::optional<kl::Decoder> decoder_;
  std::optional<nn::Conv2d> quant_conv_, post_quant_conv_;
  int64_t factor_ = 8, latent_channels_ = 4;
};

// The name in the layout above of a tensor of a VAE file: itself, or its counterpart where the file is laid out as
// diffusers does ("decoder.up_blocks.0.resnets.1.norm1.weight"). `levels`: of the model.
std::string autoencoder_name(const std::string& file_name, int64_t levels);

}  // namespace easel
