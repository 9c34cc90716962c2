// 2-d convolutions over channels-last images with weights laid out once for the processor (oneDNN).
#pragma once
#include "tensor/kernels/linear.h"

namespace easel::kernels {

struct PackedConvolution {
  Tensor weight;               // opaque when `packed`
  std::optional<Tensor> bias;  // [out]
  Tensor scales, zeros;        // of weights in 8 bits (kernels/int8.h), [out] each; else undefined
  int64_t in = 0, out = 0;
  std::array<int64_t, 2> kernel{1, 1}, stride{1, 1}, padding{0, 0}, dilation{1, 1};
  int64_t groups = 1;
  at::ScalarType dtype = at::kFloat;
  bool packed = false;
  bool pointwise = false;  // 1x1: packed as the linear layer over pixels that it is
};

struct ConvolutionShape {
  std::array<int64_t, 2> stride{1, 1}, padding{0, 0}, dilation{1, 1};
  int64_t groups = 1;
};

// weight [out, in/groups, kh, kw], bias [out]; float32 or bfloat16 on the CPU is packed, else kept as it is.
PackedConvolution pack_convolution(const Tensor& weight, const std::optional<Tensor>& bias,
                                   const ConvolutionShape& = {});

// activation(conv(x) + b): x [B, in, H, W] -> [B, out, H', W'] channels-last. x in any layout; channels-last is not
// copied.
Tensor convolution(const PackedConvolution& layer, const Tensor& x, Activation activation = Activation::kNone);

// conv(x) + b + residual; residual [B, out, H', W'] in the dtype of x.
Tensor convolution_add(const PackedConvolution& layer, const Tensor& x, const Tensor& residual);

// Nearest-neighbour doubling of both sides: [B, C, H, W] -> [B, C, 2H, 2W] channels-last.
Tensor upsample_nearest_2x(const Tensor& x);

// The channels of a, then those of b, channels-last: [B, C1, H, W], [B, C2, H, W] -> [B, C1 + C2, H, W].
Tensor concat_channels(const Tensor& a, const Tensor& b);

}  // namespace easel::kernels
