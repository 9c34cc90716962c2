// What each operator of tensor/kernels reaches on this machine, beside libtorch's own, and its share of the greatest
// rate a product reached here. `bench_kernels [--processor-time] [part of a name]`; each figure is the best of a few
// runs.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>

#include "peak.h"
#include "tensor/aten.h"
#include "tensor/host_memory.h"
#include "tensor/kernels/attention.h"
#include "tensor/kernels/convolution.h"
#include "tensor/kernels/linear.h"
#include "tensor/kernels/norm.h"
#include "tensor/kernels/simd.h"

namespace easel::kernels {
namespace {

using Job = std::function<void()>;

bool by_processor_time = false;

// Wall time; or processor time over threads, which other programs on the machine disturb less.
double now() {
  timespec time{};
  clock_gettime(by_processor_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return (time.tv_sec + 1e-9 * time.tv_nsec) / (by_processor_time ? at::get_num_threads() : 1);
}

double seconds(const Job& job) {
  job();
  double best = 1e9, spent = 0;
  for (int i = 0; i < 20 && spent < 0.6; ++i) {
    const double start = now();
    job();
    const double took = now() - start;
    best = std::min(best, took);
    spent += took;
  }
  return best;
}

struct Bench {
  std::string filter;
  std::map<at::ScalarType, double> peak;  // operations a second

  void line(const std::string& name, double amount, const char* unit, const Job& ours, const Job& theirs,
            at::ScalarType dtype = at::kFloat) const {
    if (name.find(filter) == std::string::npos) return;
    const double mine = seconds(ours), other = seconds(theirs);
    const bool is_product = unit[0] == 'G' && unit[1] == 'F';
    fmt::print("{:<46} {:8.2f} ms {:7.0f} {:<8} {:>5}   libtorch {:8.2f} ms {:7.0f}   {:.2f} x\n", name, mine * 1e3,
               amount / mine / 1e9, unit,
               is_product ? fmt::format("{:.0f} %", 100 * amount / mine / peak.at(dtype)) : "", other * 1e3,
               amount / other / 1e9, other / mine);
    std::fflush(stdout);
  }
};

void attention_lines(const Bench& bench, at::ScalarType dtype) {
  struct Shape {
    int64_t batch, heads, lq, lk, dim;
  };
  for (const auto& s : {Shape{2, 8, 4096, 4096, 40}, Shape{2, 8, 1024, 1024, 80}, Shape{2, 8, 256, 256, 160},
                        Shape{2, 8, 4096, 77, 40}, Shape{1, 1, 4096, 4096, 512}, Shape{1, 24, 2048, 2048, 128}}) {
    const Tensor q = at::randn({s.batch, s.lq, s.heads * s.dim}).to(dtype);
    const Tensor k = at::randn({s.batch, s.lk, s.heads * s.dim}).to(dtype), v = at::randn_like(k);
    const auto split = [&](const Tensor& x) { return x.unflatten(-1, {s.heads, s.dim}).transpose(1, 2); };
    bench.line(
        fmt::format("attention {} {}x{}x{}/{}x{}", c10::toString(dtype), s.batch, s.heads, s.lq, s.lk, s.dim),
        4.0 * s.batch * s.heads * s.lq * s.lk * s.dim, "GFLOP/s", [&] { attention(q, k, v, s.heads); },
        [&] { at::scaled_dot_product_attention(split(q), split(k), split(v)); }, dtype);
  }
}

void linear_lines(const Bench& bench, at::ScalarType dtype) {
  struct Shape {
    int64_t rows, in, out;
  };
  for (const auto& s : {Shape{4096, 1280, 1280}, Shape{8192, 320, 320}, Shape{8192, 1280, 320}, Shape{512, 1280, 1280},
                        Shape{154, 768, 320}}) {
    const Tensor x = at::randn({s.rows, s.in}).to(dtype), w = at::randn({s.out, s.in}).to(dtype),
                 b = at::randn({s.out}).to(dtype);
    const Tensor residual = at::randn({s.rows, s.out}).to(dtype);
    const PackedLinear layer = pack_linear(w, b);
    const std::string name = fmt::format("linear {} {}x{}x{}", c10::toString(dtype), s.rows, s.in, s.out);
    const double work = 2.0 * s.rows * s.in * s.out;
    bench.line(
        name, work, "GFLOP/s", [&] { linear(layer, x); }, [&] { at::linear(x, w, b); }, dtype);
    bench.line(
        name + " + residual", work, "GFLOP/s", [&] { linear_add(layer, x, residual); },
        [&] { at::linear(x, w, b) + residual; }, dtype);
  }
  const Tensor x = at::randn({8192, 320}).to(dtype), w = at::randn({2560, 320}).to(dtype),
               b = at::randn({2560}).to(dtype);
  const PackedLinear layer = pack_linear(w, b);
  bench.line(
      fmt::format("linear {} 8192x320x2560 GEGLU", c10::toString(dtype)), 2.0 * 8192 * 320 * 2560, "GFLOP/s",
      [&] { linear_geglu(layer, x); },
      [&] {
        const auto halves = at::linear(x, w, b).chunk(2, -1);
        halves[0] * at::gelu(halves[1]);
      },
      dtype);
}

void convolution_lines(const Bench& bench, at::ScalarType dtype) {
  struct Shape {
    int64_t batch, in, out, side, kernel, stride;
  };
  for (const auto& s : {Shape{2, 320, 320, 64, 3, 1}, Shape{2, 960, 320, 64, 3, 1}, Shape{2, 640, 640, 32, 3, 1},
                        Shape{2, 1280, 1280, 16, 3, 1}, Shape{2, 1280, 1280, 8, 3, 1}, Shape{2, 320, 320, 64, 3, 2},
                        Shape{2, 640, 320, 64, 1, 1}, Shape{2, 4, 320, 64, 3, 1}, Shape{1, 512, 512, 128, 3, 1},
                        Shape{1, 256, 256, 256, 3, 1}, Shape{1, 128, 128, 512, 3, 1}, Shape{1, 128, 3, 512, 3, 1}}) {
    const auto options = at::TensorOptions().dtype(dtype);
    const Tensor x = at::randn({s.batch, s.in, s.side, s.side}).to(options).contiguous(at::MemoryFormat::ChannelsLast);
    const Tensor w =
        at::randn({s.out, s.in, s.kernel, s.kernel}).to(options).contiguous(at::MemoryFormat::ChannelsLast);
    const Tensor b = at::randn({s.out}).to(options);
    const int64_t pad = s.kernel / 2;
    const PackedConvolution layer = pack_convolution(w, b, {.stride = {s.stride, s.stride}, .padding = {pad, pad}});
    const std::string name = fmt::format("conv {} {}x{}->{} {}^2 {}x{}/{}", c10::toString(dtype), s.batch, s.in, s.out,
                                         s.side, s.kernel, s.kernel, s.stride);
    const double work = 2.0 * s.batch * s.in * s.out * s.kernel * s.kernel * (s.side / s.stride) * (s.side / s.stride);
    bench.line(
        name, work, "GFLOP/s", [&] { convolution(layer, x); },
        [&] {
          at::conv2d(x, w, b, {s.stride, s.stride}, {pad, pad});
        },
        dtype);
    if (s.in == s.out && s.stride == 1) {
      bench.line(
          name + " + residual", work, "GFLOP/s", [&] { convolution_add(layer, x, x); },
          [&] {
            at::conv2d(x, w, b, {1, 1}, {pad, pad}) + x;
          },
          dtype);
    }
  }
}

void memory_lines(const Bench& bench, at::ScalarType dtype) {
  const char* type = c10::toString(dtype);
  for (const auto& [batch, channels, side] :
       {std::array<int64_t, 3>{2, 320, 64}, {2, 1280, 16}, {1, 512, 128}, {1, 128, 512}}) {
    const Tensor x = at::randn({batch, channels, side, side}).to(dtype).contiguous(at::MemoryFormat::ChannelsLast);
    const Tensor w = at::randn({channels}).to(dtype), b = at::randn({channels}).to(dtype),
                 add = at::randn({batch, channels}).to(dtype);
    bench.line(
        fmt::format("group norm + silu {} {}x{}x{}^2", type, batch, channels, side), 2.0 * x.nbytes(), "GB/s",
        [&] { group_norm(x, 32, w, b, 1e-5, true, add); },
        [&] { at::silu(at::group_norm(x + add.unsqueeze(-1).unsqueeze(-1), 32, w, b, 1e-5)); });
    bench.line(
        fmt::format("double {} {}x{}x{}^2", type, batch, channels, side), 5.0 * x.nbytes(), "GB/s",
        [&] { upsample_nearest_2x(x); },
        [&] {
          at::upsample_nearest2d(x, {2 * side, 2 * side});
        });
    bench.line(
        fmt::format("join {} {}x{}x{}^2", type, batch, channels, side), 4.0 * x.nbytes(), "GB/s",
        [&] { concat_channels(x, x); },
        [&] {
          at::cat({x, x}, 1);
        });
  }
  const Tensor rows = at::randn({8192, 320}).to(dtype), w = at::randn({320}).to(dtype),
               wide = at::randn({8192, 2560}).to(dtype);
  bench.line(
      fmt::format("layer norm {} 8192x320", type), 2.0 * rows.nbytes(), "GB/s", [&] { layer_norm(rows, w, w); },
      [&] { at::layer_norm(rows, {320}, w, w); });
  bench.line(
      fmt::format("geglu {} 8192x2560", type), 1.5 * wide.nbytes(), "GB/s", [&] { geglu(wide); },
      [&] {
        const auto halves = wide.chunk(2, -1);
        halves[0] * at::gelu(halves[1]);
      });
  bench.line(
      fmt::format("silu {} 8192x2560", type), 2.0 * wide.nbytes(), "GB/s", [&] { kernels::silu(wide); },
      [&] { at::silu(wide); });
}

}  // namespace
}  // namespace easel::kernels

int main(int argc, char** argv) {
  using namespace easel::kernels;
  const c10::InferenceMode guard;
  easel::recycle_host_memory();
  if (argc > 1 && std::string(argv[1]) == "--processor-time") {
    by_processor_time = true;
    if (!std::getenv("OMP_WAIT_POLICY")) {  // waiting threads must not spin; OpenMP reads this when it is loaded
      setenv("OMP_WAIT_POLICY", "passive", 1);
      execv("/proc/self/exe", argv);
    }
  }
  Bench bench{.filter = argc > 1 + by_processor_time ? argv[argc - 1] : ""};
  bench.peak[at::kFloat] = easel::bench::peak_rate<float>(now);
  if (simd_avx512()) bench.peak[at::kBFloat16] = easel::bench::peak_rate<at::BFloat16>(now);
  fmt::print("{} threads, loops: {}, best product rate: float {:.0f}, bfloat16 {:.0f} GFLOP/s\n", at::get_num_threads(),
             simd().name, bench.peak[at::kFloat] / 1e9, bench.peak[at::kBFloat16] / 1e9);
  for (const auto dtype : {at::kBFloat16, at::kFloat}) {
    attention_lines(bench, dtype);
    linear_lines(bench, dtype);
    convolution_lines(bench, dtype);
    memory_lines(bench, dtype);
  }
}
