// Normalisations and gates that are bound by memory: one thread team, few passes, float32 inside whatever the dtype.
#pragma once
#include "tensor/aten.h"

namespace easel::kernels {

// Group normalisation over channels-last images (Wu and He 2018), silu on top when asked.
//   x [B, C, H, W] (or [B, C], [B, C, L]) float32 or bfloat16; weight, bias [C] in any float dtype, or undefined
//   offset [B, C] or undefined: added to x first (a residual block's time embedding)
// Returns x's shape and dtype, channels-last when x has four dimensions.
Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps,
                  bool silu = false, const Tensor& offset = {});

// (x - mean) / sqrt(var + eps) * weight + bias over the last dimension; weight, bias [C] or undefined.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps = 1e-5);

// x [..., 2F] split in halves a, g -> a * gelu(g) (exact, by erf): [..., F]
Tensor geglu(const Tensor& x);

Tensor silu(const Tensor& x);
Tensor gelu(const Tensor& x);        // exact, by erf
Tensor quick_gelu(const Tensor& x);  // x * sigmoid(1.702 x): CLIP-L's

}  // namespace easel::kernels
