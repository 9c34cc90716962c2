// Matrix products with weights laid out once for the processor (oneDNN), with what follows them fused.
#pragma once
#include "tensor/aten.h"

namespace easel::kernels {

enum class Activation { kNone, kSilu, kGelu, kGeluTanh };
Tensor activate(const Tensor& x, Activation activation);

// A weight ready to be multiplied. It holds no reference to the tensor it was made of, except on other devices than the
// CPU and for dtypes that oneDNN does not take, where `weight` is that tensor. Cheap to copy (shares its storage).
struct PackedLinear {
  Tensor weight;               // opaque when `packed`
  std::optional<Tensor> bias;  // [out]
  Tensor scales, zeros;        // of weights in 8 bits (kernels/int8.h), [out] each; else undefined
  int64_t in = 0, out = 0;
  at::ScalarType dtype = at::kFloat;
  bool packed = false;
};

// Whether oneDNN packs weights of this dtype on this processor: float32, and bfloat16 from AVX-512 on.
bool can_pack(at::ScalarType dtype);

// weight [out, in], bias [out]; packed on the CPU where can_pack() says so. x given to linear() has the weight's dtype.
PackedLinear pack_linear(const Tensor& weight, const std::optional<Tensor>& bias = {});

// activation(x W^T + b): x [..., in] -> [..., out]. Any strides; an x with a dense last dimension is not copied.
Tensor linear(const PackedLinear& layer, const Tensor& x, Activation activation = Activation::kNone);

// x W^T + b + residual, residual [..., out] (contiguous, dtype of x): one pass over the output.
Tensor linear_add(const PackedLinear& layer, const Tensor& x, const Tensor& residual);

// GEGLU (Shazeer 2020) on one projection of 2*F outputs: (x W^T + b) split in halves a, g -> a * gelu(g), exact gelu.
// x [..., in] -> [..., out / 2]
Tensor linear_geglu(const PackedLinear& layer, const Tensor& x);

}  // namespace easel::kernels
