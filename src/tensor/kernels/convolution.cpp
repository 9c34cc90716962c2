#include "tensor/kernels/convolution.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "tensor/kernels/int8.h"
#include "tensor/kernels/norm.h"
#include "tensor/kernels/profile.h"

namespace easel::kernels {

namespace {

using at::IntArrayRef;
using Scalars = c10::List<std::optional<at::Scalar>>;
using OptionalName = std::optional<std::string_view>;
using OptionalTensor = std::optional<Tensor>;

constexpr int64_t kGrain = 1 << 16;  // bytes below which a second thread costs more than it brings

Tensor onednn_convolution(const PackedConvolution& c, const Tensor& x, std::string_view name, OptionalName algorithm) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("mkldnn::_convolution_pointwise", "")
          .typed<Tensor(const Tensor&, const Tensor&, const OptionalTensor&, IntArrayRef, IntArrayRef, IntArrayRef,
                        int64_t, std::string_view, Scalars, OptionalName)>();
  return op.call(x, c.weight, c.bias, c.padding, c.stride, c.dilation, c.groups, name, Scalars(), algorithm);
}

Tensor onednn_pack(const PackedConvolution& c, const Tensor& weight) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("mkldnn::_reorder_convolution_weight", "")
          .typed<Tensor(const Tensor&, IntArrayRef, IntArrayRef, IntArrayRef, int64_t, at::OptionalIntArrayRef)>();
  return op.call(weight, c.padding, c.stride, c.dilation, c.groups, {});
}

Tensor channels_last(const Tensor& x) { return x.contiguous(at::MemoryFormat::ChannelsLast); }

Tensor plain_convolution(const PackedConvolution& c, const Tensor& x) {
  return channels_last(at::conv2d(x, c.weight, c.bias, c.stride, c.padding, c.dilation, c.groups));
}

PackedLinear over_pixels(const PackedConvolution& c) {
  return {.weight = c.weight, .bias = c.bias, .in = c.in, .out = c.out, .dtype = c.dtype, .packed = true};
}

// Channels-last images as rows of pixels, [B, H, W, C], and back: the same memory.
Tensor pixels(const Tensor& x) { return x.permute({0, 2, 3, 1}).contiguous(); }

Tensor image(const Tensor& rows) { return rows.permute({0, 3, 1, 2}); }

void check_input(const char* function, const PackedConvolution& c, const Tensor& x) {
  if (x.dim() != 4 || x.size(1) != c.in || x.scalar_type() != c.dtype) {
    fail("{}: x is {} {}; the weight wants [B, {}, H, W] {}", function, c10::str(x.sizes()),
         c10::toString(x.scalar_type()), c.in, c10::toString(c.dtype));
  }
}

}  // namespace

PackedConvolution pack_convolution(const Tensor& weight, const std::optional<Tensor>& bias,
                                   const ConvolutionShape& shape) {
  if (weight.dim() != 4 || (bias && bias->numel() != weight.size(0))) {
    fail("pack_convolution: weight {} and bias {}; wanted [out, in/groups, kh, kw] and [out]", c10::str(weight.sizes()),
         bias ? c10::str(bias->sizes()) : "none");
  }
  PackedConvolution c{.in = weight.size(1) * shape.groups,
                      .out = weight.size(0),
                      .kernel = {weight.size(2), weight.size(3)},
                      .stride = shape.stride,
                      .padding = shape.padding,
                      .dilation = shape.dilation,
                      .groups = shape.groups,
                      .dtype = weight.scalar_type()};
  if (bias) c.bias = bias->to(weight.scalar_type()).contiguous();
  c.packed = weight.is_cpu() && weight.numel() > 0 && can_pack(c.dtype);
  c.pointwise = c.packed && weight.size(2) * weight.size(3) == 1 && shape.stride == std::array<int64_t, 2>{1, 1} &&
                shape.padding == std::array<int64_t, 2>{0, 0} && shape.groups == 1;
  if (c.pointwise) {
    c.weight = pack_linear(weight.flatten(1)).weight;
  } else {
    c.weight = c.packed ? onednn_pack(c, weight.contiguous()) : weight;
  }
  return c;
}

