// Images and latents to files and back.
#include <gtest/gtest.h>

#include <fstream>

#include "formats/tensor_file.h"
#include "media/picture.h"
#include "nodes/ports.h"
#include "nodes/resize.h"
#include "nodes/studio.h"
#include "tensor/aten.h"

namespace easel {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Files : public ::testing::Test {
 protected:
  void write_input(const std::string& name, const media::Picture& picture) {
    std::ofstream(studio.base / "input" / name, std::ios::binary) << media::encode_png(picture);
  }
  Studio studio;
};

TEST_F(Files, SaveImageCutsToBytesAndKeepsTheWorkflow) {
  studio.context.prompt = R"({"1": {"class_type": "SaveImage", "inputs": {}}})";
  studio.context.extra = OrderedJson::parse(R"({"workflow": {"nodes": [], "name": "\u00e9"}})");
  const Tensor values = at::tensor({0.1, 0.2, 0.3, 0.5, 1.5, -1.0}, at::kFloat).reshape({1, 1, 2, 3});
  const auto returned = studio.run("SaveImage", {Value::of(Image{values}), Value::of(std::string("sub/cat"))});
  EXPECT_EQ(returned.ui.dump(), R"({"images":[{"filename":"cat_00001_.png","subfolder":"sub","type":"output"}]})");
  const auto picture = media::decode(read(studio.base / "output/sub/cat_00001_.png"));
  EXPECT_EQ(picture.pixels, (std::vector<uint8_t>{25, 51, 76, 127, 255, 0}));
  ASSERT_EQ(picture.text.size(), 2u);
  EXPECT_EQ(picture.text[0].first, "prompt");
  EXPECT_EQ(picture.text[0].second, studio.context.prompt);
  EXPECT_EQ(picture.text[1].first, "workflow");
  EXPECT_EQ(picture.text[1].second, R"({"nodes":[],"name":"\u00e9"})");
}

TEST_F(Files, SaveImageNumbersBatchesAndNeverReplaces) {
  const Value images = Value::of(Image{at::zeros({2, 4, 4, 3})});
  studio.run("SaveImage", {images, Value::of(std::string("a"))});
  const auto second = studio.run("SaveImage", {images, Value::of(std::string("a"))});
  EXPECT_EQ(second.ui["images"][0]["filename"], "a_00003_.png");
  EXPECT_EQ(second.ui["images"][1]["filename"], "a_00004_.png");
  const auto numbered = studio.run("SaveImage", {images, Value::of(std::string("b%batch_num%"))});
  EXPECT_EQ(numbered.ui["images"][1]["filename"], "b1_00002_.png");
}

TEST_F(Files, SaveImageStaysInItsFolder) {
  const Value images = Value::of(Image{at::zeros({1, 4, 4, 3})});
  EXPECT_THROW(studio.run("SaveImage", {images, Value::of(std::string("../../x"))}), Error);
}

TEST_F(Files, PreviewImageGoesToTemp) {
  const auto returned = studio.run("PreviewImage", {Value::of(Image{at::zeros({1, 4, 4, 3})})});
  EXPECT_EQ(returned.ui["images"][0]["type"], "temp");
  EXPECT_TRUE(std::filesystem::exists(studio.base / "temp" / returned.ui["images"][0]["filename"].get<std::string>()));
}

TEST_F(Files, LoadImageSplitsOffAlpha) {
  write_input("rgba.png", {.width = 1, .height = 1, .channels = 4, .pixels = {255, 0, 51, 204}});
  const Value name = Value::of(std::string("rgba.png"));
  const auto image = studio.run_for<Image>("LoadImage", {name});
  EXPECT_TRUE(at::allclose(image.pixels, at::tensor({1.0, 0.0, 0.2}, at::kFloat).reshape({1, 1, 1, 3})));
  const auto mask = studio.run_for<Mask>("LoadImage", {name}, 1);
  EXPECT_NEAR(mask.values.item<float>(), 0.2f, 1e-6);
  const auto alpha = studio.run_for<Mask>("LoadImageMask", {name, Value::of(std::string("alpha"))});
  EXPECT_TRUE(at::equal(alpha.values, mask.values));
}

TEST_F(Files, LoadImageWithoutAlphaHasASmallEmptyMask) {
  write_input("rgb.png", {.width = 2, .height = 1, .channels = 3, .pixels = {1, 2, 3, 4, 5, 6}});
  const auto mask = studio.run_for<Mask>("LoadImage", {Value::of(std::string("rgb.png"))}, 1);
  EXPECT_EQ(mask.values.sizes(), (std::vector<int64_t>{1, 64, 64}));
  EXPECT_EQ(mask.values.max().item<float>(), 0);
}

TEST_F(Files, LoadImageTakesAnnotatedNamesAndStaysInItsFolders) {
  studio.run("SaveImage", {Value::of(Image{at::ones({1, 4, 4, 3})}), Value::of(std::string("a"))});
  const auto image = studio.run_for<Image>("LoadImage", {Value::of(std::string("a_00001_.png [output]"))});
  EXPECT_EQ(image.pixels.size(1), 4);
  for (const char* name : {"../secret.png", "/etc/passwd", "a.png [nowhere]", "absent.png", ""})
    EXPECT_THROW(studio.run("LoadImage", {Value::of(std::string(name))}), Error) << name;
}

TEST_F(Files, FingerprintFollowsTheContent) {
  const auto& fingerprint = studio.node("LoadImage").fingerprint;
  std::ofstream(studio.base / "input/x.png") << "abc";
  const std::vector<Argument> arguments = {{Value::of(std::string("x.png"))}};
  // sha256("abc"), FIPS 180-2 appendix B.1
  EXPECT_EQ(fingerprint(arguments), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  std::ofstream(studio.base / "input/x.png") << "abd";
  EXPECT_NE(fingerprint(arguments), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_F(Files, LatentsComeBack) {
  const Latent latent{.samples = at::randn({1, 4, 3, 5})};
  const auto returned = studio.run("SaveLatent", {Value::of(latent), Value::of(std::string("latents/x"))});
  EXPECT_EQ(returned.ui.dump(),
            R"({"latents":[{"filename":"x_00001_.latent","subfolder":"latents","type":"output"}]})");
  const auto path = studio.base / "output/latents/x_00001_.latent";
  EXPECT_EQ(load_safetensors(path)->metadata().at("prompt"), "{}");
  std::filesystem::copy_file(path, studio.base / "input/x.latent");
  const auto back = studio.run_for<Latent>("LoadLatent", {Value::of(std::string("x.latent"))});
  EXPECT_TRUE(at::equal(back.samples, latent.samples));
}

TEST_F(Files, LoadersOfLaterKindsSaySo) {
  try {
    studio.run("StyleModelLoader", {Value::of(std::string("x.safetensors"))});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("not supported yet"), std::string::npos) << error.what();
  }
}

TEST_F(Files, HugeImagesAreRefusedBeforeTheyAreMade) {
  const Value side = Value::of(int64_t{16384}), batch = Value::of(int64_t{4096}), black = Value::of(int64_t{0});
  EXPECT_THROW(studio.run("EmptyImage", {side, side, batch, black}), Error);
  EXPECT_THROW(studio.run("EmptyLatentImage", {side, side, batch}), Error);
}

}  // namespace
}  // namespace easel
