#include "nn/linear.h"

#include <fmt/ranges.h>

#include "base/error.h"

namespace easel::nn {

Linear::Linear(const Weights& w) : weight(w["weight"]), bias(w.find("bias")) {
  if (weight.dim() < 2) fail("Linear: '{}' is a matrix, [{}] came", weight.name(), fmt::join(weight.sizes(), ", "));
}

kernels::PackedLinear Linear::packed(const Tensor& x) const {
  auto layer =
      weight.packed<kernels::PackedLinear>(x, [](const Tensor& w) { return kernels::pack_linear(w.flatten(1)); });
  if (bias) layer.bias = bias->like(x);  // not in the pack: a patch may touch one and not the other
  return layer;
}

Tensor Linear::operator()(const Tensor& x, Activation activation) const {
  return kernels::linear(packed(x), x, activation);
}

Tensor Linear::add(const Tensor& x, const Tensor& residual) const {
  return kernels::linear_add(packed(x), x, residual);
}

Tensor Linear::geglu(const Tensor& x) const { return kernels::linear_geglu(packed(x), x); }

Conv2d::Conv2d(const Weights& w, int64_t stride, std::optional<int64_t> padding)
    : weight(w["weight"]), bias(w.find("bias")) {
  if (weight.dim() != 4)
    fail("Conv2d: '{}' is [out, in, h, w], [{}] came", weight.name(), fmt::join(weight.sizes(), ", "));
  shape.stride = {stride, stride};
  shape.padding = {padding.value_or(weight.size(2) / 2), padding.value_or(weight.size(3) / 2)};
}

kernels::PackedConvolution Conv2d::packed(const Tensor& x) const {
  auto layer = weight.packed<kernels::PackedConvolution>(
      x, [this](const Tensor& w) { return kernels::pack_convolution(w, std::nullopt, shape); });
  layer.stride = shape.stride;  // the pack is shared by all who use the weight, at whatever stride
  layer.padding = shape.padding;
  if (bias) layer.bias = bias->like(x);
  return layer;
}

Tensor Conv2d::operator()(const Tensor& x, Activation activation) const {
  return kernels::convolution(packed(x), x, activation);
}

Tensor Conv2d::add(const Tensor& x, const Tensor& residual) const {
  return kernels::convolution_add(packed(x), x, residual);
}

}  // namespace easel::nn
