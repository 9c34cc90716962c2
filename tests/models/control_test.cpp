// Control networks on a small U-Net with made-up weights: what they add, when, and in which layouts they come.
#include <gmock/gmock.h>

#include "base/error.h"
#include "models/checkpoint.h"
#include "models/control/control_model.h"
#include "models/control/gligen.h"
#include "models/tiny.h"
#include "sampling/predictor.h"

namespace easel {
namespace {

// The first half of the small U-Net with hints and ways out; zeros: what training starts from.
tiny::Named control_net() {
  tiny::Builder unet, own;
  tiny::add_unet(unet);
  constexpr std::string_view prefix = "model.diffusion_model.";
  for (const auto& [name, tensor] : unet.tensors) {
    const auto rest = name.substr(prefix.size());
    for (const char* part : {"time_embed.", "input_blocks.", "middle_block."}) {
      if (rest.rfind(part, 0) == 0) own.tensors[rest] = tensor;
    }
  }
  const std::vector<int64_t> widths{3, 16, 16, 32, 32, 96, 96, 256, tiny::kWidth};
  for (int64_t i = 0; i < 8; ++i) {
    own.layer("input_hint_block." + std::to_string(2 * i), {widths[i + 1], widths[i], 3, 3});
  }
  const std::vector<int64_t> out{tiny::kWidth, tiny::kWidth, tiny::kWidth, 2 * tiny::kWidth};
  for (size_t i = 0; i < out.size(); ++i) {
    own.layer("zero_convs." + std::to_string(i) + ".0", {out[i], out[i], 1, 1});
  }
  own.layer("middle_block_out.0", {2 * tiny::kWidth, 2 * tiny::kWidth, 1, 1});
  return own.tensors;
}

NetInput input(int64_t batch = 2) {
  return {.x = parity::formula("x", {batch, 4, 8, 8}),
          .timestep = parity::formula("t", {batch}, 500, 100),
          .context = parity::formula("context", {batch, 77, tiny::kContext})};
}

Residuals residuals_of(const ControlNet& net, const ControlUse& use, float sigma = 5, int64_t entries = 1) {
  const ModelSampling sampling;
  auto in = input();
  applied(net, use)->add_to(in, {.sigma = sigma, .sampling = sampling, .entries = entries});
  return in.residuals ? *in.residuals : Residuals();
}

ControlUse use(double strength = 1, double start = 0, double end = 1) {
  return {.image = parity::formula("hint", {1, 64, 64, 3}, 0.5, 0.2),
          .strength = strength,
          .start_percent = start,
          .end_percent = end};
}

TEST(Control, AddsToEverySkipAndTheMiddle) {
  c10::InferenceMode inference;
  const tiny::ScratchFile file("control.safetensors", control_net());
  EXPECT_EQ(identify(file.path()), "ControlNet, F16");
  const auto net = load_control_net(file.path(), {});
  const auto whole = residuals_of(net, use());
  ASSERT_EQ(whole.skips.size(), 4u);
  ASSERT_EQ(whole.middle.size(), 1u);
  EXPECT_TRUE(whole.input.empty());
  const auto half = residuals_of(net, use(0.5));
  EXPECT_TRUE(at::allclose(half.skips[2] * 2, whole.skips[2]));
  EXPECT_TRUE(at::allclose(half.middle[0] * 2, whole.middle[0]));

  // Applied twice they add up, and the network takes them.
  const ModelSampling sampling;
  auto in = input();
  for (int i = 0; i < 2; ++i) applied(net, use(0.5))->add_to(in, {.sigma = 5, .sampling = sampling});
  EXPECT_TRUE(at::allclose(in.residuals->skips[1], whole.skips[1], 1e-4, 1e-5));
  const tiny::ScratchFile unet("unet.safetensors", tiny::checkpoint());
  const auto network = load_diffusion_model(unet.path(), "default", {}).network();
  const auto with = network(in), without = network(input());
  EXPECT_EQ(with.sizes(), without.sizes());
  EXPECT_GT((with - without).norm().item<float>(), 0.01 * without.norm().item<float>());
}

TEST(Control, ActsInItsPartOfTheSchedule) {
  c10::InferenceMode inference;
  const tiny::ScratchFile file("control.safetensors", control_net());
  const auto net = load_control_net(file.path(), {});
  EXPECT_FALSE(residuals_of(net, use(1, 0, 0.5), 14.0f).skips.empty());
  EXPECT_TRUE(residuals_of(net, use(1, 0, 0.5), 0.1f).skips.empty());
  EXPECT_TRUE(residuals_of(net, use(1, 0.5, 1), 14.0f).skips.empty());
}

TEST(Control, PrefixesAndDifferencesLoad) {
  c10::InferenceMode inference;
  tiny::Named prefixed, difference;
  const auto own = control_net();
  tiny::Builder unet;
  tiny::add_unet(unet);
  std::map<std::string, Tensor> base;
  for (const auto& [name, tensor] : unet.tensors) base["diffusion_model." + name.substr(22)] = tensor;
  for (const auto& [name, tensor] : own) {
    prefixed["control_model." + name] = tensor;
    const bool shared = base.count("diffusion_model." + name);
    difference["control_model." + name] = shared ? at::zeros_like(tensor) : tensor;
  }
  difference["difference"] = at::zeros({1});
  const tiny::ScratchFile plain("plain.safetensors", own), with_prefix("prefixed.safetensors", prefixed),
      from_base("difference.safetensors", difference);
  const auto wanted = residuals_of(load_control_net(plain.path(), {}), use());
  EXPECT_TRUE(residuals_of(load_control_net(with_prefix.path(), {}), use()).skips[3].equal(wanted.skips[3]));
  EXPECT_THROW(load_control_net(from_base.path(), {}), Error);
  const auto laid = load_control_net(from_base.path(), {}, Weights(base, "base"));
  EXPECT_TRUE(at::allclose(residuals_of(laid, use()).skips[3], wanted.skips[3], 1e-4, 1e-5));

  // Control-LoRA: what is shared comes from the sampled model.
  tiny::Named lora;
  for (const auto& [name, tensor] : own) {
    if (!base.count("diffusion_model." + name)) lora[name] = tensor;
  }
  lora["lora_controlnet"] = at::zeros({1});
  const tiny::ScratchFile lora_file("lora.safetensors", lora);
  const ModelSampling sampling;
  auto in = input();
  applied(load_control_net(lora_file.path(), {}), use())->add_to(in, {.sigma = 5, .sampling = sampling, .base = [&] {
                                                                        return Weights(base, "base");
                                                                      }});
  EXPECT_TRUE(at::allclose(in.residuals->skips[3], wanted.skips[3], 1e-4, 1e-5));
}

TEST(Control, WhatIsNoControlNetworkIsRefused) {
  const tiny::ScratchFile file("tiny.safetensors", tiny::checkpoint());
  EXPECT_THROW(load_control_net(file.path(), {}), Error);
  EXPECT_THROW(load_gligen(file.path(), {}), Error);
}

TEST(T2iAdapter, GivesFeaturesAtTheEndOfEachLevel) {
  c10::InferenceMode inference;
  tiny::Builder b;
  b.layer("conv_in", {32, 192, 3, 3});
  for (int64_t i = 0; i < 8; ++i) {
    const auto name = "body." + std::to_string(i);
    b.layer(name + ".block1", {32, 32, 3, 3});
    b.layer(name + ".block2", {32, 32, 1, 1});
  }
  const tiny::ScratchFile file("adapter.safetensors", b.tensors);
  const auto made = residuals_of(load_control_net(file.path(), {}), use());
  ASSERT_EQ(made.input.size(), 12u);
  for (size_t i = 0; i < 12; ++i) EXPECT_EQ(made.input[i].defined(), i % 3 == 2) << i;
  EXPECT_EQ(made.input[2].sizes(), at::IntArrayRef({2, 32, 8, 8}));
  EXPECT_EQ(made.input[11].sizes(), at::IntArrayRef({2, 32, 1, 1}));
}

// A denoiser that remembers which controls its calls came with.
TEST(Control, NegativeSidesTakeThemWhereAsked) {
  struct Nothing : Control {
    void add_to(NetInput&, const ControlStep&) const override {}
  };
  const auto control = std::make_shared<const Nothing>();
  std::vector<size_t> seen;
  const Denoiser denoiser = [&](const DenoiseInput& in) {
    for (size_t i = 0; i < in.sides.size(); ++i) seen.push_back(in.controls.size());
    return in.x;
  };
  const auto text = at::zeros({1, 77, 4});
  const auto x = at::zeros({1, 4, 8, 8});
  for (const bool shared : {true, false}) {
    seen.clear();
    Conditioning positive{.cross_attn = text, .controls = {control}, .control_negative_too = shared};
    const std::vector<ConditioningList> sides{ConditioningList{positive},
                                              ConditioningList{Conditioning{.cross_attn = text}}};
    const Predictor predictor(denoiser, {}, {}, sides, {.latent = x, .noise = x});
    predictor(x, 5, {true, true});
    EXPECT_EQ(seen.size(), 2u);
    EXPECT_EQ(seen[0] + seen[1], shared ? 2u : 1u);
  }
}

}  // namespace
}  // namespace easel
