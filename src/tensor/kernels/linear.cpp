#include "tensor/kernels/linear.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include "base/error.h"
#include "tensor/kernels/int8.h"
#include "tensor/kernels/norm.h"
#include "tensor/kernels/profile.h"
#include "tensor/kernels/stock.h"

namespace easel::kernels {

namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;
using OptionalName = std::optional<std::string_view>;

// oneDNN's linear as libtorch registers it; not in its public headers, hence by name.
Tensor onednn_linear(const Tensor& x, const PackedLinear& layer, std::string_view name, OptionalName algorithm) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
                             .typed<Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, std::string_view,
                                           Scalars, OptionalName)>();
  return op.call(x, layer.weight, layer.bias, name, Scalars(), algorithm);
}

Tensor onednn_linear_add(const Tensor& x, const Tensor& residual, const PackedLinear& layer) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("mkldnn::_linear_pointwise", "binary")
          .typed<Tensor(const Tensor&, const Tensor&, const Tensor&, const std::optional<Tensor>&, std::string_view)>();
  return op.call(x, residual, layer.weight, layer.bias, "add");
}

Tensor onednn_pack(const Tensor& weight) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mkldnn::_reorder_linear_weight", "")
                             .typed<Tensor(const Tensor&, std::optional<int64_t>)>();
  return op.call(weight, std::nullopt);
}

void check_input(const char* function, const PackedLinear& layer, const Tensor& x) {
  if (x.dim() < 1 || x.size(-1) != layer.in || x.scalar_type() != layer.dtype) {
    fail("{}: x is {} {}; the weight [{}, {}] {} wants a last dimension of {} and its own dtype", function,
         c10::str(x.sizes()), c10::toString(x.scalar_type()), layer.out, layer.in, c10::toString(layer.dtype),
         layer.in);
  }
}

Timed timer(const char* name, const PackedLinear& layer, const Tensor& x) {
  const int64_t rows = x.numel() / std::max<int64_t>(1, layer.in);
  return Timed(2.0 * rows * layer.in * layer.out,
               [&] { return fmt::format("{} {}x{}x{}", name, rows, layer.in, layer.out); });
}

}  // namespace

Tensor activate(const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::kNone:
      return x;
    case Activation::kSilu:
      return kernels::silu(x);
    case Activation::kGelu:
      return kernels::gelu(x);
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
  }
  return x;
}

bool can_pack(at::ScalarType dtype) {
  if (uses_stock_operators() || !at::globalContext().hasMKLDNN()) return false;
  static const bool has_bf16 = [] {  // asking is the only way to know
    try {
      onednn_pack(at::zeros({16, 16}, at::kBFloat16));
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }();
  return dtype == at::kFloat || (dtype == at::kBFloat16 && has_bf16);
}

PackedLinear pack_linear(const Tensor& weight, const std::optional<Tensor>& bias) {
  if (weight.dim() != 2 || (bias && bias->numel() != weight.size(0))) {
    fail("pack_linear: weight {} and bias {}; wanted [out, in] and [out]", c10::str(weight.sizes()),
         bias ? c10::str(bias->sizes()) : "none");
  }
  PackedLinear layer{.in = weight.size(1), .out = weight.size(0), .dtype = weight.scalar_type()};
  if (bias) layer.bias = bias->to(weight.scalar_type()).contiguous();
  layer.packed = weight.is_cpu() && weight.numel() > 0 && can_pack(layer.dtype);
  layer.weight = layer.packed ? onednn_pack(weight.contiguous()) : weight;
  return layer;
}

Tensor linear(const PackedLinear& layer, const Tensor& x, Activation activation) {
  check_input("linear", layer, x);
  if (layer.packed && x.numel() == 0) {
    auto shape = x.sizes().vec();
    shape.back() = layer.out;
    return at::zeros(shape, x.options());
  }
  if (layer.scales.defined()) return activate(int8_linear(layer, x), activation);
  const Timed timed = timer("linear", layer, x);
  if (!layer.packed) return activate(at::linear(x, layer.weight, layer.bias), activation);
  switch (activation) {
    case Activation::kNone:
      return onednn_linear(x, layer, "none", {});
    case Activation::kSilu:
      return onednn_linear(x, layer, "swish", {});
    case Activation::kGelu:
      return onednn_linear(x, layer, "gelu", "none");
    case Activation::kGeluTanh:
      return onednn_linear(x, layer, "gelu", "tanh");
  }
  fail("linear: unknown activation {}", static_cast<int>(activation));
}

Tensor linear_add(const PackedLinear& layer, const Tensor& x, const Tensor& residual) {
  check_input("linear_add", layer, x);
  if (!layer.packed || x.numel() == 0 || !residual.is_contiguous()) return kernels::linear(layer, x) + residual;
  if (layer.scales.defined()) return int8_linear(layer, x).add_(residual);
  const Timed timed = timer("linear+", layer, x);
  return onednn_linear_add(x, residual, layer);
}

Tensor linear_geglu(const PackedLinear& layer, const Tensor& x) { return kernels::geglu(kernels::linear(layer, x)); }

}  // namespace easel::kernels