Tensor convolution(const PackedConvolution& layer, const Tensor& x, Activation activation) {
  check_input("convolution", layer, x);
  const bool is_silu = activation == Activation::kSilu;
  if (activation != Activation::kNone && !is_silu) fail("convolution: only silu can follow it");
  if (!layer.packed) {
    Tensor out = plain_convolution(layer, x);
    return is_silu ? kernels::silu(out) : out;
  }
  if (layer.scales.defined()) return activate(int8_convolution(layer, x), activation);
  if (layer.pointwise) return image(linear(over_pixels(layer), pixels(x), activation));
  const int64_t outputs = x.size(2) / layer.stride[0] * (x.size(3) / layer.stride[1]);
  const Timed timed(2.0 * x.size(0) * outputs * layer.in * layer.out * layer.kernel[0] * layer.kernel[1], [&] {
    return fmt::format("conv{}x{} {}x{}->{} at {}x{}/{}", layer.kernel[0], layer.kernel[1], x.size(0), layer.in,
                       layer.out, x.size(2), x.size(3), layer.stride[0]);
  });
  return onednn_convolution(layer, channels_last(x), is_silu ? "swish" : "none", {});
}

Tensor convolution_add(const PackedConvolution& layer, const Tensor& x, const Tensor& residual) {
  check_input("convolution_add", layer, x);
  if (layer.pointwise && residual.scalar_type() == x.scalar_type()) {
    return image(linear_add(over_pixels(layer), pixels(x), pixels(residual)));
  }
  // Not oneDNN's fused addition: it chooses a convolution of a third of the speed for it.
  Tensor out = convolution(layer, x);
  const Timed timed(3.0 * out.nbytes(), [&] { return "add " + c10::str(out.sizes()); });
  return out.add_(residual);
}

Tensor upsample_nearest_2x(const Tensor& x) {
  if (x.dim() != 4) fail("upsample_nearest_2x: x {}; wanted [B, C, H, W]", c10::str(x.sizes()));
  const Timed timed(5.0 * x.nbytes(), [&] { return "upsample " + c10::str(x.sizes()); });
  const Tensor in = channels_last(x);
  const int64_t height = x.size(2), width = x.size(3), pixel = x.size(1) * x.element_size();
  Tensor out = at::empty({x.size(0), x.size(1), 2 * height, 2 * width}, x.options(), at::MemoryFormat::ChannelsLast);
  if (!x.is_cpu()) return at::upsample_nearest2d(in, {2 * height, 2 * width});
  const char* from = static_cast<const char*>(in.const_data_ptr());
  char* to = static_cast<char*>(out.data_ptr());
  const int64_t row = width * pixel;
  at::parallel_for(0, x.size(0) * height, std::max<int64_t>(1, kGrain / std::max<int64_t>(row, 1)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t y = begin; y < end; ++y) {
                       char* twice = to + y * 4 * row;
                       for (int64_t p = 0; p < width; ++p) {
                         std::memcpy(twice + 2 * p * pixel, from + y * row + p * pixel, pixel);
                         std::memcpy(twice + (2 * p + 1) * pixel, from + y * row + p * pixel, pixel);
                       }
                       std::memcpy(twice + 2 * row, twice, 2 * row);
                     }
                   });
  return out;
}

Tensor concat_channels(const Tensor& a, const Tensor& b) {
  if (a.dim() != 4 || b.dim() != 4 || a.size(0) != b.size(0) || a.size(2) != b.size(2) || a.size(3) != b.size(3) ||
      a.scalar_type() != b.scalar_type()) {
    fail("concat_channels: {} {} and {} {}; wanted images of one batch, size and dtype", c10::str(a.sizes()),
         c10::toString(a.scalar_type()), c10::str(b.sizes()), c10::toString(b.scalar_type()));
  }
  const Timed timed(2.0 * (a.nbytes() + b.nbytes()),
                    [&] { return "concat " + c10::str(a.sizes()) + c10::str(b.sizes()); });
  if (!a.is_cpu()) return at::cat({channels_last(a), channels_last(b)}, 1);
  const Tensor left = channels_last(a), right = channels_last(b);
  Tensor out =
      at::empty({a.size(0), a.size(1) + b.size(1), a.size(2), a.size(3)}, a.options(), at::MemoryFormat::ChannelsLast);
  const int64_t first = a.size(1) * a.element_size(), second = b.size(1) * b.element_size();
  const char* from = static_cast<const char*>(left.const_data_ptr());
  const char* rest = static_cast<const char*>(right.const_data_ptr());
  char* to = static_cast<char*>(out.data_ptr());
  at::parallel_for(0, a.size(0) * a.size(2) * a.size(3), std::max<int64_t>(1, kGrain / (first + second + 1)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t p = begin; p < end; ++p) {
                       std::memcpy(to + p * (first + second), from + p * first, first);
                       std::memcpy(to + p * (first + second) + first, rest + p * second, second);
                     }
                   });
  return out;
}

}  // namespace easel::kernels
