#include "models/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/host.h"
#include "models/architecture.h"
#include "models/diffusion/diffusers_names.h"
#include "models/tiny.h"
#include "models/vae/autoencoder_kl.h"

namespace easel {
namespace {

using testing::HasSubstr;

std::string vocabulary() {
  return std::string(std::getenv("EASEL_SOURCE_DIR")) + "/.deps/clip/bpe_simple_vocab_16e6.txt.gz";
}

const tiny::ScratchFile& file() {
  static const tiny::ScratchFile made("tiny.safetensors", tiny::checkpoint());
  return made;
}

Checkpoint load(Precision precision = {}) {
  return load_checkpoint(file().path(), {.precision = precision, .clip_vocabulary = vocabulary()});
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

NetInput input(int64_t batch = 2, int64_t height = 8, int64_t width = 8) {
  return {.x = parity::formula("x", {batch, 4, height, width}),
          .timestep = parity::formula("t", {batch}, 500, 100),
          .context = parity::formula("context", {batch, 77, tiny::kContext})};
}

double difference(const Tensor& a, const Tensor& b) { return ((a - b).norm() / b.norm()).item<double>(); }

TEST(Checkpoint, HasAllThreeParts) {
  const auto checkpoint = load();
  ASSERT_TRUE(checkpoint.model && checkpoint.clip && checkpoint.vae);
  EXPECT_EQ(checkpoint.model->id(), "sd15");
  EXPECT_EQ(checkpoint.model->latent_format().name, "SD15");
  EXPECT_EQ(checkpoint.vae->downscale(), 8);
  EXPECT_EQ(checkpoint.vae->latent_channels(), 4);
  EXPECT_EQ(identify(file().path()), "Stable Diffusion 1.x checkpoint (diffusion model, CLIP, VAE), F16");
}

TEST(Checkpoint, NetworkGivesTheShapeOfItsInputAndTheSameEachTime) {
  const auto network = load().model->network();
  for (auto [height, width] : {std::pair{8, 8}, {7, 9}, {1, 1}}) {
    const auto in = input(2, height, width);
    const auto out = network(in);
    EXPECT_EQ(out.sizes(), in.x.sizes());
    EXPECT_EQ(out.scalar_type(), at::kFloat);
    EXPECT_TRUE(out.isfinite().all().item<bool>());
    EXPECT_TRUE(out.equal(network(in)));
  }
}

TEST(Checkpoint, BatchMatesDoNotMatter) {
  const auto network = load().model->network();
  const auto both = input();
  const auto first = network({.x = both.x.narrow(0, 0, 1),
                              .timestep = both.timestep.narrow(0, 0, 1),
                              .context = both.context.narrow(0, 0, 1)});
  EXPECT_LT(difference(network(both).narrow(0, 0, 1), first), 1e-5);
}

TEST(Checkpoint, Bfloat16IsNearFloat32) {
  const auto exact = load().model->network()(input());
  const auto rounded = load({.network = at::kBFloat16}).model->network()(input());
  EXPECT_LT(difference(rounded, exact), 0.05);
}

TEST(Checkpoint, WrongInputsSayWhatWasWanted) {
  const auto network = load().model->network();
  auto in = input();
  in.context = at::zeros({2, 77, 768});
  EXPECT_THAT(error_of([&] { network(in); }), HasSubstr("text vectors of width 64, 768 came"));
  in = input();
  in.x = at::zeros({2, 16, 8, 8});
  EXPECT_THAT(error_of([&] { network(in); }), HasSubstr("takes 4 channels, 16 came"));
}

TEST(Checkpoint, VaeGoesBothWays) {
  const auto vae = *load().vae;
  const auto pixels = parity::formula("pixels", {2, 35, 42, 4}, 0.5, 0.28867513);
  const auto latent = vae.encode(pixels);
  EXPECT_EQ(latent.sizes(), at::IntArrayRef({2, 4, 4, 5}));
  EXPECT_TRUE(latent.equal(vae.encode(pixels.narrow(1, 1, 32).narrow(2, 1, 40))));  // cut evenly on both sides
  const auto image = vae.decode(latent);
  EXPECT_EQ(image.sizes(), at::IntArrayRef({2, 32, 40, 3}));
  EXPECT_GE(image.min().item<float>(), 0);
  EXPECT_LE(image.max().item<float>(), 1);
  EXPECT_THAT(error_of([&] { vae.decode(at::zeros({1, 16, 8, 8})); }), HasSubstr("another family"));
  EXPECT_THAT(error_of([&] { vae.encode(at::zeros({1, 4, 4, 3})); }), HasSubstr("[1, 4, 4, 3] came"));
}

TEST(Checkpoint, TilesOfTheWholeAreTheWhole) {
  const auto vae = *load().vae;
  const auto latent = parity::formula("latent", {1, 4, 6, 6});
  EXPECT_LT(
      difference(vae.decode_tiled(latent, {.tile_width = 16, .tile_height = 16, .overlap = 2}), vae.decode(latent)),
      1e-5);
  const auto tiled = vae.decode_tiled(latent, {.tile_width = 4, .tile_height = 4, .overlap = 1});
  EXPECT_EQ(tiled.sizes(), at::IntArrayRef({1, 48, 48, 3}));
  EXPECT_THAT(error_of([&] { vae.decode_tiled(latent, {.tile_width = 4, .tile_height = 4, .overlap = 8}); }),
              HasSubstr("overlap"));
}

TEST(Checkpoint, WorkingMemoryGrowsWithTheImage) {
  const Autoencoder vae(load().vae->weights());
  const auto one = vae.working_bytes(64, 64, at::kBFloat16);
  EXPECT_EQ(one, 4 * tiny::kWidth * 64 * 64 * 2);
  EXPECT_EQ(vae.working_bytes(128, 64, at::kFloat), 4 * one);
  EXPECT_GT(host_memory().available, 0);
}

TEST(Checkpoint, TextEncoderFollowsChunksWeightsAndClipSkip) {
  const auto clip = *load().clip;
  const auto plain = clip.encode("a red apple");
  EXPECT_EQ(plain.cross_attn.sizes(), at::IntArrayRef({1, 77, tiny::kContext}));
  EXPECT_EQ(plain.pooled.sizes(), at::IntArrayRef({1, tiny::kContext}));
  EXPECT_TRUE(plain.cross_attn.equal(clip.encode("a red apple").cross_attn));
  EXPECT_GT(difference(clip.encode("a (red:1.5) apple").cross_attn, plain.cross_attn), 1e-3);
  EXPECT_TRUE(clip.with_last_layer(-1).encode("a red apple").cross_attn.equal(plain.cross_attn));
  EXPECT_GT(difference(clip.with_last_layer(-2).encode("a red apple").cross_attn, plain.cross_attn), 1e-3);
  EXPECT_TRUE(clip.with_last_layer(-24).encode("a red apple").cross_attn.equal(plain.cross_attn));
  std::string words;
  for (int i = 0; i < 100; ++i) words += "apple ";
  EXPECT_EQ(clip.encode(words).cross_attn.size(1), 154);
}

TEST(Checkpoint, EmbeddingsTakeTheirPlaceInThePrompt) {
  const tiny::ScratchFile good("mine.safetensors", {{"emb_params", parity::formula("e", {3, tiny::kContext})}});
  const tiny::ScratchFile wide("wide.safetensors", {{"emb_params", parity::formula("e", {3, 768})}});
  const auto clip =
      *load_checkpoint(file().path(), {.clip_vocabulary = vocabulary(),
                                       .find_embedding = [&](const std::string& name) -> std::optional<std::string> {
                                         if (name == "mine") return good.path();
                                         if (name == "wide") return wide.path();
                                         return std::nullopt;
                                       }})
           .clip;
  const auto without = clip.encode("a apple").cross_attn;
  EXPECT_GT(difference(clip.encode("a embedding:mine apple").cross_attn, without), 1e-2);
  EXPECT_TRUE(clip.encode("a embedding:wide apple").cross_attn.equal(without));
}

TEST(Checkpoint, PatchesMakeAnotherModelAndLeaveThisOne) {
  const auto model = *load().model;
  const auto before = model.network()(input());
  const auto patched = model.with_patches({{"diffusion_model.out.2.weight", {[](const Tensor& w) { return w * 2; }}}});
  const auto bias = model.weights()["diffusion_model.out.2.bias"].once(at::kFloat).view({1, 4, 1, 1});
  EXPECT_LT(difference(patched.network()(input()) - bias, (before - bias) * 2), 1e-5);
  EXPECT_TRUE(model.network()(input()).equal(before));
}

TEST(Checkpoint, AMissingWeightIsNamed) {
  auto tensors = tiny::checkpoint();
  tensors.erase("model.diffusion_model.middle_block.1.proj_out.bias");
  tensors.erase("model.diffusion_model.middle_block.1.proj_out.weight");
  const tiny::ScratchFile broken("broken.safetensors", tensors);
  const auto message = error_of([&] { load_checkpoint(broken.path(), {}); });
  EXPECT_THAT(message,
              HasSubstr("'broken.safetensors' has no weight 'diffusion_model.middle_block.1.proj_out.weight'"));
  EXPECT_THAT(message, HasSubstr("'model.diffusion_model.middle_block.1.proj_in.weight'"));
}

TEST(Checkpoint, FilesOfAnotherKindAreRefusedByName) {
  tiny::Builder vae, inpaint, lora;
  tiny::add_vae(vae, "");
  tiny::add_unet(inpaint, 9);
  lora.tensor("lora_unet_input_blocks_1_1_transformer_blocks_0_attn2_to_k.lora_up.weight", {320, 4}, 0, 1);
  lora.tensor("lora_unet_input_blocks_1_1_transformer_blocks_0_attn2_to_k.lora_down.weight", {4, 768}, 0, 1);
  const tiny::ScratchFile vae_file("vae.safetensors", vae.tensors), lora_file("lora.safetensors", lora.tensors),
      inpaint_file("inpaint.safetensors", inpaint.tensors);

  EXPECT_EQ(identify(vae_file.path()), "VAE, F16");
  EXPECT_EQ(identify(lora_file.path()), "LoRA for Stable Diffusion 1.x, F16");
  EXPECT_EQ(identify(inpaint_file.path()), "Stable Diffusion 1.x for inpainting diffusion model, F16");
  EXPECT_THAT(error_of([&] { load_checkpoint(vae_file.path(), {}); }), HasSubstr("load it with VAELoader"));
  EXPECT_THAT(error_of([&] { load_checkpoint(lora_file.path(), {}); }), HasSubstr("load it with LoraLoader"));
  EXPECT_THAT(error_of([&] { load_vae(lora_file.path(), {}); }), HasSubstr("is not a VAE"));
  EXPECT_THAT(error_of([&] { load_lora(file().path()); }), HasSubstr("load it with CheckpointLoaderSimple"));
  EXPECT_EQ(load_diffusion_model(inpaint_file.path(), "default", {}).id(), "sd15_inpaint");
  EXPECT_NO_THROW(load_vae(vae_file.path(), {}));
}

TEST(Checkpoint, AVaeLaidOutAsDiffusersDoesIsTheSameVae) {
  tiny::Builder built;
  tiny::add_vae(built, "");
  tiny::Named renamed;
  for (const auto& [name, tensor] : built.tensors) {
    auto other = name;
    auto replace = [&](const std::string& from, const std::string& to) {
      if (auto at = other.find(from); at != std::string::npos) other.replace(at, from.size(), to);
    };
    for (int i = 0; i < 4; ++i) {
      const auto here = std::to_string(i), there = std::to_string(3 - i);
      replace(".down." + here + ".block.", ".down_blocks." + here + ".resnets.");
      replace(".down." + here + ".downsample.", ".down_blocks." + here + ".downsamplers.0.");
      replace(".up." + here + ".block.", ".up_blocks." + there + ".resnets.");
      replace(".up." + here + ".upsample.", ".up_blocks." + there + ".upsamplers.0.");
    }
    replace(".mid.block_1.", ".mid_block.resnets.0.");
    replace(".mid.block_2.", ".mid_block.resnets.1.");
    replace(".attn_1.norm.", ".attn_1.group_norm.");
    replace(".attn_1.q.", ".attn_1.to_q.");
    replace(".attn_1.k.", ".attn_1.to_k.");
    replace(".attn_1.v.", ".attn_1.to_v.");
    replace(".attn_1.proj_out.", ".attn_1.to_out.0.");
    replace(".mid.attn_1.", ".mid_block.attentions.0.");
    replace(".norm_out.", ".conv_norm_out.");
    const bool projection = other.find(".to_") != std::string::npos && tensor.dim() == 4;
    renamed[other] = projection ? tensor.flatten(1).clone() : tensor;
  }
  const tiny::ScratchFile ldm("ldm.safetensors", built.tensors), diffusers("diffusers.safetensors", renamed);
  const auto latent = parity::formula("latent", {1, 4, 3, 3});
  EXPECT_TRUE(load_vae(diffusers.path(), {}).decode(latent).equal(load_vae(ldm.path(), {}).decode(latent)));
}

TEST(Checkpoint, AUnetLaidOutAsDiffusersDoesIsTheSameUnet) {
  tiny::Builder built;
  tiny::add_unet(built);
  constexpr std::string_view prefix = "model.diffusion_model.";
  std::map<std::string, Tensor> own;
  for (const auto& [name, tensor] : built.tensors) own[name.substr(prefix.size())] = tensor;
  tiny::Named renamed;
  for (const auto& [theirs, ours] : diffusers_unet_names(unet_shape(Weights(own, "")))) {
    if (own.count(ours) && theirs.rfind("class_", 0) != 0) renamed[theirs] = own[ours];
  }
  EXPECT_EQ(renamed.size(), own.size());
  const tiny::ScratchFile diffusers("unet.safetensors", renamed);
  EXPECT_EQ(identify(diffusers.path()), "Stable Diffusion 1.x diffusion model, F16");
  EXPECT_TRUE(
      load_diffusion_model(diffusers.path(), "default", {}).network()(input()).equal(load().model->network()(input())));
}

TEST(Checkpoint, Fp8WeightsAreRounded) {
  const auto exact = load().model->network()(input());
  const auto rounded = load_diffusion_model(file().path(), "fp8_e4m3fn", {}).network()(input());
  EXPECT_GT(difference(rounded, exact), 1e-3);
  EXPECT_LT(difference(rounded, exact), 0.2);
}

}  // namespace
}  // namespace easel
