#include "tensor/kernels/int8.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "tensor/kernels/profile.h"
#include "tensor/kernels/simd.h"

namespace easel::kernels {

namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;
using Ints = c10::List<int64_t>;
using OptionalTensor = std::optional<Tensor>;
using OptionalType = std::optional<at::ScalarType>;

constexpr int64_t kGrain = 1 << 16;

Ints ints(const std::array<int64_t, 2>& pair) { return Ints({pair[0], pair[1]}); }

// The operators as libtorch registers them; not in its public headers, hence by name.
Tensor prepack_linear(const Tensor& weight) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("onednn::qlinear_prepack", "")
                             .typed<Tensor(Tensor, std::optional<Ints>)>();
  return op.call(weight, std::nullopt);
}

Tensor call_linear(const Tensor& x, double scale, int64_t zero, const PackedLinear& layer, const OptionalTensor& bias,
                   at::ScalarType dtype) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("onednn::qlinear_pointwise", "")
                             .typed<Tensor(Tensor, double, int64_t, Tensor, Tensor, Tensor, OptionalTensor, double,
                                           int64_t, OptionalType, std::string_view, Scalars, std::string_view)>();
  return op.call(x, scale, zero, layer.weight, layer.scales, layer.zeros, bias, 1.0, 0, dtype, "none", Scalars(), "");
}

Tensor prepack_convolution(const Tensor& weight, const Tensor& scales, const ConvolutionShape& s) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("onednn::qconv_prepack", "")
          .typed<Tensor(Tensor, Tensor, double, int64_t, Ints, Ints, Ints, int64_t, std::optional<Ints>)>();
  return op.call(weight, scales, 1.0, 1, ints(s.stride), ints(s.padding), ints(s.dilation), s.groups, std::nullopt);
}

Tensor call_convolution(const Tensor& x, double scale, int64_t zero, const PackedConvolution& c,
                        const OptionalTensor& bias, at::ScalarType dtype) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("onednn::qconv_pointwise", "")
          .typed<Tensor(Tensor, double, int64_t, Tensor, Tensor, Tensor, OptionalTensor, Ints, Ints, Ints, int64_t,
                        double, int64_t, OptionalType, std::string_view, Scalars, std::optional<std::string_view>)>();
  return op.call(x, scale, zero, c.weight, c.scales, c.zeros, bias, ints(c.stride), ints(c.padding), ints(c.dilation),
                 c.groups, 1.0, 0, dtype, "none", Scalars(), std::nullopt);
}

struct Rounded {
  Tensor values;  // unsigned bytes, laid out as x is
  double scale = 1;
  int64_t zero = 0;
};

// x in 256 levels between its least and its greatest value, 0 among them. x is dense.
template <class T>
Rounded round_to_bytes(const Tensor& x) {
  const T* const from = reinterpret_cast<const T*>(x.const_data_ptr());
  std::mutex mutex;
  float low = 0, high = 0;
  at::parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
    float least = 0, greatest = 0;
    loops<T>().range(from + begin, end - begin, &least, &greatest);
    const std::lock_guard lock(mutex);
    low = std::min(low, least);
    high = std::max(high, greatest);
  });
  Rounded out{.values = at::empty_like(x, x.options().dtype(at::kByte))};
  out.scale = std::isfinite(high - low) && high > low ? (high - low) / 255.0 : 1.0;
  out.zero = std::lround(-low / out.scale);
  uint8_t* const to = out.values.data_ptr<uint8_t>();
  at::parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
    loops<T>().to_bytes(from + begin, end - begin, static_cast<float>(1 / out.scale), static_cast<float>(out.zero),
                        to + begin);
  });
  return out;
}

Rounded round_to_bytes(const Tensor& x) {
  const Timed timed(3.0 * x.numel() * x.element_size(), [&] { return "round " + c10::str(x.sizes()); });
  return x.scalar_type() == at::kFloat ? round_to_bytes<float>(x) : round_to_bytes<Bf16>(x);
}

struct RoundedWeight {
  Tensor values, scales;
};

RoundedWeight round_weight(const Tensor& weight) {
  const Tensor rows = weight.to(at::kFloat).flatten(1);
  const Tensor scales = (rows.abs().amax(1) / 127).clamp_min(1e-30);
  return {(rows / scales.unsqueeze(1)).round().to(at::kChar).view(weight.sizes()).contiguous(), scales};
}

