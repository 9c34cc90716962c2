#include "tensor/kernels/norm.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "tensor/kernels/profile.h"
#include "tensor/kernels/simd.h"
#include "tensor/kernels/stock.h"

namespace easel::kernels {

namespace {

constexpr int64_t kGrain = 16384;  // elements below which a second thread costs more than it brings

bool has_loops(const Tensor& x) {
  return !uses_stock_operators() && x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16) &&
         x.numel() > 0;
}

// f(loops, pointer to x, pointer to y) with the loops of their dtype.
template <class F>
void with_loops(const Tensor& x, const Tensor& y, F f) {
  if (x.scalar_type() == at::kFloat) {
    f(loops<float>(), x.const_data_ptr<float>(), y.data_ptr<float>());
  } else {
    f(loops<Bf16>(), reinterpret_cast<const Bf16*>(x.const_data_ptr()), reinterpret_cast<Bf16*>(y.data_ptr()));
  }
}

Tensor floats(const Tensor& x, int64_t n, float otherwise) {
  return x.defined() ? x.to(at::kFloat).contiguous() : at::full({n}, otherwise, at::kFloat);
}

std::optional<Tensor> optional(const Tensor& x, at::ScalarType dtype) {
  if (!x.defined()) return std::nullopt;
  return x.to(dtype);
}

// How the rows (pixels) of one image are dealt out to tasks.
struct Chunks {
  int64_t rows, count;
  Chunks(int64_t all, int64_t channels) {
    rows = std::clamp<int64_t>(65536 / channels, 1, all);
    count = (all + rows - 1) / rows;
  }
};

// One scale and one shift a channel, [B, C] each, that normalise groups of channels-last x [B, rows, C].
struct ScaleShift {
  Tensor scale, shift;
};

// From the moments of each chunk, [B, chunks, 2, C] about `pivot` [B, C].
ScaleShift group_statistics(const Tensor& moments, const Tensor& pivot, int64_t rows, int64_t groups,
                            const Tensor& weight, const Tensor& bias, const Tensor& offset, double eps) {
  const int64_t batch = moments.size(0), chunks = moments.size(1), channels = moments.size(3),
                width = channels / groups;
  const Tensor w = floats(weight, channels, 1), b = floats(bias, channels, 0),
               add = floats(offset, batch * channels, 0);
  ScaleShift out{at::empty({batch, channels}, at::kFloat), at::empty({batch, channels}, at::kFloat)};
  const float *pw = w.const_data_ptr<float>(), *pb = b.const_data_ptr<float>();
  std::vector<double> sum(channels), squares(channels);
  for (int64_t n = 0; n < batch; ++n) {
    std::fill(sum.begin(), sum.end(), 0.0);
    std::fill(squares.begin(), squares.end(), 0.0);
    for (int64_t k = 0; k < chunks; ++k) {
      const float* m = moments.const_data_ptr<float>() + (n * chunks + k) * 2 * channels;
      for (int64_t c = 0; c < channels; ++c) {
        sum[c] += m[c];
        squares[c] += m[channels + c];
      }
    }
    const float *from = pivot.const_data_ptr<float>() + n * channels,
                *extra = add.const_data_ptr<float>() + n * channels;
    float *scale = out.scale.data_ptr<float>() + n * channels, *shift = out.shift.data_ptr<float>() + n * channels;
    for (int64_t first = 0; first < channels; first += width) {
      const double count = static_cast<double>(rows) * width;
      double mean = 0, spread = 0;
      for (int64_t c = first; c < first + width; ++c) mean += rows * (double{from[c]} + extra[c]) + sum[c];
      mean /= count;
      for (int64_t c = first; c < first + width; ++c) {
        const double d = double{from[c]} + extra[c] - mean;
        spread += squares[c] + 2 * d * sum[c] + rows * d * d;
      }
      const double factor = 1 / std::sqrt(std::max(spread, 0.0) / count + eps);
      for (int64_t c = first; c < first + width; ++c) {
        scale[c] = static_cast<float>(factor * pw[c]);
        shift[c] = static_cast<float>(pb[c] + (extra[c] - mean) * factor * pw[c]);
      }
    }
  }
  return out;
}

Tensor plain_group_norm(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps,
                        bool silu, const Tensor& offset) {
  Tensor in = x;
  if (offset.defined()) {
    std::vector<int64_t> shape(x.dim(), 1);
    shape[0] = x.size(0);
    shape[1] = x.size(1);
    in = x + offset.to(x.scalar_type()).view(shape);
  }
  const Tensor out =
      at::group_norm(in, groups, optional(weight, x.scalar_type()), optional(bias, x.scalar_type()), eps);
  return silu ? at::silu(out) : out;
}

Tensor gated(const Tensor& x, Gate gate) {
  const Tensor in = x.is_non_overlapping_and_dense() ? x : x.contiguous();
  Tensor out = at::empty_like(in);
  with_loops(in, out, [&](const auto& loops, const auto* from, auto* to) {
    at::parallel_for(0, in.numel(), kGrain,
                     [&](int64_t begin, int64_t end) { loops.unary(gate, from + begin, end - begin, to + begin); });
  });
  return out;
}

}  // namespace

Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps, bool silu,
                  const Tensor& offset) {
  if (x.dim() < 2 || groups < 1 || x.size(1) % groups != 0 || (weight.defined() && weight.numel() != x.size(1)) ||
      (bias.defined() && bias.numel() != x.size(1)) || (offset.defined() && offset.numel() != x.size(0) * x.size(1))) {
    fail(
        "group_norm: x {} in {} groups, weight {}, bias {}, offset {}; wanted [B, C, ...], C a multiple of the groups, "
        "[C], [C], [B, C]",
        c10::str(x.sizes()), groups, weight.defined() ? c10::str(weight.sizes()) : "none",
        bias.defined() ? c10::str(bias.sizes()) : "none", offset.defined() ? c10::str(offset.sizes()) : "none");
  }
  const Timed timed(3.0 * x.nbytes(),
                    [&] { return (silu ? "group norm+silu " : "group norm ") + c10::str(x.sizes()); });
  if (!has_loops(x) || x.dim() != 4) return plain_group_norm(x, groups, weight, bias, eps, silu, offset);
  const Tensor in = x.contiguous(at::MemoryFormat::ChannelsLast);
  Tensor out = at::empty_like(in);
  const int64_t batch = x.size(0), channels = x.size(1), rows = x.size(2) * x.size(3);
  const Chunks chunks(rows, channels);
  const Tensor pivot = in.select(3, 0).select(2, 0).to(at::kFloat).contiguous();
  const Tensor moments = at::zeros({batch, chunks.count, 2, channels}, at::kFloat);
  with_loops(in, out, [&](const auto& loops, const auto* from, auto* to) {
    const int64_t grain = std::max<int64_t>(1, kGrain / (chunks.rows * channels));
    const auto for_chunks = [&](auto f) {  // f(task, image, offset of its first element, rows)
      at::parallel_for(0, batch * chunks.count, grain, [&](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; ++task) {
          const int64_t image = task / chunks.count, first = task % chunks.count * chunks.rows;
          f(task, image, (image * rows + first) * channels, std::min(chunks.rows, rows - first));
        }
      });
    };
    const float* pivots = pivot.template const_data_ptr<float>();
    float* sums = moments.template data_ptr<float>();
    for_chunks([&](int64_t task, int64_t image, int64_t at, int64_t n) {
      float* sum = sums + task * 2 * channels;
      loops.moments(from + at, n, channels, pivots + image * channels, sum, sum + channels);
    });
    const ScaleShift s = group_statistics(moments, pivot, rows, groups, weight, bias, offset, eps);
    const float *scale = s.scale.template const_data_ptr<float>(), *shift = s.shift.template const_data_ptr<float>();
    for_chunks([&](int64_t, int64_t image, int64_t at, int64_t n) {
      loops.affine(from + at, n, channels, scale + image * channels, shift + image * channels, silu, to + at);
    });
  });
  return out;
}

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const int64_t channels = x.size(-1);
  if ((weight.defined() && weight.numel() != channels) || (bias.defined() && bias.numel() != channels)) {
    fail("layer_norm: x {}, weight {}, bias {}; wanted [..., C], [C], [C]", c10::str(x.sizes()),
         weight.defined() ? c10::str(weight.sizes()) : "none", bias.defined() ? c10::str(bias.sizes()) : "none");
  }
  const Timed timed(2.0 * x.nbytes(), [&] { return "layer norm " + c10::str(x.sizes()); });
  if (!has_loops(x)) {
    return at::layer_norm(x, {channels}, optional(weight, x.scalar_type()), optional(bias, x.scalar_type()), eps);
  }
  const Tensor in = x.contiguous(), w = floats(weight, channels, 1), b = floats(bias, channels, 0);
  Tensor out = at::empty_like(in);
  with_loops(in, out, [&](const auto& loops, const auto* from, auto* to) {
    at::parallel_for(
        0, in.numel() / channels, std::max<int64_t>(1, kGrain / channels), [&](int64_t begin, int64_t end) {
          loops.layer_norm(from + begin * channels, end - begin, channels, w.template const_data_ptr<float>(),
                           b.template const_data_ptr<float>(), static_cast<float>(eps), to + begin * channels);
        });
  });
  return out;
}

