// How a family of models keeps its latents: the scale between what the VAE gives and what the network sees, and the
// linear map from a latent to a rough RGB preview.
#pragma once
#include "tensor/aten.h"

namespace easel {

struct LatentFormat {
  std::string name;
  int64_t channels = 4;
  double scale = 1, shift = 0;
  std::vector<double> mean, deviation;           // by channel, in place of shift; empty: none
  std::vector<std::vector<double>> rgb_factors;  // [channels][3]
  std::vector<double> rgb_bias;                  // [3] or empty
  std::string taesd;                             // the small decoder's file stem for previews, e.g. "taesd_decoder"

  Tensor to_network(const Tensor& latent) const;    // [B, C, ...] as the VAE gives it -> as the network sees it
  Tensor from_network(const Tensor& latent) const;  // and back
};

extern const LatentFormat kSd15Latent, kSdxlLatent, kPlaygroundLatent, kSd3Latent, kFluxLatent;

// A rough picture of latents as the network sees them: [B, C, h, w] -> [B, h, w, 3] uint8.
Tensor preview_rgb(const LatentFormat& format, const Tensor& latent);

}  // namespace easel
