// Resizing where the recorded cases do not reach.
#include <gtest/gtest.h>

#include "nodes/ports.h"
#include "nodes/resize.h"
#include "nodes/studio.h"

namespace easel {
namespace {

TEST(Resize, SameSizeByLanczosOnlyCutsToBytes) {
  const Tensor pixels = at::rand({1, 5, 7, 3});
  EXPECT_TRUE(at::equal(resize_pixels(pixels, 7, 5, "lanczos"), to_bytes(pixels).to(at::kFloat).div(255)));
}

TEST(Resize, LanczosKeepsColourUnderTransparency) {  // resampled premultiplied: no dark fringe
  Tensor pixels = at::zeros({1, 1, 8, 4});
  pixels.select(-1, 0).fill_(1.0);                     // red everywhere
  pixels.narrow(2, 0, 4).select(-1, 3).fill_(1.0);     // opaque on the left
  pixels.narrow(2, 4, 4).narrow(-1, 0, 3).fill_(0.0);  // black where transparent
  const Tensor small = resize_pixels(pixels, 4, 1, "lanczos");
  const Tensor visible = small.select(-1, 3).gt(0.02);
  EXPECT_GE(small.select(-1, 0).masked_select(visible).min().item<float>(), 0.9f);
}

TEST(Resize, NonsenseIsRefused) {
  EXPECT_THROW(resize_pixels(at::zeros({1, 4, 4, 3}), 0, 4, "bilinear"), Error);
  EXPECT_THROW(resize_pixels(at::zeros({1, 4, 4, 3}), 4, 4, "magic"), Error);
}

TEST(Resize, ScaleByKeepsAtLeastOnePixelOrSaysSo) {
  Studio studio;
  const Value image = Value::of(Image{at::zeros({1, 4, 4, 3})});
  EXPECT_THROW(studio.run("ImageScaleBy", {image, Value::of(std::string("area")), Value::of(0.01)}), Error);
}

TEST(ImageBatch, AddsOpaqueAlpha) {
  Studio studio;
  const auto both = studio.run_for<Image>(
      "ImageBatch", {Value::of(Image{at::zeros({1, 4, 4, 3})}), Value::of(Image{at::zeros({1, 4, 4, 4})})});
  EXPECT_EQ(both.pixels.size(-1), 4);
  EXPECT_EQ(both.pixels[0].select(-1, 3).min().item<float>(), 1);
}

TEST(EmptyImage, TakesItsColour) {
  Studio studio;
  const auto image = studio.run_for<Image>("EmptyImage", {Value::of(int64_t{2}), Value::of(int64_t{3}),
                                                          Value::of(int64_t{1}), Value::of(int64_t{0xFF8000})});
  EXPECT_EQ(image.pixels.sizes(), (std::vector<int64_t>{1, 3, 2, 3}));
  EXPECT_NEAR(image.pixels[0][0][0][1].item<float>(), 128 / 255.0, 1e-7);
}

}  // namespace
}  // namespace easel