Tensor geglu(const Tensor& x) {
  if (x.dim() < 1 || x.size(-1) % 2 != 0) fail("geglu: x {}; wanted an even last dimension", c10::str(x.sizes()));
  const Timed timed(1.5 * x.nbytes(), [&] { return "geglu " + c10::str(x.sizes()); });
  if (!has_loops(x)) {
    const auto halves = x.chunk(2, -1);
    return halves[0] * at::gelu(halves[1]);
  }
  const Tensor in = x.contiguous();
  const int64_t half = x.size(-1) / 2;
  auto shape = in.sizes().vec();
  shape.back() = half;
  Tensor out = at::empty(shape, in.options());
  with_loops(in, out, [&](const auto& loops, const auto* from, auto* to) {
    at::parallel_for(0, out.numel() / half, std::max<int64_t>(1, kGrain / half), [&](int64_t begin, int64_t end) {
      loops.geglu(from + begin * 2 * half, end - begin, half, to + begin * half);
    });
  });
  return out;
}

Tensor silu(const Tensor& x) { return has_loops(x) ? gated(x, Gate::kSilu) : at::silu(x); }

Tensor gelu(const Tensor& x) { return has_loops(x) ? gated(x, Gate::kGelu) : at::gelu(x); }

Tensor quick_gelu(const Tensor& x) { return has_loops(x) ? gated(x, Gate::kQuickGelu) : x * at::sigmoid(x * 1.702); }

}  // namespace easel::kernels
