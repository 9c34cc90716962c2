// Products of 8-bit integers (VNNI, AMX) through oneDNN: approximate, and only where asked for (--cpu-int8). A weight
// is rounded once, with a scale for each output; what it is multiplied with is rounded as it comes, with one scale and
// one zero point a tensor. Sums are exact (32 bits) and come out in the dtype of x.
#pragma once
#include "tensor/kernels/convolution.h"
#include "tensor/kernels/linear.h"

namespace easel::kernels {

// Whether this processor multiplies 8-bit integers faster than bfloat16 and this build of oneDNN knows how.
bool can_pack_int8();

// As pack_linear and pack_convolution; the layers work in linear(), convolution() and kin as the others do. Weights
// that cannot be packed so (groups, empty, other devices) are packed exactly.
PackedLinear pack_linear_int8(const Tensor& weight);
PackedConvolution pack_convolution_int8(const Tensor& weight, const ConvolutionShape& shape = {});

// x W^T + b and the convolution, of layers packed by the above.
Tensor int8_linear(const PackedLinear& layer, const Tensor& x);
Tensor int8_convolution(const PackedConvolution& layer, const Tensor& x);

}  // namespace easel::kernels
