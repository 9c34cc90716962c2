// Upscale models and TAESD against recorded numbers.
#include <gmock/gmock.h>

#include <set>

#include "models/upscale/upscale_model.h"
#include "models/vae/taesd.h"
#include "parity/golden.h"

namespace easel {
namespace {

TEST(Upscale, EnlargesAsRecorded) {
  EASEL_NEEDS_PARITY();
  c10::InferenceMode inference;
  const std::set<std::string> known{"ESRGAN", "Compact", "SPAN", "PLKSR"};
  parity::Golden golden("upscale/models");
  int compared = 0;
  for (const auto& test : golden.cases()) {
    const auto& params = test["params"];
    if (!known.contains(params["architecture"])) continue;  // not there yet
    const Weights weights(parity::spec_tensors(params["spec"]), params["spec"]);
    const auto model = make_upscale_model(weights);
    EXPECT_EQ(model.architecture, params["architecture"].get<std::string>()) << test["case"];
    EXPECT_EQ(model.network->scale(), params["scale"].get<int64_t>()) << test["case"];
    const auto image = golden.input(test["inputs"]["image"]);
    if (test["outputs"].contains("unclamped")) {
      golden.compare(test, "unclamped", (*model.network)(image.permute({0, 3, 1, 2}).contiguous()));
    }
    golden.compare(test, "image", upscale(model, image));
    ++compared;
  }
  EXPECT_GE(compared, 7);
}

TEST(Upscale, WhatIsNoUpscaleModelIsRefused) {
  EXPECT_THROW(make_upscale_model(Weights({{"some.weight", at::zeros({2, 2})}}, "made up")), Error);
}

TEST(Taesd, GoesBothWaysAsRecorded) {
  EASEL_NEEDS_PARITY();
  c10::InferenceMode inference;
  parity::Golden golden("upscale/taesd");
  for (const auto& test : golden.cases()) {
    const auto& params = test["params"];
    std::map<std::string, Tensor> named;
    for (const std::string half : {"encoder", "decoder"}) {
      for (const auto& [name, tensor] : parity::spec_tensors(params[half + "_spec"])) {
        named["taesd_" + half + "." + name] = tensor;
      }
    }
    const Weights weights(named, "taesd");
    const Taesd vae(weights, params["vae_scale"], params["vae_shift"]);
    EXPECT_EQ(weights.unused(), std::vector<std::string>());
    const auto image = vae.decode(golden.input(test["inputs"]["samples"]));
    golden.compare(test, "image", ((image + 1) / 2).clamp(0, 1).permute({0, 2, 3, 1}));
    const auto pixels = golden.input(test["inputs"]["pixels"]).permute({0, 3, 1, 2}) * 2 - 1;
    golden.compare(test, "samples", vae.encode(pixels.contiguous()));
  }
}

}  // namespace
}  // namespace easel
