// SD2 and SDXL against recorded numbers, on small models of their layouts.
#include <gmock/gmock.h>

#include "models/diffusion/unet.h"
#include "models/diffusion/unet_inputs.h"
#include "models/text_encoders/clip_family.h"
#include "models/tiny.h"
#include "parity/golden.h"

namespace easel {
namespace {

std::string vocabulary() {
  return std::string(std::getenv("EASEL_SOURCE_DIR")) + "/.deps/clip/bpe_simple_vocab_16e6.txt.gz";
}

TEST(SdFamily, UnetsPredictAsRecorded) {
  EASEL_NEEDS_PARITY();
  c10::InferenceMode inference;
  parity::Golden golden("sdxl/unet");
  for (const auto& test : golden.cases()) {
    const Weights weights(parity::spec_tensors(test["params"]["spec"]), "spec");
    const Unet unet(weights, {.head_width = 64});
    EXPECT_EQ(weights.unused(), std::vector<std::string>());
    const auto& inputs = test["inputs"];
    NetInput in{.x = golden.input(inputs["x"]),
                .timestep = at::tensor(test["params"]["timesteps"].get<std::vector<double>>(), at::kFloat),
                .context = golden.input(inputs["context"])};
    if (inputs.contains("y")) in.y = golden.input(inputs["y"]);
    golden.compare(test, "out", unet(in, at::kFloat));
  }
}

TEST(SdFamily, VectorsAreAsRecorded) {
  EASEL_NEEDS_PARITY();
  parity::Golden golden("sdxl/adm");
  for (const auto& test : golden.cases()) {
    Conditioning conditioning{.pooled = golden.input(test["inputs"]["pooled_output"])};
    RunFacts run;
    for (const auto& [name, value] : test["params"]["values"].items()) {
      if (value.is_number()) conditioning.numbers[name] = value;
      if (name == "prompt_type") run.negative = value == "negative";
    }
    const bool refiner = test["params"]["kind"] == "refiner";
    golden.compare(test, "y", refiner ? refiner_vector(conditioning, run) : sdxl_vector(conditioning, run));
  }
}

TEST(SdFamily, UnclipVectorsAreAsRecorded) {
  EASEL_NEEDS_PARITY();
  parity::Golden golden("sdxl/unclip");
  for (const auto& test : golden.cases()) {
    const auto& params = test["params"];
    if (params["entries"].empty()) {  // zeros, which the table of models gives
      EXPECT_EQ(golden.tensor(test["outputs"]["y"]["tensor"]).count_nonzero().item<int64_t>(), 0);
      continue;
    }
    std::vector<UnclipImage> images;
    for (size_t i = 0; i < params["entries"].size(); ++i) {
      const auto& entry = params["entries"][i];
      images.push_back({.embeds = golden.input(test["inputs"]["image_embeds" + std::to_string(i)]),
                        .strength = entry["strength"],
                        .noise_augmentation = entry["noise_augmentation"]});
    }
    const NoiseAugmentation noised{golden.input(test["inputs"]["data_mean"]), golden.input(test["inputs"]["data_std"])};
    const auto& merge = params["noise_augment_merge"];
    golden.compare(test, "y",
                   noised(images, merge.is_null() ? 0.05 : merge.get<double>(), params["seed"].get<uint64_t>() - 10));
  }
}

// The encoders of a recorded case, in float32 as they were recorded.
Clip small_clip(const Json& params) {
  tiny::Named named;
  const bool h = params.value("kind", "") == "sd2_h";
  for (const std::string& letter : h ? std::vector<std::string>{"h"} : std::vector<std::string>{"l", "g"}) {
    for (const auto& [name, tensor] : parity::spec_tensors("clip_" + letter + "_small")) {
      named["clip_" + letter + ".transformer." + name] = tensor;
    }
  }
  return make_clip(Weights(named, "small encoders"), {.clip_vocabulary = vocabulary()},
                   [](const std::string& encoder, bool beside_another) {
                     auto style = clip_style(encoder, beside_another);
                     style.head_width = encoder == "clip_h" ? 20 : 16;
                     return style;
                   });
}

TEST(SdFamily, TextIsEncodedAsRecorded) {
  EASEL_NEEDS_PARITY();
  c10::InferenceMode inference;
  parity::Golden golden("sdxl/text");
  for (const auto& test : golden.cases()) {
    const auto& params = test["params"];
    if (params.value("kind", "") == "sd3_lg") continue;
    Texts texts{.plain = params.value("text", "")};
    if (params.contains("text_g")) texts.each = {{"g", params["text_g"]}, {"l", params["text_l"]}};
    const auto encoding = small_clip(params).encode(texts);
    golden.compare(test, "rows",
                   encoding.cross_attn.slice(1, 0, std::nullopt, test["outputs"]["row_step"].get<int64_t>()));
    golden.compare(test, "row_norms", encoding.cross_attn.norm(2, {2}));
    golden.compare(test, "pooled", encoding.pooled);
  }
}

// One text in each layout, at the same widths.
TEST(SdFamily, OpenClipsLayoutIsTheSameEncoder) {
  constexpr int64_t kWidth = 64;
  tiny::Builder b;
  b.tensor("token_embedding.weight", {49408, kWidth}, 0, 0.02);
  b.tensor("positional_embedding", {77, kWidth}, 0, 0.01);
  b.tensor("text_projection", {kWidth, kWidth}, 0, 0.1);
  b.norm("ln_final", kWidth);
  for (const std::string layer : {"transformer.resblocks.0.", "transformer.resblocks.1."}) {
    b.tensor(layer + "attn.in_proj_weight", {3 * kWidth, kWidth}, 0, 0.1);
    b.tensor(layer + "attn.in_proj_bias", {3 * kWidth}, 0, 0.1);
    b.layer(layer + "attn.out_proj", {kWidth, kWidth});
    b.norm(layer + "ln_1", kWidth);
    b.norm(layer + "ln_2", kWidth);
    b.layer(layer + "mlp.c_fc", {4 * kWidth, kWidth});
    b.layer(layer + "mlp.c_proj", {kWidth, 4 * kWidth});
  }
  const std::string t = "clip_h.transformer.text_model.", l = t + "encoder.layers.";
  tiny::Named open, plain;
  for (const auto& [name, tensor] : b.tensors) {
    open["cond_stage_model.model." + name] = tensor;
    auto layer = [&](const std::string& part, const std::string& ours) {
      const auto at = name.find("." + part);
      if (at == std::string::npos) return false;
      plain[l + name.substr(at - 1, 1) + "." + ours + name.substr(at + 1 + part.size())] = tensor;
      return true;
    };
    if (name == "token_embedding.weight") plain[t + "embeddings.token_embedding.weight"] = tensor;
    if (name == "positional_embedding") plain[t + "embeddings.position_embedding.weight"] = tensor;
    if (name == "text_projection") plain["clip_h.transformer.text_projection.weight"] = tensor.t().contiguous();
    if (name.rfind("ln_final.", 0) == 0) plain[t + "final_layer_norm." + name.substr(9)] = tensor;
    layer("attn.out_proj.", "self_attn.out_proj.");
    layer("ln_1.", "layer_norm1.");
    layer("ln_2.", "layer_norm2.");
    layer("mlp.c_fc.", "mlp.fc1.");
    layer("mlp.c_proj.", "mlp.fc2.");
    if (auto at = name.find(".attn.in_proj_"); at != std::string::npos) {
      const auto kind = name.substr(at + 14);
      const auto thirds = tensor.chunk(3);
      for (int i = 0; i < 3; ++i) {
        plain[l + name.substr(at - 1, 1) + ".self_attn." + "qkv"[i] + "_proj." + kind] = thirds[i].contiguous();
      }
    }
  }
  const tiny::ScratchFile open_file("open.safetensors", open), plain_file("plain.safetensors", plain);
  const LoadOptions options{.clip_vocabulary = vocabulary()};
  const auto a = make_clip({load_safetensors(open_file.path())}, options).encode("a red apple");
  const auto c = make_clip({load_safetensors(plain_file.path())}, options).encode("a red apple");
  EXPECT_TRUE(a.cross_attn.equal(c.cross_attn));
  EXPECT_TRUE(a.pooled.equal(c.pooled));
}

RunFacts run_of(int64_t batch, int64_t height, int64_t width) {
  return {.latent = parity::formula("latent", {batch, 4, height, width}),
          .noise = parity::formula("noise", {batch, 4, height, width})};
}

TEST(SdFamily, InpaintingChannels) {
  const auto run = run_of(2, 6, 8);
  const auto blank = inpaint_channels({}, run, kSd15Latent);
  EXPECT_EQ(blank.sizes(), at::IntArrayRef({2, 5, 6, 8}));
  EXPECT_TRUE(blank.select(1, 0).eq(1).all().item<bool>());
  EXPECT_FLOAT_EQ(blank[1][2][3][3].item<float>(), -0.6876f);

  Conditioning given;
  given.tensors["concat_mask"] = at::cat({at::zeros({1, 24, 64}), at::ones({1, 24, 64})}, 1);
  given.tensors["concat_latent_image"] = parity::formula("picture", {1, 4, 6, 8});
  const auto channels = inpaint_channels(given, run, kSd15Latent);
  EXPECT_TRUE(channels.select(1, 0).narrow(1, 0, 3).eq(0).all().item<bool>());
  EXPECT_TRUE(channels.select(1, 0).narrow(1, 3, 3).eq(1).all().item<bool>());
  EXPECT_TRUE(channels.narrow(1, 1, 4).narrow(0, 1, 1).allclose(given.tensors["concat_latent_image"] * 0.18215));
}

TEST(SdFamily, EditingAndDepthChannels) {
  const auto run = run_of(3, 6, 8);
  EXPECT_EQ(edit_channels({}, run).count_nonzero().item<int64_t>(), 0);
  Conditioning given;
  given.tensors["concat_latent_image"] = parity::formula("picture", {1, 4, 6, 8});
  EXPECT_TRUE(edit_channels(given, run).narrow(0, 2, 1).equal(given.tensors["concat_latent_image"]));
  EXPECT_THROW(depth_channel({}, run), Error);
  given.tensors["concat_mask"] = at::full({1, 6, 8}, 0.25);
  const auto depth = depth_channel(given, run);
  EXPECT_EQ(depth.sizes(), at::IntArrayRef({3, 1, 6, 8}));
  EXPECT_FLOAT_EQ(depth[0][0][0][0].item<float>(), -0.5f);
}

}  // namespace
}  // namespace easel
