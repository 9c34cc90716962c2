#include "models/diffusion/unet.h"

#include "parity/checkpoints.h"
#include "sampling/model_sampling.h"

namespace easel {
namespace {

Tensor vector_of(const Json& numbers) { return at::tensor(numbers.get<std::vector<double>>(), at::kFloat); }

TEST(UnetParity, PredictsAsRecorded) {
  EASEL_NEEDS_PARITY();
  c10::InferenceMode inference;
  parity::Golden golden("sd15/unet");
  const Weights weights(load_safetensors(parity::checkpoint("sd15")), "model.");
  const Unet unet(weights / "diffusion_model", {});
  EXPECT_EQ(weights.unused(), std::vector<std::string>());
  for (const auto& test : golden.cases()) {
    if (!test.contains("inputs")) continue;  // a_taps: to bisect with
    const auto x = golden.input(test["inputs"]["x"]), context = golden.input(test["inputs"]["context"]);
    const auto t = vector_of(test["params"]["timesteps"]);
    golden.compare(test, "eps", unet({.x = x, .timestep = t, .context = context}, at::kFloat));

    const ModelSampling sampling;
    const auto sigma = vector_of(test["params"]["sigmas"]);
    const auto noisy = x * 3;  // params.denoised_input
    const auto eps =
        unet({.x = sampling.calculate_input(sigma, noisy), .timestep = sampling.timestep(sigma), .context = context},
             at::kFloat);
    golden.compare(test, "denoised", sampling.calculate_denoised(sigma, eps, noisy));
  }
}

}  // namespace
}  // namespace easel
