// Nodes of the Stable Diffusion family: merging, saving, what prompts carry.
#include <gtest/gtest.h>

#include "models/tiny.h"
#include "nodes/ports.h"
#include "nodes/studio.h"
#include "tensor/aten.h"

namespace easel {
namespace {

struct Models : Studio {
  Models()
      : Studio({.clip_vocabulary =
                    std::string(std::getenv("EASEL_SOURCE_DIR")) + "/.deps/clip/bpe_simple_vocab_16e6.txt.gz"}) {
    const tiny::ScratchFile file("tiny.safetensors", tiny::checkpoint());
    std::filesystem::copy_file(file.path(), base / "models" / "checkpoints" / "tiny.safetensors");
    loaded = run("CheckpointLoaderSimple", {Port<std::string>::wrap("tiny.safetensors")});
  }
  Value part(size_t slot) const { return loaded.slots.at(slot).at(0); }
  Model model() const { return Port<Model>::from(part(0)); }
  Returned loaded;
};

const std::string kWeight = "diffusion_model.out.2.weight";

Tensor weight(const Model& model) { return model.weights()[kWeight].once(at::kFloat); }

TEST(ModelNodes, MergesMixWeights) {
  Models studio;
  const auto first = studio.model();
  const auto second = first.with_patches({{kWeight, {Patch([](const Tensor& w) { return w * 3; })}}});
  auto merged = [&](const std::string& id, std::vector<Value> more) {
    std::vector<Value> arguments{Port<Model>::wrap(first), Port<Model>::wrap(second)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return weight(studio.run_for<Model>(id, arguments));
  };
  const auto number = [](double n) { return Port<double>::wrap(n); };
  const auto w = weight(first);
  EXPECT_TRUE(at::allclose(merged("ModelMergeSimple", {number(0.25)}), w * 0.25 + w * 3 * 0.75));
  EXPECT_TRUE(at::allclose(merged("ModelMergeAdd", {}), w * 4));
  EXPECT_TRUE(at::allclose(merged("ModelMergeSubtract", {number(0.5)}), w * -1));
  EXPECT_TRUE(at::allclose(merged("ModelMergeBlocks", {number(1), number(1), number(0)}), w * 3));
  EXPECT_TRUE(merged("ModelMergeBlocks", {number(0), number(0), number(1)}).equal(w));
  std::vector<Value> each(30, number(1));
  each.back() = number(0);  // "out."
  EXPECT_TRUE(at::allclose(merged("ModelMergeSD1", each), w * 3));
}

TEST(ModelNodes, ASavedCheckpointIsTheSameCheckpoint) {
  const c10::InferenceMode inference;
  Models studio;
  studio.context.prompt = R"({"1": {}})";
  const auto doubled = studio.model().with_patches({{kWeight, {Patch([](const Tensor& w) { return w * 2; })}}});
  studio.run("CheckpointSave",
             {Port<Model>::wrap(doubled), studio.part(1), studio.part(2), Port<std::string>::wrap("checkpoints/mine")});
  const auto path = studio.base / "output" / "checkpoints" / "mine_00001_.safetensors";
  ASSERT_TRUE(std::filesystem::exists(path));
  const auto file = load_safetensors(path);
  EXPECT_EQ(file->metadata().at("prompt"), R"({"1": {}})");
  EXPECT_EQ(file->metadata().at("modelspec.predict_key"), "epsilon");
  const auto again = load_checkpoint(path, {.clip_vocabulary = std::string(std::getenv("EASEL_SOURCE_DIR")) +
                                                               "/.deps/clip/bpe_simple_vocab_16e6.txt.gz"});
  EXPECT_TRUE(at::allclose(weight(*again.model), weight(doubled), 1e-3, 1e-4));
  EXPECT_TRUE(again.clip->encode("fox").cross_attn.equal(Port<Clip>::from(studio.part(1)).encode("fox").cross_attn));
  const auto latent = parity::formula("latent", {1, 4, 3, 3});
  EXPECT_TRUE(again.vae->decode(latent).equal(Port<Vae>::from(studio.part(2)).decode(latent)));
}

TEST(ModelNodes, InpaintingGivesTheModelMaskAndPicture) {
  const c10::InferenceMode inference;
  Models studio;
  const auto set = Port<ConditioningSet>::wrap(ConditioningSet{{Conditioning{.cross_attn = at::zeros({1, 77, 64})}}});
  const auto pixels = Port<Image>::wrap(Image{parity::formula("pixels", {1, 35, 42, 3}, 0.5, 0.2)});
  const auto mask = Port<Mask>::wrap(Mask{at::ones({1, 35, 42})});
  const auto made =
      studio.run("InpaintModelConditioning", {set, set, studio.part(2), pixels, mask, Port<bool>::wrap(true)});
  const auto entry = Port<ConditioningSet>::from(made.slots.at(0).at(0)).entries.at(0);
  EXPECT_EQ(entry.tensors.at("concat_latent_image").sizes(), at::IntArrayRef({1, 4, 4, 5}));
  EXPECT_EQ(entry.tensors.at("concat_mask").sizes(), at::IntArrayRef({1, 1, 32, 40}));
  const auto latent = Port<Latent>::from(made.slots.at(2).at(0));
  EXPECT_EQ(latent.samples.sizes(), at::IntArrayRef({1, 4, 4, 5}));
  EXPECT_TRUE(latent.noise_mask.defined());
}

}  // namespace
}  // namespace easel
