// linear.h and convolution.h against float64.
#include "base/error.h"
#include "kernels_compare.h"
#include "tensor/kernels/convolution.h"
#include "tensor/kernels/linear.h"

namespace easel::kernels {
namespace {

const std::vector<at::ScalarType> kDtypes{at::kFloat, at::kBFloat16};

// Inputs of a product of `terms` terms that comes out near 1.
Tensor weights(at::IntArrayRef shape, at::ScalarType dtype, int64_t terms) {
  return (random(shape, at::kFloat, 7) / std::sqrt(double(terms))).to(dtype);
}

void expect_product(const Tensor& got, const Tensor& want) {
  const bool is_bf16 = got.scalar_type() == at::kBFloat16;
  expect_close(got, want, is_bf16 ? 6e-3 : 1e-5, is_bf16 ? 6e-3 : 1e-5);
}

// In bfloat16 the product may be rounded before the residual is added.
void expect_sum(const Tensor& got, const Tensor& product, const Tensor& residual) {
  const double tolerance = got.scalar_type() == at::kBFloat16 ? 1.5e-2 : 1e-5;
  expect_close(got, product + wide(residual), tolerance, tolerance);
}

TEST(KernelsLinear, EveryShapeActivationAndResidual) {
  struct Case {
    std::vector<int64_t> rows;
    int64_t in, out;
  };
  for (const auto dtype : kDtypes) {
    for (const Case& c : {Case{{2, 77}, 768, 320}, Case{{1}, 5, 3}, Case{{3, 4, 5}, 33, 66}, Case{{}, 16, 8},
                          Case{{2, 1}, 320, 1280}}) {
      SCOPED_TRACE(fmt::format("{} -> {}", c.in, c.out));
      auto shape = c.rows;
      shape.push_back(c.in);
      const Tensor x = random(shape, dtype), w = weights({c.out, c.in}, dtype, c.in), b = random({c.out}, dtype, 3);
      const PackedLinear layer = pack_linear(w, b), bare = pack_linear(w);
      const Tensor want = at::linear(wide(x), wide(w), wide(b));
      expect_product(linear(layer, x), want);
      expect_product(linear(bare, x), at::linear(wide(x), wide(w)));
      expect_product(linear(layer, x, Activation::kSilu), at::silu(want));
      expect_product(linear(layer, x, Activation::kGelu), at::gelu(want));
      expect_product(linear(layer, x, Activation::kGeluTanh), at::gelu(want, "tanh"));
      const Tensor residual = random(want.sizes(), dtype, 5);
      expect_sum(linear_add(layer, x, residual), want, residual);
      if (c.out % 2 == 0) {
        const auto halves = want.chunk(2, -1);
        // In bfloat16 both halves are rounded before they meet.
        const double tolerance = dtype == at::kBFloat16 ? 2e-2 : 2e-5;
        expect_close(linear_geglu(layer, x), halves[0] * at::gelu(halves[1]), tolerance, tolerance);
      }
    }
  }
}

TEST(KernelsLinear, SlicesAndTransposesAndNoRows) {
  for (const auto dtype : kDtypes) {
    const Tensor w = weights({24, 16}, dtype, 16), all = random({3, 10, 48}, dtype);
    const PackedLinear layer = pack_linear(w);
    for (const Tensor& x : {all.slice(2, 16, 32), random({16, 5, 2}, dtype).permute({2, 1, 0}), all.slice(2, 0, 48, 3),
                            all.slice(1, 0, 10, 2).slice(2, 0, 16)}) {
      expect_product(linear(layer, x), at::linear(wide(x), wide(w)));
      const Tensor residual = random({24, 5, 2}, dtype).permute({2, 1, 0});
      if (x.size(0) == 2) expect_sum(linear_add(layer, x, residual), at::linear(wide(x), wide(w)), residual);
    }
    EXPECT_EQ(linear(layer, at::zeros({0, 16}, dtype)).size(1), 24);
  }
}

TEST(KernelsLinear, TheOriginalWeightIsNotKept) {
  Tensor w = weights({64, 64}, at::kFloat, 64);
  const Tensor x = random({4, 64}, at::kFloat), before = at::linear(wide(x), wide(w));
  const PackedLinear layer = pack_linear(w);
  w.zero_();
  expect_product(linear(layer, x), before);
}

TEST(KernelsLinear, RefusesWhatDoesNotFit) {
  const PackedLinear layer = pack_linear(at::zeros({4, 8}));
  EXPECT_THROW(linear(layer, at::zeros({2, 7})), Error);
  EXPECT_THROW(linear(layer, at::zeros({2, 8}, at::kBFloat16)), Error);
  EXPECT_THROW(pack_linear(at::zeros({4, 8}), at::zeros({5})), Error);
  EXPECT_THROW(pack_linear(at::zeros({4})), Error);
}

TEST(KernelsConvolution, EveryKernelStrideAndGroup) {
  struct Case {
    int64_t batch, in, out, height, width, kernel;
    ConvolutionShape shape;
  };
  const std::vector<Case> cases{{2, 32, 48, 9, 11, 3, {.padding = {1, 1}}},
                                {1, 4, 32, 8, 8, 3, {.padding = {1, 1}}},
                                {1, 32, 3, 16, 16, 3, {.padding = {1, 1}}},
                                {2, 20, 24, 8, 8, 1, {}},
                                {1, 16, 16, 9, 9, 3, {.stride = {2, 2}, .padding = {1, 1}}},
                                {1, 16, 16, 9, 10, 3, {.stride = {2, 2}}},
                                {1, 8, 8, 12, 12, 3, {.padding = {2, 2}, .dilation = {2, 2}}},
                                {1, 12, 12, 7, 7, 3, {.padding = {1, 1}, .groups = 12}},
                                {1, 3, 5, 1, 1, 1, {}}};
  for (const auto dtype : kDtypes) {
    for (const Case& c : cases) {
      SCOPED_TRACE(fmt::format("{} -> {}, {}x{} kernel {}", c.in, c.out, c.height, c.width, c.kernel));
      const int64_t fan = c.in / c.shape.groups;
      const Tensor w = weights({c.out, fan, c.kernel, c.kernel}, dtype, fan * c.kernel * c.kernel);
      const Tensor b = random({c.out}, dtype, 3), x = random({c.batch, c.in, c.height, c.width}, dtype);
      const PackedConvolution layer = pack_convolution(w, b, c.shape), bare = pack_convolution(w, {}, c.shape);
      const auto exact = [&](const std::optional<Tensor>& bias) {
        return at::conv2d(wide(x), wide(w), bias, c.shape.stride, c.shape.padding, c.shape.dilation, c.shape.groups);
      };
      const Tensor want = exact(wide(b));
      for (const Tensor& in : {x, x.contiguous(at::MemoryFormat::ChannelsLast)}) {
        const Tensor got = convolution(layer, in);
        EXPECT_TRUE(got.is_contiguous(at::MemoryFormat::ChannelsLast));
        expect_product(got, want);
        expect_product(convolution(bare, in), exact({}));
        expect_product(convolution(layer, in, Activation::kSilu), at::silu(want));
        const Tensor residual = random(want.sizes(), dtype, 5);
        expect_sum(convolution_add(layer, in, residual), want, residual);
      }
    }
  }
}

TEST(KernelsConvolution, DoublingAndJoiningMoveValuesUnchanged) {
  for (const auto dtype : kDtypes) {
    for (const int64_t channels : {1, 3, 64}) {
      const Tensor x = random({2, channels, 5, 7}, dtype), y = random({2, 2 * channels + 1, 5, 7}, dtype, 2);
      const Tensor doubled = upsample_nearest_2x(x), joined = concat_channels(x, y);
      EXPECT_TRUE(at::equal(doubled, at::upsample_nearest2d(x, {10, 14})));
      EXPECT_TRUE(at::equal(joined, at::cat({x, y}, 1)));
      EXPECT_TRUE(joined.is_contiguous(at::MemoryFormat::ChannelsLast));
    }
  }
}

TEST(KernelsConvolution, RefusesWhatDoesNotFit) {
  const PackedConvolution layer = pack_convolution(at::zeros({4, 8, 3, 3}), {}, {.padding = {1, 1}});
  EXPECT_THROW(convolution(layer, at::zeros({1, 7, 4, 4})), Error);
  EXPECT_THROW(convolution(layer, at::zeros({8, 4, 4})), Error);
  EXPECT_THROW(convolution(layer, at::zeros({1, 8, 4, 4}, at::kBFloat16)), Error);
  EXPECT_THROW(pack_convolution(at::zeros({4, 8, 3, 3}), at::zeros({3})), Error);
  EXPECT_THROW(concat_channels(at::zeros({1, 2, 4, 4}), at::zeros({1, 2, 4, 5})), Error);
}

}  // namespace
}  // namespace easel::kernels