OptionalTensor float_bias(const OptionalTensor& bias) {
  return bias ? OptionalTensor(bias->to(at::kFloat)) : std::nullopt;
}

bool is_packable(const Tensor& weight) {
  const auto dtype = weight.scalar_type();
  return weight.is_cpu() && weight.numel() > 0 && (dtype == at::kFloat || dtype == at::kBFloat16) && can_pack_int8();
}

// Without VNNI oneDNN adds pairs of products in 16 bits, where the largest overflow.
bool sums_are_exact() {
  constexpr int64_t kIn = 64, kOut = 16;
  constexpr double kLargest = 127.0 * 255.0 * kIn;
  PackedLinear layer{.in = kIn, .out = kOut, .dtype = at::kFloat, .packed = true};
  layer.weight = prepack_linear(at::full({kOut, kIn}, 127, at::kChar));
  layer.scales = at::ones({kOut});
  layer.zeros = at::zeros({kOut}, at::kLong);
  return call_linear(at::full({kOut, kIn}, 255, at::kByte), 1.0, 0, layer, std::nullopt, at::kFloat)
      .eq(kLargest)
      .all()
      .item<bool>();
}

}  // namespace

bool can_pack_int8() {
  static const bool has = [] {  // trying is the only way to know
    if (!at::globalContext().hasMKLDNN() || !simd_avx512()) return false;
    try {
      return sums_are_exact();
    } catch (const std::exception&) {
      return false;
    }
  }();
  return has;
}

PackedLinear pack_linear_int8(const Tensor& weight) {
  if (weight.dim() != 2 || !is_packable(weight)) return pack_linear(weight);
  const auto [values, scales] = round_weight(weight);
  PackedLinear layer{.in = weight.size(1), .out = weight.size(0), .dtype = weight.scalar_type(), .packed = true};
  layer.weight = prepack_linear(values);
  layer.scales = scales;
  layer.zeros = at::zeros({layer.out}, at::kLong);
  return layer;
}

PackedConvolution pack_convolution_int8(const Tensor& weight, const ConvolutionShape& shape) {
  if (weight.dim() != 4 || shape.groups != 1 || !is_packable(weight)) {
    return pack_convolution(weight, std::nullopt, shape);
  }
  const auto [values, scales] = round_weight(weight);
  PackedConvolution c{.in = weight.size(1),
                      .out = weight.size(0),
                      .kernel = {weight.size(2), weight.size(3)},
                      .stride = shape.stride,
                      .padding = shape.padding,
                      .dilation = shape.dilation,
                      .dtype = weight.scalar_type(),
                      .packed = true};
  c.weight = prepack_convolution(values, scales, shape);
  c.scales = scales;
  c.zeros = at::zeros({c.out}, at::kLong);
  return c;
}

Tensor int8_linear(const PackedLinear& layer, const Tensor& x) {
  const auto in = round_to_bytes(x.contiguous());
  auto shape = x.sizes().vec();
  shape.back() = layer.out;
  const int64_t rows = x.numel() / layer.in;
  const Timed timed(2.0 * rows * layer.in * layer.out,
                    [&] { return fmt::format("linear int8 {}x{}x{}", rows, layer.in, layer.out); });
  return call_linear(in.values.view({rows, layer.in}), in.scale, in.zero, layer, float_bias(layer.bias), layer.dtype)
      .view(shape);
}

Tensor int8_convolution(const PackedConvolution& c, const Tensor& x) {
  const auto in = round_to_bytes(x.contiguous(at::MemoryFormat::ChannelsLast));
  const Timed timed(2.0 * x.numel() * c.out * c.kernel[0] * c.kernel[1] / (c.stride[0] * c.stride[1]), [&] {
    return fmt::format("conv int8 {}x{} {}x{}->{} at {}x{}/{}", c.kernel[0], c.kernel[1], x.size(0), c.in, c.out,
                       x.size(2), x.size(3), c.stride[0]);
  });
  return call_convolution(in.values, in.scale, in.zero, c, float_bias(c.bias), c.dtype);
}

}  // namespace easel::kernels
