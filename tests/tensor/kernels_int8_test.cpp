#include "kernels_compare.h"
#include "tensor/kernels/int8.h"

namespace easel::kernels {
namespace {

const std::vector<at::ScalarType> kDtypes{at::kFloat, at::kBFloat16};

double error(const Tensor& got, const Tensor& want) {
  return ((wide(got) - wide(want)).norm() / wide(want).norm()).item<double>();
}

TEST(KernelsInt8, RoundsToBytesWithinHalfAStep) {
  for_every_simd([] {
    for (const int64_t n : {1, 15, 16, 17, 100}) {
      const Tensor x = random({n}, at::kFloat);
      float least = 9, greatest = -9;
      loops<float>().range(x.const_data_ptr<float>(), n, &least, &greatest);
      EXPECT_EQ(least, std::min(0.0f, x.min().item<float>()));
      EXPECT_EQ(greatest, std::max(0.0f, x.max().item<float>()));
      std::vector<uint8_t> bytes(static_cast<size_t>(n) + 1, 77);
      loops<float>().to_bytes(x.const_data_ptr<float>(), n, 40, 100, bytes.data());
      EXPECT_EQ(bytes.back(), 77) << "written beyond the end";
      for (int64_t i = 0; i < n; ++i) {
        const double want = std::clamp(x[i].item<double>() * 40 + 100, 0.0, 255.0);
        EXPECT_NEAR(bytes[static_cast<size_t>(i)], want, 0.5001);
      }
    }
  });
}

TEST(KernelsInt8, ProductsAreNearTheExactOnes) {
  if (!can_pack_int8()) GTEST_SKIP() << "no VNNI here: layers are packed exactly";
  for (const auto dtype : kDtypes) {
    const Tensor w = random({96, 128}, dtype, 1), bias = random({96}, dtype, 2);
    PackedLinear layer = pack_linear_int8(w);
    layer.bias = bias;
    ASSERT_TRUE(layer.scales.defined());
    // Inputs of either sign, of one sign only, far from zero, tiny: range and zero point follow each of them.
    const Tensor x = random({2, 77, 128}, dtype, 3);
    for (const Tensor& in : {x, x.abs(), -x.abs(), x + 3, x * 1e-6, x.slice(1, 0, 1)}) {
      const Tensor got = linear(layer, in), want = at::linear(wide(in), wide(w), wide(bias));
      EXPECT_EQ(got.scalar_type(), dtype);
      EXPECT_LT(error(got, want), 0.02);
      EXPECT_LT(error(linear_add(layer, in, got), want * 2), 0.02);
      EXPECT_LT(error(linear(layer, in, Activation::kSilu), at::silu(want)), 0.05);
    }
    expect_close(linear(layer, at::zeros_like(x)), bias.expand({2, 77, 96}), 1e-2, 1e-2);
  }
}

TEST(KernelsInt8, ConvolutionsAreNearTheExactOnes) {
  if (!can_pack_int8()) GTEST_SKIP() << "no VNNI here: layers are packed exactly";
  for (const auto dtype : kDtypes) {
    for (const int64_t kernel : {1, 3}) {
      for (const int64_t stride : {1, 2}) {
        const int64_t pad = kernel / 2;
        const Tensor w = random({72, 64, kernel, kernel}, dtype, 1);
        PackedConvolution layer = pack_convolution_int8(w, {.stride = {stride, stride}, .padding = {pad, pad}});
        ASSERT_TRUE(layer.scales.defined());
        const Tensor x = random({2, 64, 9, 7}, dtype, 3);
        for (const Tensor& in : {x, x.abs(), x - 3}) {  // padding is zero, not the zero point's byte
          const Tensor got = convolution(layer, in), want = at::conv2d(wide(in), wide(w), {}, stride, pad);
          EXPECT_TRUE(got.is_contiguous(at::MemoryFormat::ChannelsLast));
          EXPECT_LT(error(got, want), 0.02) << kernel << "x" << kernel << "/" << stride;
        }
      }
    }
  }
}

TEST(KernelsInt8, WhatCannotBeRoundedIsExact) {
  const Tensor w = random({8, 4, 3, 3}, at::kFloat), x = random({1, 8, 5, 5}, at::kFloat);
  const auto layer = pack_convolution_int8(w, {.padding = {1, 1}, .groups = 2});
  EXPECT_FALSE(layer.scales.defined());
  expect_close(convolution(layer, x), at::conv2d(wide(x), wide(w), {}, 1, 1, 1, 2), 1e-5, 1e-5);
  EXPECT_FALSE(pack_linear_int8(at::zeros({0, 4})).scales.defined());
}

}  // namespace
}  // namespace easel::kernels
