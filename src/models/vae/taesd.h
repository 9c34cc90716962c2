// TAESD (Bohan 2023): a tiny autoencoder that approximates a large one, for previews and for speed.
#pragma once
#include "models/vae/vae_network.h"
#include "nn/linear.h"

namespace easel {

namespace tiny_vae {

// relu(three convolutions + x)
struct Block {
  explicit Block(const Weights& w);
  Tensor operator()(const Tensor& x) const;
  nn::Conv2d conv0, conv2, conv4;
  std::optional<nn::Conv2d> skip;
};

struct Layer {
  std::optional<Block> block;
  std::optional<nn::Conv2d> conv;
  bool doubles = false;    // a nearest-neighbour doubling before it
  bool rectifies = false;  // a ReLU after it
};

std::vector<Layer> layers_of(const Weights& w, bool decoder);

}  // namespace tiny_vae

class Taesd : public VaeNetwork {
 public:
  // w: "taesd_encoder.0.weight"… and "taesd_decoder.1.weight"…, either half may be missing. Latents are those of a VAE
  // whose network sees (z - shift) * scale.
  Taesd(const Weights& w, double scale, double shift);

  Tensor decode(const Tensor& z) const override;
  Tensor encode(const Tensor& x) const override;
  int64_t working_bytes(int64_t height, int64_t width, at::ScalarType dtype) const override;
  int64_t factor() const override { return 8; }
  int64_t latent_channels() const override { return channels_; }

 private:
  std::vector<tiny_vae::Layer> encoder_, decoder_;
  double scale_, shift_;
  int64_t channels_ = 4;
};

}  // namespace easel
