#include "base/error.h"
#include "kernels_compare.h"
#include "tensor/kernels/norm.h"

namespace easel::kernels {
namespace {

const std::vector<at::ScalarType> kDtypes{at::kFloat, at::kBFloat16};

Tensor channels_last(const Tensor& x) { return x.contiguous(at::MemoryFormat::ChannelsLast); }

TEST(KernelsNorm, GroupNormIsThatOfFloat64) {
  struct Case {
    std::vector<int64_t> shape;
    int64_t groups;
  };
  const std::vector<Case> cases{{{2, 320, 16, 16}, 32}, {{1, 64, 7, 5}, 32},   {{3, 6, 1, 1}, 3},
                                {{1, 10, 33, 31}, 5},   {{2, 2560, 4, 4}, 32}, {{1, 128, 65, 64}, 32}};
  for_every_simd([&] {
    for (const auto dtype : kDtypes) {
      for (const auto& c : cases) {
        for (const bool with_silu : {false, true}) {
          const Tensor x = channels_last(random(c.shape, dtype));
          const Tensor w = random({c.shape[1]}, dtype, 2), b = random({c.shape[1]}, dtype, 3);
          const Tensor add = random({c.shape[0], c.shape[1]}, dtype, 4);
          const Tensor got = kernels::group_norm(x, c.groups, w, b, 1e-5, with_silu, add);
          Tensor want =
              at::group_norm(wide(x) + wide(add).unsqueeze(-1).unsqueeze(-1), c.groups, wide(w), wide(b), 1e-5);
          if (with_silu) want = at::silu(want);
          EXPECT_EQ(got.scalar_type(), dtype);
          EXPECT_TRUE(got.is_contiguous(at::MemoryFormat::ChannelsLast));
          expect_close(got, want, dtype == at::kFloat ? 4e-6 : 2e-3, rounding(dtype));
        }
      }
    }
  });
}

TEST(KernelsNorm, GroupNormTakesAnyLayoutAndNoWeights) {
  for (const auto dtype : kDtypes) {
    const Tensor x = random({2, 8, 6, 10}, dtype);
    for (const Tensor& in : {x, x.transpose(2, 3), x.slice(3, 1, 9, 2), x.slice(1, 0, 4)}) {
      expect_close(kernels::group_norm(in, 4, {}, {}, 1e-6), at::group_norm(wide(in), 4, {}, {}, 1e-6),
                   dtype == at::kFloat ? 6e-6 : 2e-3, rounding(dtype));
    }
    const Tensor flat = random({3, 8}, dtype);
    expect_close(kernels::group_norm(flat, 2, {}, {}, 1e-6, true),
                 at::silu(at::group_norm(wide(flat), 2, {}, {}, 1e-6)), dtype == at::kFloat ? 6e-6 : 2e-2,
                 2 * rounding(dtype));
  }
}

TEST(KernelsNorm, GroupNormKeepsItsDigitsUnderALargeMean) {
  for_every_simd([] {
    const Tensor x = channels_last(random({1, 32, 24, 24}, at::kFloat) + 1000.0);
    expect_close(kernels::group_norm(x, 4, {}, {}, 1e-6), at::group_norm(wide(x), 4, {}, {}, 1e-6), 2e-4, 0);
  });
}

TEST(KernelsNorm, LayerNormIsThatOfFloat64) {
  for_every_simd([] {
    for (const auto dtype : kDtypes) {
      for (const int64_t width : {1, 3, 16, 77, 320, 768, 1280}) {
        const Tensor x = random({2, 5, width}, dtype) * 3 + 1, w = random({width}, dtype, 2),
                     b = random({width}, dtype, 3);
        expect_close(kernels::layer_norm(x, w, b), at::layer_norm(wide(x), {width}, wide(w), wide(b), 1e-5),
                     dtype == at::kFloat ? 4e-6 : 2e-3, rounding(dtype));
        expect_close(kernels::layer_norm(x.transpose(0, 1), {}, {}),
                     at::layer_norm(wide(x.transpose(0, 1)), {width}, {}, {}, 1e-5), dtype == at::kFloat ? 4e-6 : 2e-3,
                     rounding(dtype));
      }
    }
  });
}

TEST(KernelsNorm, GatesAreThoseOfFloat64) {
  const Tensor edge = at::tensor({0.0, -0.0, 1e-30, -1e-30, 30.0, -30.0, 200.0, -200.0, 3e38, -3e38, 1.5, -6.0});
  for_every_simd([&] {
    for (const auto dtype : kDtypes) {
      const double atol = dtype == at::kFloat ? 1e-6 : 2e-5, rtol = rounding(dtype) * (dtype == at::kFloat ? 4 : 1.2);
      for (const Tensor& all : {random({3, 1000}, at::kFloat) * 3, at::linspace(-12, 12, 4001), edge}) {
        const Tensor x = all.to(dtype), d = wide(x);
        expect_close(kernels::silu(x), at::silu(d), atol, rtol);
        expect_close(kernels::gelu(x), at::gelu(d), atol, rtol);
        expect_close(quick_gelu(x), d * at::sigmoid(d * 1.702), atol, rtol);
      }
      const Tensor x = random({3, 7, 2 * 331}, dtype) * 2;
      const auto halves = wide(x).chunk(2, -1);
      expect_close(geglu(x), halves[0] * at::gelu(halves[1]), 4 * atol, 2 * rtol);
      const Tensor turned = random({6, 4, 5}, dtype).transpose(0, 1);
      expect_close(kernels::silu(turned), at::silu(wide(turned)), atol, rtol);
      expect_close(kernels::silu(turned.slice(2, 0, 5, 2)), at::silu(wide(turned.slice(2, 0, 5, 2))), atol, rtol);
    }
  });
}

TEST(KernelsNorm, NaNAndInfinityPassThrough) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for_every_simd([&] {
    for (const auto dtype : kDtypes) {
      const Tensor x = at::tensor({nan, 1.0f, infinity, nan, 2.0f}).to(dtype);
      const Tensor got = kernels::silu(x).to(at::kFloat), erf_got = kernels::gelu(x).to(at::kFloat);
      EXPECT_TRUE(at::equal(got.isnan(), x.to(at::kFloat).isnan()));
      EXPECT_TRUE(at::equal(erf_got.isnan(), x.to(at::kFloat).isnan()));
      EXPECT_EQ(got[2].item<float>(), infinity);
      EXPECT_EQ(erf_got[2].item<float>(), infinity);
    }
  });
}

TEST(KernelsNorm, RefusesWhatDoesNotFit) {
  EXPECT_THROW(kernels::group_norm(at::zeros({1, 10, 2, 2}), 3, {}, {}, 1e-5), Error);
  EXPECT_THROW(kernels::group_norm(at::zeros({1, 4, 2, 2}), 2, at::ones({5}), {}, 1e-5), Error);
  EXPECT_THROW(kernels::layer_norm(at::zeros({2, 4}), at::ones({3}), {}), Error);
  EXPECT_THROW(geglu(at::zeros({2, 3})), Error);
}

}  // namespace
}  // namespace easel::kernels
