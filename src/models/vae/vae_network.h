// What turns pixels into latents and back, whichever network does it.
#pragma once
#include "tensor/aten.h"

namespace easel {

class VaeNetwork {
 public:
  virtual ~VaeNetwork() = default;
  // z [B, C, h, w] in the VAE's scale -> [B, 3, f h, f w], about -1..1. z's dtype is the one computed in.
  virtual Tensor decode(const Tensor& z) const = 0;
  // x [B, 3, H, W] in -1..1, sides multiples of factor() -> [B, C, H/f, W/f]
  virtual Tensor encode(const Tensor& x) const = 0;
  // About the bytes that work on an image of this size takes at its peak, beside the weights.
  virtual int64_t working_bytes(int64_t height, int64_t width, at::ScalarType dtype) const = 0;
  virtual int64_t factor() const = 0;
  virtual int64_t latent_channels() const = 0;
};

}  // namespace easel
