// Nothing of a model is read, converted or packed again when only the prompt, the LoRA or the picture changes.
#include <gtest/gtest.h>

#include "models/checkpoint.h"
#include "models/tiny.h"
#include "nn/linear.h"
#include "parity/golden.h"

namespace easel {
namespace {

double difference(const Tensor& a, const Tensor& b) { return ((a - b).norm() / b.norm()).item<double>(); }

struct Parts {
  tiny::ScratchFile file{"tiny.safetensors", tiny::checkpoint()};
  Checkpoint checkpoint = load_checkpoint(
      file.path(),
      {.clip_vocabulary = std::string(std::getenv("EASEL_SOURCE_DIR")) + "/.deps/clip/bpe_simple_vocab_16e6.txt.gz"});

  Tensor run(const Model& model, const std::string& prompt, int64_t side = 8) const {
    const auto text = checkpoint.clip->encode(prompt).cross_attn;
    const auto out = model.network()(
        {.x = parity::formula("x", {1, 4, side, side}), .timestep = at::full({1}, 500.0), .context = text});
    checkpoint.vae->decode(out);
    return out;
  }
  uint64_t moved() const {
    return checkpoint.model->weights().bytes_moved() + checkpoint.clip->weights().bytes_moved() +
           checkpoint.vae->weights().bytes_moved();
  }
};

TEST(Reuse, AnotherPromptSizeOrLoraMovesNoByteOfTheModel) {
  const Parts parts;
  const Model& model = *parts.checkpoint.model;
  EXPECT_EQ(parts.moved(), 0u) << "loading alone reads no weight";
  const auto first = parts.run(model, "a fox");
  const uint64_t all = parts.moved();
  EXPECT_GT(all, 0u);
  EXPECT_TRUE(parts.run(model, "a fox").equal(first));
  parts.run(model, "an owl");
  parts.run(model, "an owl", 6);
  EXPECT_EQ(parts.moved(), all);

  const std::string linear = "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q",
                    conv = "lora_unet_input_blocks_1_0_in_layers_2";
  const tiny::ScratchFile lora_file("lora.safetensors",
                                    {{linear + ".lora_up.weight", parity::formula("u", {32, 2})},
                                     {linear + ".lora_down.weight", parity::formula("d", {2, 32})},
                                     {conv + ".lora_up.weight", parity::formula("cu", {32, 4, 1, 1})},
                                     {conv + ".lora_down.weight", parity::formula("cd", {4, 32, 3, 3})}});
  const Lora lora = load_lora(lora_file.path());
  const auto with = with_lora(model, lora, 0.1);
  const auto patched = parts.run(with, "a fox");
  EXPECT_GT(difference(patched, first), 1e-3);
  parts.run(with_lora(with, lora, 0.7), "a fox");
  EXPECT_TRUE(parts.run(model, "a fox").equal(first));
  EXPECT_EQ(parts.moved(), all);
}

TEST(Reuse, APatchBesideAWeightIsThePatchedWeight) {
  const auto weight = parity::formula("w", {24, 16}), up = parity::formula("u", {24, 3}),
             down = parity::formula("d", {3, 16}), x = parity::formula("x", {5, 16}), r = parity::formula("r", {5, 24});
  const Weights w({{"weight", weight}, {"bias", parity::formula("b", {24})}}, "test");
  const auto merge = [=](const Tensor& base) { return base + at::mm(up, down); };
  const Patch beside(merge, LowRank{3, 24, 16, [=] { return std::pair(up, down); }});
  const nn::Linear merged(w.patched({{"weight", {Patch(merge), Patch(merge)}}})),
      kept(w.patched({{"weight", {beside}}}).patched({{"weight", {beside}}}));
  EXPECT_FALSE(merged.weight.has_low_rank_patches());
  ASSERT_TRUE(kept.weight.has_low_rank_patches());
  EXPECT_LT(difference(kept(x), merged(x)), 1e-6);
  EXPECT_LT(difference(kept(x, nn::Activation::kSilu), merged(x, nn::Activation::kSilu)), 1e-6);
  EXPECT_LT(difference(kept.add(x, r), merged.add(x, r)), 1e-6);
  EXPECT_LT(difference(kept.geglu(x), merged.geglu(x)), 1e-6);
  EXPECT_TRUE(kept.weight.once(at::kFloat).equal(merged.weight.once(at::kFloat)));

  const auto filter = parity::formula("f", {8, 4, 3, 3}), cu = parity::formula("cu", {8, 2}),
             cd = parity::formula("cd", {2, 36}), image = parity::formula("i", {2, 4, 7, 5});
  const Weights c({{"weight", filter}}, "test");
  const auto merge_filter = [=](const Tensor& base) { return base + at::mm(cu, cd).view(base.sizes()); };
  const Patch beside_filter(merge_filter, LowRank{2, 8, 36, [=] { return std::pair(cu, cd); }});
  for (const int64_t stride : {1, 2}) {
    const nn::Conv2d a(c.patched({{"weight", {Patch(merge_filter)}}}), stride),
        b(c.patched({{"weight", {beside_filter}}}), stride);
    ASSERT_TRUE(b.weight.has_low_rank_patches());
    EXPECT_LT(difference(b(image), a(image)), 1e-6);
    EXPECT_LT(difference(b.add(image, a(image)), a(image) * 2), 1e-6);
  }
}

TEST(Reuse, OtherPatchesAndOtherShapesChangeTheWeight) {
  const Weights w({{"weight", at::ones({4, 4})}}, "test");
  const auto same = [](const Tensor& base) { return base; };
  const auto factors = [] { return std::pair(at::ones({4, 1}), at::ones({1, 4})); };
  const auto beside = [&](LowRank low_rank) {
    return w.patched({{"weight", {Patch(same, low_rank)}}})["weight"].has_low_rank_patches();
  };
  EXPECT_TRUE(beside({1, 4, 4, factors}));
  EXPECT_FALSE(beside({1, 8, 4, factors}));
  EXPECT_FALSE(beside({1, 4, 2, factors}));
  EXPECT_FALSE(beside({5, 4, 4, factors})) << "more work than the weight itself";
  const auto low = w.patched({{"weight", {Patch(same, LowRank{1, 4, 4, factors})}}});
  EXPECT_FALSE(low.patched({{"weight", {Patch(same)}}})["weight"].has_low_rank_patches());
}

TEST(Kept, RemembersByIdentityAsLongAsTheTensorLives) {
  const nn::Kept kept;
  int made = 0;
  const auto get = [&](const Tensor& x) {
    return kept(x, [&] {
      ++made;
      return x + 1;
    });
  };
  auto x = at::ones({3}), y = at::ones({3});
  get(x);
  EXPECT_TRUE(get(x).equal(x + 1));
  EXPECT_EQ(made, 1);
  get(y);
  EXPECT_EQ(made, 2) << "equal is not the same";
  const Tensor old = get(x);
  x = Tensor();
  get(y);
  EXPECT_EQ(old.use_count(), 1) << "its result is let go with it";
  EXPECT_TRUE(kept.cast(y, at::kFloat).is_same(y));
  EXPECT_EQ(nn::Kept().cast(y, at::kHalf).scalar_type(), at::kHalf);
}

}  // namespace
}  // namespace easel
