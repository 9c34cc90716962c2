#include "tensor/precision.h"

#include <gtest/gtest.h>

#include "tensor/latent_format.h"

namespace easel {
namespace {

TEST(Precision, FlagsWinOverTheMachine) {
  EXPECT_EQ(choose_precision({}).network, cpu_has_bf16() ? at::kBFloat16 : at::kFloat);
  EXPECT_EQ(choose_precision({}).text, at::kFloat);
  EXPECT_EQ(choose_precision({.force_fp32 = true}).network, at::kFloat);
  EXPECT_EQ(choose_precision({.force_fp32 = true}).vae, at::kFloat);
  EXPECT_EQ(choose_precision({.force_fp16 = true}).network, at::kHalf);
  EXPECT_EQ(choose_precision({.force_fp16 = true}).vae, at::kFloat);
  EXPECT_EQ(choose_precision({.force_fp32 = true, .network = at::kBFloat16}).network, at::kBFloat16);
  EXPECT_FALSE(choose_precision({}).int8);
  EXPECT_TRUE(choose_precision({.cpu_int8 = true}).int8);
}

TEST(LatentFormat, PreviewIsAPicture) {
  const auto picture = preview_rgb(kSd15Latent, at::zeros({2, 4, 3, 5}));
  EXPECT_EQ(picture.sizes(), at::IntArrayRef({2, 3, 5, 3}));
  EXPECT_EQ(picture.scalar_type(), at::kByte);
  EXPECT_EQ(picture[0][0][0][0].item<int>(), 127);  // grey
  EXPECT_ANY_THROW(preview_rgb(kSd15Latent, at::zeros({1, 16, 3, 5})));
}

}  // namespace
}  // namespace easel
