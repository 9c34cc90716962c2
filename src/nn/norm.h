// Normalisations; statistics in float32 whatever the dtype of x, which the result keeps.
#pragma once
#include "tensor/weights.h"

namespace easel::nn {

// Over groups of channels (Wu & He 2018): x [B, C, H, W], channels-last result.
struct GroupNorm {
  explicit GroupNorm(const Weights& w, double eps = 1e-5, int64_t groups = 32);

  Tensor operator()(const Tensor& x) const;
  // silu(norm(x + offset)); offset [B, C] or undefined.
  Tensor silu(const Tensor& x, const Tensor& offset = {}) const;

  Weight weight, bias;
  double eps;
  int64_t groups;
};

// Over the last dimension: x [..., C].
struct LayerNorm {
  explicit LayerNorm(const Weights& w, double eps = 1e-5);

  Tensor operator()(const Tensor& x) const;

  Weight weight, bias;
  double eps;
};

}  // namespace easel::nn
