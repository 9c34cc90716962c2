#include <gtest/gtest.h>

#include "base/error.h"
#include "nn/embedding.h"
#include "nn/linear.h"
#include "nn/norm.h"
#include "parity/formula.h"

namespace easel::nn {
namespace {

using parity::formula;

double difference(const Tensor& a, const Tensor& b) {
  return ((a.to(at::kDouble) - b.to(at::kDouble)).norm() / b.to(at::kDouble).norm()).item<double>();
}

TEST(Linear, MultipliesAddsAndGates) {
  const auto weight = formula("w", {24, 16}), bias = formula("b", {24}), x = formula("x", {2, 5, 16});
  const Linear layer(Weights({{"weight", weight}, {"bias", bias}}, "test"));
  const auto plain = at::linear(x, weight, bias);
  EXPECT_LT(difference(layer(x), plain), 1e-6);
  EXPECT_LT(difference(layer(x, Activation::kSilu), at::silu(plain)), 1e-6);
  const auto residual = formula("r", {2, 5, 24});
  EXPECT_LT(difference(layer.add(x, residual), plain + residual), 1e-6);
  const auto halves = plain.chunk(2, -1);
  EXPECT_LT(difference(layer.geglu(x), halves[0] * at::gelu(halves[1])), 1e-6);
  EXPECT_LT(difference(layer(x.to(at::kBFloat16)), plain), 0.02);
}

TEST(Linear, TakesOneByOneConvolutions) {
  const auto weight = formula("w", {24, 16, 1, 1}), x = formula("x", {3, 16});
  EXPECT_LT(difference(Linear(Weights({{"weight", weight}}, "test"))(x), at::linear(x, weight.flatten(1))), 1e-6);
}

TEST(Conv2d, IsAConvolution) {
  const auto weight = formula("w", {8, 4, 3, 3}), bias = formula("b", {8});
  const Weights w({{"weight", weight}, {"bias", bias}}, "test");
  for (auto [height, width] : {std::pair{7, 5}, {2, 2}, {1, 1}}) {
    const auto x = formula("x", {2, 4, height, width});
    const auto plain = at::conv2d(x, weight, bias, 1, 1);
    EXPECT_LT(difference(Conv2d(w)(x), plain), 1e-6);
    EXPECT_LT(difference(Conv2d(w).add(x, plain), plain * 2), 1e-6);
    EXPECT_LT(difference(Conv2d(w, 2, 1)(x), at::conv2d(x, weight, bias, 2, 1)), 1e-6);
  }
}

TEST(Norms, FollowTheirDefinitions) {
  const Weights w({{"weight", formula("w", {64}, 1, 0.2)}, {"bias", formula("b", {64})}}, "test");
  const auto x = formula("x", {2, 64, 3, 5}), offset = formula("o", {2, 64});
  const auto weight = w["weight"].once(at::kFloat), bias = w["bias"].once(at::kFloat);
  const auto plain = at::group_norm(x, 32, weight, bias, 1e-6);
  EXPECT_LT(difference(GroupNorm(w, 1e-6)(x), plain), 1e-6);
  EXPECT_LT(difference(GroupNorm(w, 1e-6).silu(x), at::silu(plain)), 1e-6);
  EXPECT_LT(difference(GroupNorm(w).silu(x, offset),
                       at::silu(at::group_norm(x + offset.view({2, 64, 1, 1}), 32, weight, bias, 1e-5))),
            1e-6);
  const auto rows = formula("rows", {3, 64});
  EXPECT_LT(difference(LayerNorm(w)(rows), at::layer_norm(rows, {64}, weight, bias)), 1e-6);
  EXPECT_THROW(GroupNorm(w, 1e-5, 48), Error);
}

TEST(Embedding, LooksUpRowsAndRefusesOthers) {
  const auto table = formula("t", {10, 4});
  const Embedding embedding(Weights({{"weight", table}}, "test"));
  EXPECT_TRUE(embedding(at::tensor({3, 9}, at::kLong), at::kFloat).equal(at::stack({table[3], table[9]})));
  EXPECT_THROW(embedding(at::tensor({10}, at::kLong), at::kFloat), Error);
}

TEST(TimestepEmbedding, HasCosinesFirst) {
  const auto embedding = timestep_embedding(at::tensor({0.f, 7.f}), 6);
  EXPECT_TRUE(embedding[0].equal(at::tensor({1.f, 1.f, 1.f, 0.f, 0.f, 0.f})));
  EXPECT_NEAR(embedding[1][0].item<double>(), std::cos(7.0), 1e-6);
  EXPECT_NEAR(embedding[1][4].item<double>(), std::sin(7.0 * std::pow(10000.0, -1.0 / 3)), 1e-6);
}

}  // namespace
}  // namespace easel::nn
