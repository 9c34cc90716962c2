#include "nn/linear.h"

#include <fmt/ranges.h>

#include "base/error.h"
#include "tensor/kernels/int8.h"
#include "tensor/kernels/norm.h"

namespace easel::nn {

namespace {

// A layer whose weight was rounded to 8 bits, to be told from the exact one.
struct Rough {
  kernels::PackedLinear layer;
};

// The two halves of the low-rank patches that stand beside a weight.
template <class Down>
struct Side {
  Down down;
  kernels::PackedLinear up;
};

}  // namespace

Linear::Linear(const Weights& w) : weight(w["weight"]), bias(w.find("bias")) {
  if (weight.dim() < 2) fail("Linear: '{}' is a matrix, [{}] came", weight.name(), fmt::join(weight.sizes(), ", "));
}

kernels::PackedLinear Linear::packed(const Tensor& x) const {
  using Exact = kernels::PackedLinear;
  const Weight bare = weight.unpatched();
  const bool is_rough = weight.in_int8() && x.dim() > 2;  // vectors, such as a time embedding, stay exact
  Exact layer =
      is_rough
          ? bare.packed<Rough>(x, [](const Tensor& w) { return Rough{kernels::pack_linear_int8(w.flatten(1))}; }).layer
          : bare.packed<Exact>(x, [](const Tensor& w) { return kernels::pack_linear(w.flatten(1)); });
  if (bias) layer.bias = bias->like(x);  // not in the pack: a patch may touch one and not the other
  return layer;
}

// y + up (down x), with the factors of the weight's patches.
Tensor Linear::beside(const Tensor& x, const Tensor& y) const {
  using Factors = Side<kernels::PackedLinear>;
  const auto& side = weight.kept<Factors>(x, [&]() -> Factors {
    const auto [up, down] = weight.low_rank_factors();
    return {kernels::pack_linear(down.flatten(1).to(x.options())), kernels::pack_linear(up.to(x.options()))};
  });
  return kernels::linear_add(side.up, kernels::linear(side.down, x), y);
}

Tensor Linear::operator()(const Tensor& x, Activation activation) const {
  if (!weight.has_low_rank_patches()) return kernels::linear(packed(x), x, activation);
  return kernels::activate(beside(x, kernels::linear(packed(x), x)), activation);
}

Tensor Linear::add(const Tensor& x, const Tensor& residual) const {
  const Tensor y = kernels::linear_add(packed(x), x, residual);
  return weight.has_low_rank_patches() ? beside(x, y) : y;
}

Tensor Linear::geglu(const Tensor& x) const {
  return weight.has_low_rank_patches() ? kernels::geglu((*this)(x)) : kernels::linear_geglu(packed(x), x);
}

Tensor Linear::kept(const Tensor& x) const {
  return kept_(x, [&] { return (*this)(x); });
}

Conv2d::Conv2d(const Weights& w, int64_t stride, std::optional<int64_t> padding)
    : weight(w["weight"]), bias(w.find("bias")) {
  if (weight.dim() != 4)
    fail("Conv2d: '{}' is [out, in, h, w], [{}] came", weight.name(), fmt::join(weight.sizes(), ", "));
  shape.stride = {stride, stride};
  shape.padding = {padding.value_or(weight.size(2) / 2), padding.value_or(weight.size(3) / 2)};
}

kernels::PackedConvolution Conv2d::packed(const Tensor& x) const {
  auto layer = weight.unpatched().packed<kernels::PackedConvolution>(x, [this](const Tensor& w) {
    return weight.in_int8() ? kernels::pack_convolution_int8(w, shape)
                            : kernels::pack_convolution(w, std::nullopt, shape);
  });
  layer.stride = shape.stride;  // the pack is shared by all who use the weight, at whatever stride
  layer.padding = shape.padding;
  if (bias) layer.bias = bias->like(x);
  return layer;
}

// As Linear::beside; `down` is a convolution of the same shape, `up` works on each pixel.
Tensor Conv2d::beside(const Tensor& x, const Tensor& y) const {
  using Factors = Side<kernels::PackedConvolution>;
  const auto& side = weight.kept<Factors>(x, [&]() -> Factors {
    const auto [up, down] = weight.low_rank_factors();
    return {kernels::pack_convolution(down.to(x.options()), std::nullopt, shape),
            kernels::pack_linear(up.to(x.options()))};
  });
  const auto pixels = [](const Tensor& image) { return image.permute({0, 2, 3, 1}).contiguous(); };
  return kernels::linear_add(side.up, pixels(kernels::convolution(side.down, x)), pixels(y)).permute({0, 3, 1, 2});
}

Tensor Conv2d::operator()(const Tensor& x, Activation activation) const {
  if (!weight.has_low_rank_patches()) return kernels::convolution(packed(x), x, activation);
  return kernels::activate(beside(x, kernels::convolution(packed(x), x)), activation);
}

Tensor Conv2d::add(const Tensor& x, const Tensor& residual) const {
  const Tensor y = kernels::convolution_add(packed(x), x, residual);
  return weight.has_low_rank_patches() ? beside(x, y) : y;
}

}  // namespace easel::nn
